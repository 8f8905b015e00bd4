#pragma once
/// Which tokens may come next in a text that follows a grammar.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/grammar/grammar.h"
#include "lieq/grammar/vocabulary.h"

namespace lieq::grammar {

class Walker;

/// A set of token ids.
class TokenMask {
 public:
  explicit TokenMask(std::size_t vocabulary_size = 0) : size_(vocabulary_size), words_((vocabulary_size + 63) / 64) {}

  [[nodiscard]] bool allows(TokenId id) const {
    const auto i = static_cast<std::size_t>(id);
    return id >= 0 && i < size_ && ((words_[i / 64] >> (i % 64)) & 1) != 0;
  }
  void allow(TokenId id) {
    const auto i = static_cast<std::size_t>(id);
    words_[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  void clear() { words_.assign(words_.size(), 0); }
  void unite(const TokenMask& other);

  /// Tokens allowed.
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }
  /// Makes the logits of all others minus infinity. `logits` may be longer than the vocabulary: what is beyond is not
  /// allowed either.
  void apply(std::span<float> logits) const;

 private:
  std::size_t size_;
  std::vector<std::uint64_t> words_;  ///< bit i % 64 of word i / 64
};

/// A grammar over a vocabulary, and what was found out about its places so far: shared by all texts that follow it.
/// May be used from several threads at once.
class Constraint {
 public:
  Constraint(Grammar grammar, std::shared_ptr<const Vocabulary> vocabulary);
  ~Constraint();

  [[nodiscard]] const Grammar& grammar() const { return grammar_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return *vocabulary_; }

  struct Local;  ///< private to matcher.cc
  /// Adds to `work` what it costs.
  [[nodiscard]] std::shared_ptr<const Local> local(std::uint32_t node, std::uint64_t& work) const;

 private:
  struct Cache;
  Grammar grammar_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::unique_ptr<Cache> cache_;
};

/// Where one text stands: run state of one text. A copy goes on by itself.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const Constraint> constraint);
  Matcher(const Matcher& other);
  Matcher(Matcher&&) noexcept;
  Matcher& operator=(Matcher&&) noexcept;
  ~Matcher();

  /// The tokens that may come next, end tokens where can_end(). Without any, the vocabulary lacks the bytes to go on.
  /// Valid until the next call. Errors: kUnsupported when the text is more ambiguous than the bound of work allows.
  /// Cost: some microseconds where the place was seen before; otherwise at most a few milliseconds, for places at which
  /// nearly all of 150,000 tokens may come.
  [[nodiscard]] Result<const TokenMask*> mask();

  /// Goes on by a token. False, and nothing changed, when it is not allowed.
  [[nodiscard]] bool accept(TokenId token);

  /// Whether the text is whole.
  [[nodiscard]] bool can_end() const;
  /// Whether it is, and nothing can follow.
  [[nodiscard]] bool must_end() const;
  /// Whether an end token was accepted.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  std::shared_ptr<const Constraint> constraint_;
  std::unique_ptr<Walker> walker_;
  std::uint32_t state_;
  std::size_t forget_at_;  ///< the walker's size at which it keeps only what is needed
  bool ended_ = false;
  bool mask_is_current_ = false;
  TokenMask mask_;
};

}  // namespace lieq::grammar
