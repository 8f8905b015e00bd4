#include "lieq/eval/prefix_tree.h"

#include <algorithm>
#include <numeric>

namespace lieq::eval {
namespace {

using model::TokenId;
using Text = std::span<const TokenId>;

/// Texts [first, last) of the sorted order, which agree in their first `depth` tokens, those being the tree up to
/// `parent`.
struct Branch {
  std::size_t first, last, depth, parent;
};

/// Adds the tokens all texts of the branch go on with as one span, and returns the branches beyond it.
std::vector<Branch> grow(std::span<const Text> texts, std::span<const std::size_t> order, const Branch& branch,
                         PrefixTree& tree) {
  const Text low = texts[order[branch.first]], high = texts[order[branch.last - 1]];
  const std::size_t end = common_prefix(low, high);  // sorted: what the extremes share, all share
  std::size_t parent = branch.parent;
  if (end > branch.depth) {
    const std::size_t first_row = tree.tokens.size();
    parent = tree.spans.size();
    tree.spans.push_back({end - branch.depth, nullptr, branch.parent});
    tree.tokens.insert(tree.tokens.end(), low.begin() + static_cast<std::ptrdiff_t>(branch.depth),
                       low.begin() + static_cast<std::ptrdiff_t>(end));
    for (std::size_t i = branch.first; i < branch.last; ++i)
      for (std::size_t t = branch.depth; t < end; ++t)
        tree.rows[order[i]].push_back(static_cast<std::uint32_t>(first_row + t - branch.depth));
  }
  std::vector<Branch> next;
  std::size_t i = branch.first;
  while (i < branch.last && texts[order[i]].size() == end) ++i;  // these end here; a shorter text sorts first
  while (i < branch.last) {
    std::size_t last = i + 1;
    while (last < branch.last && texts[order[last]][end] == texts[order[i]][end]) ++last;
    next.push_back({i, last, end, parent});
    i = last;
  }
  return next;
}

}  // namespace

std::size_t common_prefix(Text a, Text b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

PrefixTree build_prefix_tree(std::span<const Text> texts) {
  PrefixTree tree;
  tree.rows.resize(texts.size());
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return std::ranges::lexicographical_compare(texts[a], texts[b]); });
  std::vector<Branch> open;
  if (!texts.empty()) open.push_back({0, texts.size(), 0, model::kNoParent});
  while (!open.empty()) {
    const Branch branch = open.back();
    open.pop_back();
    const std::vector<Branch> next = grow(texts, order, branch, tree);
    open.insert(open.end(), next.rbegin(), next.rend());
  }
  return tree;
}

}  // namespace lieq::eval
