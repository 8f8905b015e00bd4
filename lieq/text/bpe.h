#pragma once
/// Byte-pair encoding of one piece of text: merges by rank, leftmost first.
///
/// Ranks decide alone: in tokenizer.json each merge has its own, in a SentencePiece vocabulary all pairs that make
/// tokens of one score share one. Either way the lowest rank is merged first, and of equal ones the leftmost.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lieq/text/tokenizer.h"

namespace lieq::text {

inline constexpr TokenId kNoToken = -1;
inline constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

/// What two neighbours become. rank == kNoRank: they stay two.
struct Merge {
  std::uint32_t rank = kNoRank;
  TokenId product = kNoToken;
};

/// Pairs of ids -> Merge; open addressing with linear probing.
class MergeTable {
 public:
  void reserve(std::size_t count);
  /// false when the pair is there already.
  bool insert(TokenId left, TokenId right, Merge merge);
  [[nodiscard]] Merge find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    std::uint64_t pair = kEmpty;
    Merge merge;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  [[nodiscard]] std::size_t home(std::uint64_t pair) const;
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
  unsigned shift_ = 64;
};

/// Pieces seen in one call of encode, with their ids. Bounded; when full it starts anew.
class PieceCache {
 public:
  static constexpr std::size_t kMaxPieceBytes = 64;
  PieceCache();
  /// The ids, or nothing. Valid until the next insert.
  [[nodiscard]] std::optional<std::span<const TokenId>> find(std::string_view piece, std::uint64_t hash) const;
  void insert(std::string_view piece, std::uint64_t hash, std::span<const TokenId> ids);
  [[nodiscard]] static std::uint64_t hash_of(std::string_view piece);

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t text_begin = 0, ids_begin = 0;
    std::uint16_t text_size = 0, ids_count = 0;  ///< text_size 0: free
  };
  void grow();
  std::vector<Entry> entries_;
  std::string texts_;
  std::vector<TokenId> ids_;
  std::size_t count_ = 0;
};

/// What one call of encode works with.
struct EncodeScratch {
  PieceCache cache;
  std::vector<TokenId> symbols;
};

/// How a piece becomes the symbols that merging starts from, and the merges. Immutable once built.
struct Bpe {
  MergeTable merges;
  std::array<TokenId, 256> bytes{};                          ///< token of a byte, or kNoToken
  bool byte_level = false;                                   ///< symbols are bytes; otherwise characters, and
  bool byte_fallback = false;                                ///< bytes for a character that is no token
  std::array<TokenId, 128> ascii{};                          ///< character mode: token of a character
  std::unordered_map<char32_t, TokenId> characters;          ///< the same beyond ASCII
  TokenId unk = kNoToken;                                    ///< for what has no token; without one it is dropped
  bool fuse_unk = false;                                     ///< neighbouring unknowns make one
  std::unordered_map<std::string_view, TokenId> whole;       ///< pieces that are taken whole, before any merge
  std::vector<char> whole_texts;                             ///< what the keys of `whole` view

  /// Character mode only: the pairs of characters over whose border a merge can reach. The text may be cut
  /// anywhere else without a change in the result, which is what makes text without pieces fast.
  bool may_cut = false;
  std::vector<bool> ascii_joins;                             ///< [kJoinRow * kJoinRow]
  std::unordered_set<std::uint64_t> joins;

  /// Appends the ids of `piece`.
  void encode(std::string_view piece, EncodeScratch& scratch, std::vector<TokenId>& ids) const;

  void add_join(char32_t left, char32_t right);
  [[nodiscard]] bool joins_at(char32_t left, char32_t right) const;

 private:
  void encode_cached(std::string_view piece, EncodeScratch& scratch, std::vector<TokenId>& ids) const;
  void encode_segments(std::string_view piece, EncodeScratch& scratch, std::vector<TokenId>& ids) const;
  void first_symbols(std::string_view piece, std::vector<TokenId>& symbols) const;
  [[nodiscard]] TokenId character(char32_t value) const;
};

/// Merges `symbols` until no pair has a rank, and appends what is left. O(n²) up to a few dozen symbols,
/// O(n log n) beyond.
void merge_symbols(const MergeTable& merges, std::vector<TokenId>& symbols, std::vector<TokenId>& ids);

}  // namespace lieq::text
