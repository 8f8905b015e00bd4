#pragma once
/// Tokens by id and ids by token.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/text/tokenizer.h"

namespace lieq::text {

class Vocabulary {
 public:
  /// Far above any published vocabulary; keeps a small file from asking for gigabytes.
  static constexpr std::int64_t kMaxId = (std::int64_t{1} << 21) - 1;

  struct Entry {
    std::string text;
    std::int64_t id;
  };

  /// Errors: kInvalidFormat naming `place` for an id out of range, an id given twice, a token given twice.
  [[nodiscard]] static Result<Vocabulary> build(std::vector<Entry> entries, const std::string& place);

  /// One more than the largest id.
  [[nodiscard]] std::size_t size() const { return tokens_.size(); }
  [[nodiscard]] bool contains(TokenId id) const;
  /// The token of an id that is in the vocabulary.
  [[nodiscard]] const std::string& text(TokenId id) const { return tokens_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const;

 private:
  std::vector<std::string> tokens_;
  std::vector<bool> present_;
  std::unordered_map<std::string_view, TokenId> ids_;  ///< keys view tokens_
};

}  // namespace lieq::text
