#pragma once
/// The quadratic form that errors of weights are measured with: the Hessian of a set of inputs, made safe, and
/// factored.

#include <cstddef>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/quantize/lanes.h"

namespace lieq::quantize {

/// H + damping · mean(diag H) · I = Lᵀ D² L, L unit lower triangular. Columns that no token used (diag 0) get the mean
/// on the diagonal. With this factor, column k of an error E is felt as D[k] (E[k] + Σ_{j<k} L[k][j] E[j]) once the
/// later
/// columns have made the best of it: all that GPTQ needs, without an inverse.
class Quadratic {
 public:
  /// hessian: [n, n] symmetric, XᵀX up to a factor, moved in. Errors: kNumerical when H is not finite or the damped H
  /// has no factor. Cost: n³ / 3 flops and 8 n² bytes on top of the two float matrices kept.
  [[nodiscard]] static Result<Quadratic> create(Threads& threads, std::vector<float> hessian, double damping);

  [[nodiscard]] std::size_t size() const { return diagonal_.size(); }
  /// Damped. [n, n]
  [[nodiscard]] MatrixView<const float> hessian() const { return {hessian_.data(), size(), size()}; }
  /// L, and above its diagonal Lᵀ. [n, n]
  [[nodiscard]] MatrixView<const float> factors() const { return {factors_.data(), size(), size()}; }
  /// The factor of columns [first, first + count), given that those before are settled.
  [[nodiscard]] Factor factor(std::size_t first, std::size_t count) const;
  [[nodiscard]] bool is_dead(std::size_t j) const { return dead_[j] != 0; }

  /// X (H + damping) = B for every row, in place: b becomes X. b: [rows, n].
  /// Cost: 2 · rows · n² flops. Bitwise equal for any thread count.
  void solve(Threads& threads, MatrixView<float> b) const;

 private:
  void add_damping(double damping);

  std::vector<float> hessian_, factors_, diagonal_;
  std::vector<char> dead_;
};

/// y = x H for a symmetric H, rows [first, first + x.cols()) of it and columns [column, column + y.cols()), read row by
/// row: for the few rows of a tile that takes two thirds of the time of products by the rows of H.
void multiply(MatrixView<const float> x, MatrixView<const float> H, std::size_t first, std::size_t column,
              MatrixView<float> y);

/// Diagonal blocks of a Quadratic, each factored and inverted alone: what the error of a few columns means while all
/// others are fixed. Blocks are at most kLargestBlock wide and do not cross group borders.
class Blocks {
 public:
  static constexpr std::size_t kLargestBlock = 128;

  Blocks(Threads& threads, const Quadratic& quadratic, std::size_t group_size);

  [[nodiscard]] std::size_t count() const { return blocks_.size(); }
  [[nodiscard]] std::size_t first(std::size_t b) const { return blocks_[b].first; }
  [[nodiscard]] std::size_t width(std::size_t b) const { return blocks_[b].diagonal.size(); }
  [[nodiscard]] Factor factor(std::size_t b) const;
  /// [width, width], symmetric.
  [[nodiscard]] MatrixView<const float> inverse(std::size_t b) const {
    return {blocks_[b].inverse.data(), width(b), width(b)};
  }

 private:
  struct Block {
    std::size_t first = 0;
    std::vector<float> lower, diagonal, inverse;
  };
  std::vector<Block> blocks_;
};

}  // namespace lieq::quantize
