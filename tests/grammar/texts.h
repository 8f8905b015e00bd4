#pragma once
/// Texts and vocabularies for the tests of grammars.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/grammar/matcher.h"

namespace lieq::grammar::test {

inline constexpr TokenId kEnd = 256;

/// Tokens 0 ... 255 are the bytes, kEnd ends a text, and `more` follow.
inline std::shared_ptr<const Vocabulary> vocabulary(const std::vector<std::string>& more = {}) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  bytes.emplace_back("</s>");
  bytes.insert(bytes.end(), more.begin(), more.end());
  return std::make_shared<const Vocabulary>(std::move(bytes), std::vector<TokenId>{kEnd});
}

inline Matcher matcher(const Grammar& grammar, std::shared_ptr<const Vocabulary> tokens = vocabulary()) {
  return Matcher(std::make_shared<const Constraint>(grammar, std::move(tokens)));
}

/// How far `text` can be read, byte by byte; npos: all of it, and it may end there.
inline std::size_t stops_at(const Grammar& grammar, std::string_view text) {
  static const auto kBytes = vocabulary();
  Matcher at = matcher(grammar, kBytes);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!at.accept(static_cast<std::uint8_t>(text[i]))) return i;
  }
  return at.can_end() ? std::string_view::npos : text.size();
}

inline bool matches(const Grammar& grammar, std::string_view text) {
  return stops_at(grammar, text) == std::string_view::npos;
}

}  // namespace lieq::grammar::test
