#pragma once
/// Tokens that are found in the text before anything else happens to it.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lieq/text/normalize.h"
#include "lieq/text/tokenizer.h"

namespace lieq::text {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool single_word = false;  ///< found only where no word character touches it
  bool lstrip = false;       ///< swallows the white space before it
  bool rstrip = false;       ///< swallows the white space after it
  bool normalized = false;   ///< looked for in the normalised text, itself normalised
  bool special = false;      ///< left out of decoded text on demand
};

/// A set of strings, found leftmost first and of those the longest.
class TokenMatcher {
 public:
  /// `pattern` is not empty; of equal patterns the first one counts.
  void add(std::string_view pattern, std::size_t token);
  [[nodiscard]] bool empty() const { return nodes_.size() == 1; }

  struct Match {
    std::size_t begin, end, token;
  };
  /// The first match from `from` on; begin == npos when there is none.
  [[nodiscard]] Match find(std::string_view text, std::size_t from) const;

 private:
  static constexpr std::size_t kNothing = ~std::size_t{0};
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> children;
    std::size_t token = kNothing;
  };
  std::vector<Node> nodes_{Node{}};
  std::array<bool, 256> starts_{};  ///< bytes a pattern starts with
};

/// One stretch of text: an added token, or text between them.
using SectionSink = std::function<void(std::string_view text, const AddedToken* token)>;

/// Cuts text as Hugging Face tokenizers do: first at the tokens that are looked for in raw text; what is between is
/// normalised and cut at the others. Sections of text arrive normalised.
class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer);

  void split(std::string_view text, const Normalizer& normalizer, const SectionSink& sink) const;
  [[nodiscard]] bool is_special(TokenId id) const { return special_.contains(id); }
  /// What a token decodes to when that is not its content: the normalised content of a `normalized` token. (Such a
  /// token is also no longer special to the reference, which compares texts; so it is not here either.)
  [[nodiscard]] const std::string* decoded_as(TokenId id) const;

 private:
  void cut(std::string_view text, const TokenMatcher& matcher, const SectionSink& sink) const;
  std::vector<AddedToken> tokens_;
  TokenMatcher raw_, normalized_;
  std::unordered_set<TokenId> special_;
  std::unordered_map<TokenId, std::string> decoded_;
};

}  // namespace lieq::text
