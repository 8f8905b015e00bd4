#include "lieq/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "lieq/base/utf8.h"
#include "lieq/text/unicode.h"

namespace lieq::text {
namespace {

/// The place of the last code point before `at` > 0. `text` is valid UTF-8.
std::size_t before(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool is_space(std::string_view text, std::size_t at) {
  return char_class(decode_utf8(text, at).value) == CharClass::kSpace;
}

bool word_touches(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_word(decode_utf8(text, before(text, begin)).value)) ||
         (end < text.size() && is_word(decode_utf8(text, end).value));
}

}  // namespace

void TokenMatcher::add(std::string_view pattern, std::size_t token) {
  std::uint32_t node = 0;
  for (const char byte : pattern) {
    auto& children = nodes_[node].children;
    const auto child = std::find_if(children.begin(), children.end(), [&](const auto& c) { return c.first == byte; });
    if (child != children.end()) {
      node = child->second;
    } else {
      const auto fresh = static_cast<std::uint32_t>(nodes_.size());
      children.emplace_back(byte, fresh);
      nodes_.emplace_back();
      node = fresh;
    }
  }
  if (nodes_[node].token == kNothing) nodes_[node].token = token;
  starts_[static_cast<unsigned char>(pattern.front())] = true;
}

TokenMatcher::Match TokenMatcher::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    Match longest{begin, begin, kNothing};
    std::uint32_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      const auto& children = nodes_[node].children;
      const auto child =
          std::find_if(children.begin(), children.end(), [&](const auto& c) { return c.first == text[at]; });
      if (child == children.end()) break;
      node = child->second;
      if (nodes_[node].token != kNothing) longest = {begin, at + 1, nodes_[node].token};
    }
    if (longest.token != kNothing) return longest;
  }
  return {std::string_view::npos, 0, kNothing};
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    const std::string pattern = token.normalized ? normalizer.apply(token.content) : token.content;
    if (token.special && pattern == token.content) special_.insert(token.id);
    if (pattern != token.content) decoded_.emplace(token.id, pattern);
    if (!pattern.empty()) (token.normalized ? normalized_ : raw_).add(pattern, i);
  }
}

const std::string* AddedTokens::decoded_as(TokenId id) const {
  const auto found = decoded_.find(id);
  return found == decoded_.end() ? nullptr : &found->second;
}

void AddedTokens::cut(std::string_view text, const TokenMatcher& matcher, const SectionSink& sink) const {
  std::size_t begin = 0;  // of the text not yet handed on
  for (std::size_t from = 0; !matcher.empty();) {
    auto [match_begin, match_end, index] = matcher.find(text, from);
    if (match_begin == std::string_view::npos) break;
    const AddedToken& token = tokens_[index];
    from = match_end;
    if (token.single_word && word_touches(text, match_begin, match_end)) continue;
    if (token.lstrip) {
      while (match_begin > begin && is_space(text, before(text, match_begin))) match_begin = before(text, match_begin);
      match_begin = std::max(match_begin, begin);
    }
    while (token.rstrip && match_end < text.size() && is_space(text, match_end))
      match_end += decode_utf8(text, match_end).bytes;
    if (begin < match_begin) sink(text.substr(begin, match_begin - begin), nullptr);
    // A token of white space can lie inside what the one before swallowed. The reference then drops it if it has lstrip
    // and otherwise finds it a second time; so do we.
    if (match_begin < match_end) sink(text.substr(match_begin, match_end - match_begin), &token);
    begin = match_end;
  }
  if (begin < text.size()) sink(text.substr(begin), nullptr);
}

void AddedTokens::split(std::string_view text, const Normalizer& normalizer, const SectionSink& sink) const {
  cut(text, raw_, [&](std::string_view section, const AddedToken* token) {
    if (token != nullptr) return sink(section, token);
    if (normalizer.empty()) return cut(section, normalized_, sink);
    const std::string normal = normalizer.apply(section);
    cut(normal, normalized_, sink);
  });
}

}  // namespace lieq::text
