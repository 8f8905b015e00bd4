#pragma once
/// Sums over calibration tokens that a linear is fitted with, gathered chunk by chunk.

#include <cstddef>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"

namespace lieq::quantize {

/// Sums of products of activations. Tiles of the result are shared out among threads, tokens are taken in order, so the
/// sums do not depend on the number of threads. Float32: damping must cover rounding of about 1e-6 of the diagonal.
class ProductSum {
 public:
  /// [rows, cols], all 0. A symmetric sum (rows == cols, a is b) computes its upper tiles only.
  ProductSum(std::size_t rows, std::size_t cols) : sum_(rows * cols), rows_(rows), cols_(cols) {}

  /// += aᵀ b. a: [tokens, rows], b: [tokens, cols].
  void add(Threads& threads, MatrixView<const float> a, MatrixView<const float> b);
  /// += xᵀ x; only tiles on and above the diagonal are kept up.
  void add_square(Threads& threads, MatrixView<const float> x);

  [[nodiscard]] MatrixView<const float> view() const { return {sum_.data(), rows_, cols_}; }
  /// Moves the sum out; a symmetric one with its lower half filled in.
  [[nodiscard]] std::vector<float> take() { return std::move(sum_); }
  [[nodiscard]] std::vector<float> take_symmetric(Threads& threads);

 private:
  void add_tiles(Threads& threads, MatrixView<const float> a, MatrixView<const float> b, bool upper);

  std::vector<float> sum_;
  std::size_t rows_, cols_;
  kernels::Buffer<float> turned_;  // aᵀ of one chunk, [rows, tokens]
};

/// Mean |X_j| of each input, in double, tokens in order.
class MagnitudeSum {
 public:
  /// cols 0: add() does nothing.
  explicit MagnitudeSum(std::size_t cols) : sums_(cols) {}
  void add(Threads& threads, MatrixView<const float> x);
  /// The means; empty for cols 0.
  [[nodiscard]] std::vector<float> take() const;

 private:
  std::vector<double> sums_;
  std::size_t tokens_ = 0;
};

}  // namespace lieq::quantize
