#pragma once
/// What quantising makes of one weight matrix: codes, and a scale and a zero point for each group of a row.
/// Goal: one in-memory form that every packed format is written from and read into. Non-goal: fast products.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lieq::pack {

/// weight[i][j] = scale[i][g] * (code[i][j] - zero[i][g]), g the group of column j; with minima instead of zero points,
/// as files of MLX and some blocks of GGUF have them, scale[i][g] * code[i][j] + minimum[i][g].
struct QuantizedMatrix {
  std::size_t rows = 0, cols = 0;            ///< [out, in]
  unsigned bits = 0;                         ///< 2, 3, 4 or 8
  std::size_t group_size = 0;                ///< divides cols; equal to cols: one group per row
  std::vector<std::uint8_t> codes;           ///< [rows, cols], each below 2^bits
  std::vector<std::uint16_t> scales;         ///< [rows, groups], IEEE half bits; may be negative
  std::vector<std::uint16_t> double_zeros;   ///< [rows, groups], twice the zero point, so that half-integers fit
  std::vector<std::int32_t> g_idx;           ///< [cols], group of each column; empty: j / group_size
  std::vector<std::uint16_t> minima = {};    ///< [rows, groups], IEEE half bits, or empty; set: double_zeros is empty

  [[nodiscard]] std::size_t groups() const { return cols / group_size; }
  [[nodiscard]] std::size_t group_of(std::size_t j) const {
    return g_idx.empty() ? j / group_size : static_cast<std::size_t>(g_idx[j]);
  }
};

/// Writes row `row` in float32, rounded once: the difference of scale * (code - zero), and the product of
/// scale * code + minimum, are exact.
/// target: [cols].
void dequantize_row(const QuantizedMatrix& matrix, std::size_t row, float* target);

/// Multiplies all scales and minima of a row, rounding each to half precision again: how a gain of an output channel is
/// folded in.
void scale_row(QuantizedMatrix& matrix, std::size_t row, float factor);

}  // namespace lieq::pack
