/// Both ways to merge against the plain definition: lowest rank first, of equal ones the leftmost.

#include <random>

#include <gtest/gtest.h>

#include "lieq/text/bpe.h"

namespace lieq::text {
namespace {

std::vector<TokenId> by_definition(const MergeTable& merges, std::vector<TokenId> symbols) {
  while (true) {
    std::size_t best = 0;
    Merge lowest;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge merge = merges.find(symbols[i], symbols[i + 1]);
      if (merge.rank < lowest.rank) {
        lowest = merge;
        best = i;
      }
    }
    if (lowest.rank == kNoRank) return symbols;
    symbols[best] = lowest.product;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

/// Random merges over an alphabet of 4, in any order of ranks; `shared`: several pairs have one rank.
MergeTable random_merges(std::mt19937& random, bool shared) {
  MergeTable merges;
  merges.reserve(60);
  TokenId next = 4;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const auto left = static_cast<TokenId>(random() % static_cast<unsigned>(next));
    const auto right = static_cast<TokenId>(random() % static_cast<unsigned>(next));
    if (merges.insert(left, right, {shared ? static_cast<std::uint32_t>(random() % 8) : 40 - i, next})) ++next;
  }
  return merges;
}

TEST(Merge, EqualsTheDefinition) {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    const MergeTable merges = random_merges(random, i % 2 == 0);
    std::vector<TokenId> symbols(random() % (i % 10 == 0 ? 400 : 60));
    for (TokenId& symbol : symbols) symbol = static_cast<TokenId>(random() % 4);
    const auto expected = by_definition(merges, symbols);
    std::vector<TokenId> ids{-7};
    merge_symbols(merges, symbols, ids);
    ids.erase(ids.begin());
    ASSERT_EQ(ids, expected) << "case " << i;
  }
}

TEST(PieceCache, RemembersAndStaysBounded) {
  PieceCache cache;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 200000; ++i) {
      const std::string piece = std::to_string(i) + "w";
      const std::uint64_t hash = PieceCache::hash_of(piece);
      if (const auto known = cache.find(piece, hash)) {
        ASSERT_EQ((*known)[0], i);
      } else {
        cache.insert(piece, hash, std::vector<TokenId>{i});
      }
      ASSERT_TRUE(cache.find(piece, hash));
    }
  }
}

}  // namespace
}  // namespace lieq::text
