#include "lieq/grammar/vocabulary.h"

#include <algorithm>
#include <utility>

#include "lieq/base/check.h"

namespace lieq::grammar {

Vocabulary::Vocabulary(std::vector<std::string> bytes, std::vector<TokenId> end)
    : bytes_(std::move(bytes)), end_(std::move(end)), is_end_(bytes_.size()) {
  std::erase_if(end_, [&](TokenId id) { return id < 0 || static_cast<std::size_t>(id) >= size(); });
  for (const TokenId id : end_) is_end_[static_cast<std::size_t>(id)] = true;
  for (std::size_t id = 0; id < size(); ++id) {
    if (!is_end_[id] && !bytes_[id].empty() && bytes_[id].size() <= kMaxTokenBytes) {
      tokens_.push_back(narrow<TokenId>(id));
    }
  }
  const auto text = [&](TokenId id) -> const std::string& { return bytes_[static_cast<std::size_t>(id)]; };
  std::sort(tokens_.begin(), tokens_.end(),
            [&](TokenId a, TokenId b) { return std::pair(text(a), a) < std::pair(text(b), b); });

  std::vector<std::uint32_t> path;  // of the last token
  const auto close = [&](std::size_t depth) {
    for (; path.size() > depth; path.pop_back()) trie_[path.back()].last = static_cast<std::uint32_t>(trie_.size());
  };
  for (std::size_t t = 0; t < tokens_.size(); ++t) {
    const std::string& token = text(tokens_[t]);
    std::size_t common = 0;
    while (common < path.size() && common < token.size() &&
           trie_[path[common]].byte == static_cast<std::uint8_t>(token[common])) {
      ++common;
    }
    close(common);
    for (std::size_t i = common; i < token.size(); ++i) {
      path.push_back(static_cast<std::uint32_t>(trie_.size()));
      trie_.push_back({.depth = static_cast<std::uint16_t>(i + 1), .byte = static_cast<std::uint8_t>(token[i])});
    }
    TrieNode& node = trie_[path.back()];
    if (node.token_count == 0) node.first_token = static_cast<std::uint32_t>(t);
    if (node.token_count < 0xFFFF) ++node.token_count;  // so many tokens of the same bytes are no vocabulary
  }
  close(0);
}

}  // namespace lieq::grammar
