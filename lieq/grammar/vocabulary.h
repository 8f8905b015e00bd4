#pragma once
/// A model's tokens as byte strings.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lieq::grammar {

using TokenId = std::int32_t;

/// Immutable; one for each model, shared by all texts. About 20 bytes for each byte of the tokens.
class Vocabulary {
 public:
  /// bytes[id]: what a token adds to the text; tokens without bytes are never allowed. end: ids that end a text,
  /// allowed exactly where it may end, whatever their bytes.
  Vocabulary(std::vector<std::string> bytes, std::vector<TokenId> end);

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::string& bytes(TokenId id) const { return bytes_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] bool is_end(TokenId id) const {
    return id >= 0 && std::size_t(id) < size() && is_end_[std::size_t(id)];
  }
  [[nodiscard]] std::span<const TokenId> end_tokens() const { return end_; }

  /// The trie of all tokens in preorder; the root, which has no byte, is not there. Below node i lie the nodes
  /// [i + 1, last), and the tokens whose bytes end at it are tokens()[first_token, first_token + token_count).
  struct TrieNode {
    std::uint32_t last = 0;
    std::uint32_t first_token = 0;
    std::uint16_t token_count = 0;
    std::uint16_t depth = 0;  ///< 1: first byte of a token
    std::uint8_t byte = 0;
  };
  static constexpr std::size_t kMaxTokenBytes = 4096;  ///< longer tokens are never allowed

  [[nodiscard]] std::span<const TrieNode> trie() const { return trie_; }
  [[nodiscard]] std::span<const TokenId> tokens() const { return tokens_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<TokenId> end_, tokens_;
  std::vector<bool> is_end_;
  std::vector<TrieNode> trie_;
};

}  // namespace lieq::grammar
