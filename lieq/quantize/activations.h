#pragma once
/// Sums over calibration tokens that a linear is fitted with, gathered chunk by chunk.

#include <cstddef>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/quantize/window_tree.h"

namespace lieq::quantize {

/// Sums of products of activations. Tiles of the result are shared out among threads, tokens are taken in order, so the
/// sums do not depend on the number of threads. Float32: damping must cover rounding of about 1e-6 of the diagonal.
class ProductSum {
 public:
  /// [rows, cols], all 0. A symmetric sum (rows == cols, a is b) computes its upper tiles only.
  ProductSum(std::size_t rows, std::size_t cols) : sum_(rows * cols), rows_(rows), cols_(cols) {}
  /// The same for add_square() alone, of a text whose leaves are told (end_leaf).
  static ProductSum symmetric(std::size_t size);

  /// += aᵀ b. a: [tokens, rows], b: [tokens, cols].
  void add(Threads& threads, MatrixView<const float> a, MatrixView<const float> b);
  /// += xᵀ x; only tiles on and above the diagonal are kept up.
  void add_square(Threads& threads, MatrixView<const float> x);

  /// What was added since the last call is all there is of a leaf of the WindowTree.
  void end_leaf(Threads& threads, std::size_t leaf);
  /// After the last leaf: becomes the sum over all leaves of all ranks. Between leaves one sum is held for each level
  /// of the tree, half of it for a symmetric one.
  void join_leaves(Threads& threads);

  [[nodiscard]] MatrixView<const float> view() const { return {sum_.data(), rows_, cols_}; }
  /// Moves the sum out; a symmetric one with its lower half filled in.
  [[nodiscard]] std::vector<float> take() { return std::move(sum_); }
  [[nodiscard]] std::vector<float> take_symmetric(Threads& threads);

 private:
  void add_tiles(Threads& threads, MatrixView<const float> a, MatrixView<const float> b, bool upper);

  [[nodiscard]] std::size_t packed_row(std::size_t i) const { return i * cols_ - i * (i + 1) / 2; }

  std::vector<float> sum_;
  std::size_t rows_, cols_;
  bool symmetric_ = false;
  PairwiseSums<float> leaves_;     // of a symmetric sum the upper half, row by row
  kernels::Buffer<float> turned_;  // aᵀ of one chunk, [rows, tokens]
};

/// Mean |X_j| of each input, in double, the tokens of a leaf in order.
class MagnitudeSum {
 public:
  /// cols 0: add() does nothing.
  explicit MagnitudeSum(std::size_t cols) : sums_(cols) {}
  void add(Threads& threads, MatrixView<const float> x);
  /// As of ProductSum.
  void end_leaf(Threads& threads, std::size_t leaf);
  void join_leaves(Threads& threads);
  /// The means over so many tokens; empty for cols 0.
  [[nodiscard]] std::vector<float> take(std::size_t tokens) const;

 private:
  std::vector<double> sums_;
  PairwiseSums<double> leaves_;
};

}  // namespace lieq::quantize
