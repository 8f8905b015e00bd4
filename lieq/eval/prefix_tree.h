#pragma once
/// Texts with common beginnings as one batch that runs every beginning once.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lieq/model/forward.h"

namespace lieq::eval {

/// What model::forward takes, and where each text's tokens went.
struct PrefixTree {
  std::vector<model::TokenId> tokens;
  std::vector<model::SequenceSpan> spans;        ///< parents before children
  std::vector<std::vector<std::uint32_t>> rows;  ///< rows[s][t]: the row of token t of text s
};

/// A compressed trie of `texts` (none empty). Equal texts share all their rows. Each row computes what a run of its
/// text alone would, up to rounding. Cost: O(n log n) comparisons of texts.
[[nodiscard]] PrefixTree build_prefix_tree(std::span<const std::span<const model::TokenId>> texts);

/// Tokens at the beginning that both have.
[[nodiscard]] std::size_t common_prefix(std::span<const model::TokenId> a, std::span<const model::TokenId> b);

}  // namespace lieq::eval
