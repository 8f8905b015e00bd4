#pragma once
/// The fixed tree in which sums over calibration windows are taken, so that they are the same bits for any power of two
/// of ranks: a rank carries the windows of a subtree, and adds up its sum before ranks add up theirs.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

#include "lieq/base/ranks.h"
#include "lieq/base/threads.h"

namespace lieq::quantize {

/// Which windows are added up one after the other (leaves), and which of them this rank carries.
class WindowTree {
 public:
  /// 16 leaves, or up to 64 while each still holds 2048 tokens: with fewer, products would be small ones. Some leaves
  /// are empty where there are fewer windows. Their number depends on the text alone.
  WindowTree(std::size_t windows, std::size_t window_tokens, const Ranks& ranks);

  /// Windows of a leaf, counted from the first of all.
  [[nodiscard]] Share windows_of(std::size_t leaf) const { return share_of(windows_, leaf, leaves_); }
  [[nodiscard]] Share own_leaves() const { return own_; }
  [[nodiscard]] Share own_windows() const;
  /// Of all ranks.
  [[nodiscard]] std::size_t windows() const { return windows_; }
  /// The most that a leaf has, of so many.
  [[nodiscard]] static std::size_t leaf_windows(std::size_t windows, std::size_t window_tokens);
  /// Below the root, of the tree over so many tokens: how many sums one rank holds beside the one it adds to.
  [[nodiscard]] static std::size_t levels(std::size_t tokens);

 private:
  std::size_t windows_, leaves_;
  Share own_;
};

/// Adds up the sums of leaves as they come, in the order of the tree: two subtrees as soon as nothing can come between
/// them. Holds one sum for each level of the tree at most.
template <class T>
class PairwiseSums {
 public:
  /// Leaves come in rising order, each once; sums are of one length.
  void add(Threads& threads, std::size_t leaf, std::vector<T> sum) {
    while (parts_.size() > 1 &&
           distance(parts_.end()[-2].leaf, parts_.back().leaf) < distance(parts_.back().leaf, leaf))
      fold(threads);
    parts_.push_back({leaf, std::move(sum)});
  }
  /// The sum of all leaves; empty if there was none.
  [[nodiscard]] std::vector<T> take(Threads& threads) {
    while (parts_.size() > 1) fold(threads);
    std::vector<T> sum = parts_.empty() ? std::vector<T>() : std::move(parts_.front().sum);
    parts_.clear();
    return sum;
  }

 private:
  struct Part {
    std::size_t leaf;  ///< one of its leaves
    std::vector<T> sum;
  };
  /// The level of the tree at which two leaves meet.
  static std::size_t distance(std::size_t a, std::size_t b) { return static_cast<std::size_t>(std::bit_width(a ^ b)); }

  void fold(Threads& threads) {
    constexpr std::size_t kPiece = 1 << 14;
    std::vector<T>& left = parts_.end()[-2].sum;
    const std::vector<T>& right = parts_.back().sum;
    threads.for_each((left.size() + kPiece - 1) / kPiece, [&](std::size_t piece, std::size_t) {
      for (std::size_t i = piece * kPiece; i < std::min(left.size(), (piece + 1) * kPiece); ++i) left[i] += right[i];
    });
    parts_.pop_back();
  }

  std::vector<Part> parts_;
};

}  // namespace lieq::quantize
