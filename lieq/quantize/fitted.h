#pragma once
/// A quantised matrix while it is being fitted: float scales and zero points, before they are stored.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/pack/quantized_matrix.h"
#include "lieq/quantize/options.h"

namespace lieq::quantize {

/// weight[i][j] = scale[i][g] * (code[i][j] - zero[i][g]). Zero points above 2^(bits-1) may be half-integers here.
struct Fitted {
  std::size_t rows = 0, cols = 0, group_size = 0;
  unsigned bits = 0;
  std::vector<std::uint8_t> codes;   ///< [rows, cols]
  std::vector<float> scales, zeros;  ///< [rows, groups]
  std::vector<std::int32_t> g_idx;   ///< [cols]; empty: j / group_size

  Fitted() = default;
  Fitted(std::size_t out, std::size_t in, unsigned width, std::size_t group);

  [[nodiscard]] std::size_t groups() const { return cols / group_size; }
  [[nodiscard]] std::size_t group_of(std::size_t j) const {
    return g_idx.empty() ? j / group_size : static_cast<std::size_t>(g_idx[j]);
  }
  [[nodiscard]] float weight(std::size_t i, std::size_t j) const {
    const std::size_t g = i * groups() + group_of(j);
    return scales[g] * (static_cast<float>(codes[i * cols + j]) - zeros[g]);
  }
};

/// Rounds scales to half precision and, on the half grid, mirrors the groups whose zero point is above 2^(bits-1):
/// s (q - z) = -s ((top - q) - (top - z)), so that 2 z - 1 fits in `bits` bits.
[[nodiscard]] pack::QuantizedMatrix to_quantized(const Fitted& fitted, Grid grid);

/// tr(E H Eᵀ) with E = target - fitted, row by row in double. target: [rows, cols]; hessian: [cols, cols].
[[nodiscard]] double quadratic_loss(Threads& threads, MatrixView<const float> target, const Fitted& fitted,
                                    MatrixView<const float> hessian);
/// tr(W H Wᵀ): what losses are measured against.
[[nodiscard]] double quadratic_energy(Threads& threads, MatrixView<const float> weight,
                                      MatrixView<const float> hessian);
/// The part of each row in it.
[[nodiscard]] std::vector<double> row_energies(Threads& threads, MatrixView<const float> weight,
                                               MatrixView<const float> hessian);

}  // namespace lieq::quantize
