#include "lieq/quantize/window_tree.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kFewestLeaves = 16, kMostLeaves = 64, kLeafTokens = 2048;

std::size_t leaves_of(std::size_t tokens) {
  return std::clamp(std::bit_floor(tokens / kLeafTokens), kFewestLeaves, kMostLeaves);
}

/// Leaf l is that of rank l · ranks / leaves: where there are more ranks than leaves, some have none.
Share own_leaves(std::size_t leaves, const Ranks& ranks) {
  const auto first = [&](std::size_t rank) { return (rank * leaves + ranks.size() - 1) / ranks.size(); };
  return {first(ranks.rank()), first(ranks.rank() + 1)};
}

}  // namespace

WindowTree::WindowTree(std::size_t windows, std::size_t window_tokens, const Ranks& ranks)
    : windows_(windows), leaves_(leaves_of(windows * window_tokens)), own_(quantize::own_leaves(leaves_, ranks)) {}

std::size_t WindowTree::leaf_windows(std::size_t windows, std::size_t window_tokens) {
  const std::size_t leaves = leaves_of(windows * window_tokens);
  return (windows + leaves - 1) / leaves;
}

std::size_t WindowTree::levels(std::size_t tokens) {
  return static_cast<std::size_t>(std::countr_zero(leaves_of(tokens)));
}

Share WindowTree::own_windows() const {
  return {share_of(windows_, own_.first, leaves_).first, share_of(windows_, own_.last, leaves_).first};
}

}  // namespace lieq::quantize
