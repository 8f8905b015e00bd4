#pragma once
/// Cutting text into the pieces that BPE then merges, each on its own.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::text {

/// One step. Stateless, so that several threads may use it at once.
class Splitter {
 public:
  struct Piece {
    std::size_t end;
    bool keep = true;  ///< false: this part of the text is thrown away
  };
  virtual ~Splitter() = default;
  /// The piece of `text` that starts at `begin` < text.size(). It is not empty. `text` is valid UTF-8.
  [[nodiscard]] virtual Piece next(std::string_view text, std::size_t begin) const = 0;
};

/// The split patterns that are written out in C++, which is an order of magnitude faster than PCRE2.
struct KnownPattern {
  std::string_view name;   ///< for Tokenizer::kind()
  std::string_view regex;  ///< as it stands in tokenizer.json
};
inline constexpr KnownPattern kGpt2Pattern{
    "GPT-2 pattern", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"};
inline constexpr KnownPattern kLlama3Pattern{
    "Llama 3 pattern",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
inline constexpr KnownPattern kQwen2Pattern{
    "Qwen2 pattern",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

/// nullptr when `regex` is none of the above.
[[nodiscard]] std::unique_ptr<Splitter> known_splitter(std::string_view regex);
/// Numbers apart from the rest; each digit alone, or runs of them together.
[[nodiscard]] std::unique_ptr<Splitter> digit_splitter(bool individual);

/// What becomes of the matches of a pattern, and of what is between them.
struct MatchPolicy {
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;  ///< what is between the matches counts as a match, and the matches do not
};

/// Finds what a pattern matches.
class Finder {
 public:
  struct Match {
    std::size_t begin, end;
  };
  virtual ~Finder() = default;
  /// The first match from `begin` < size on; it can be empty unless it is at `begin`. (size, size) when there is none.
  [[nodiscard]] virtual Match find(std::string_view text, std::size_t begin) const = 0;
};

/// Cuts by the matches of `finder`.
[[nodiscard]] std::unique_ptr<Splitter> match_splitter(std::unique_ptr<const Finder> finder, MatchPolicy policy);
/// Cuts by a text, which is not empty.
[[nodiscard]] std::unique_ptr<Splitter> text_splitter(std::string text, MatchPolicy policy);

/// Any other pattern, read as Oniguruma's (oniguruma.h), by PCRE2 (Unicode 14). `place` opens the message of an error.
/// Errors: kInvalidFormat naming the pattern and the offset of the fault; kUnsupported naming a construct.
[[nodiscard]] Result<std::unique_ptr<Splitter>> regex_splitter(std::string_view regex, MatchPolicy policy,
                                                               const std::string& place);

/// Blanks as a visible character, which is also put in front of text.
struct Metaspace {
  enum class Prepend { kNever, kFirst, kAlways };  ///< kFirst: of what opens the text, not of what follows a token
  std::string replacement = "\u2581";
  Prepend prepend = Prepend::kAlways;
};

/// The steps one after the other, each applied to the pieces of the one before.
struct PreTokenizer {
  std::vector<std::unique_ptr<Splitter>> steps;
  std::string name;            ///< for Tokenizer::kind()
  bool byte_level = false;     ///< pieces are merged byte by byte, not character by character
  bool prefix_space = false;   ///< before step `prefix_step`, a piece gets a blank in front unless it has one
  std::optional<Metaspace> metaspace;  ///< before step `prefix_step`
  std::size_t prefix_step = 0;

  /// Calls `sink` with each piece of `text`, in order. Pieces live as long as the call.
  /// opens: nothing comes before `text` in what is encoded.
  void split(std::string_view text, bool opens, const std::function<void(std::string_view)>& sink) const;

 private:
  [[nodiscard]] bool changes_before(std::size_t step) const {
    return (prefix_space || metaspace) && step == prefix_step;
  }
  [[nodiscard]] std::string changed(std::string_view text, bool opens) const;
  void split_from(std::size_t step, std::string_view text, bool opens,
                  const std::function<void(std::string_view)>& sink) const;
};

}  // namespace lieq::text
