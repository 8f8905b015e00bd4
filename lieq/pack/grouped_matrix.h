#pragma once
/// Integer weights as files of other tools hold them: any float32 as scale and origin of a group, any width to 8 bits.
/// Goal: exact numbers between those files and QuantizedMatrix, which has halves. Non-goal: products.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/quantized_matrix.h"

namespace lieq::pack {

/// weight[i][j] = scale[i][g] * (code[i][j] - origin[i][g]), g the group of column j; with Origin::kMinimum,
/// scale[i][g] * code[i][j] + origin[i][g].
struct GroupedMatrix {
  std::size_t rows = 0, cols = 0;  ///< [out, in]
  unsigned bits = 0;               ///< 1 to 8
  std::size_t group_size = 0;      ///< divides cols
  Origin origin = Origin::kZero;
  std::vector<std::uint8_t> codes;     ///< [rows, cols], each below 2^bits
  std::vector<float> scales, origins;  ///< [rows, groups]
  std::vector<std::int32_t> g_idx;     ///< [cols], group of each column; empty: j / group_size

  [[nodiscard]] std::size_t groups() const { return cols / group_size; }
};

/// Groups of files may differ in size: the last one is short where group_size does not divide the inputs. Cut into
/// equal ones, which repeat the numbers of the group they come from.
struct EqualGroups {
  std::size_t group_size = 0;
  std::vector<std::size_t> source;  ///< group of the file that each group comes from
  std::vector<std::int32_t> g_idx;  ///< [cols]; empty: j / group_size
};

/// g_idx: [cols], each below `groups`. Nothing: no common size of at least 8, unless all groups are of one size.
[[nodiscard]] std::optional<EqualGroups> equal_groups(std::span<const std::int32_t> g_idx, std::size_t groups);

/// Writes row `row` in float32, in the order of the formulas above. target: [cols].
void dequantize_row(const GroupedMatrix& matrix, std::size_t row, float* target);

/// The least width of QuantizedMatrix that holds codes of `bits` bits: 2, 3, 4 or 8.
[[nodiscard]] unsigned holding_bits(unsigned bits);

/// The same weights, bit for bit; nothing when half precision cannot hold a scale or minimum, or a zero point is no
/// half-integer in range. The scale of a group whose weights are all 0 is free, so it is no obstacle.
[[nodiscard]] std::optional<QuantizedMatrix> in_halves(Threads& threads, GroupedMatrix matrix);

}  // namespace lieq::pack
