#include "lieq/model/pack_embedding.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "lieq/kernels/linear.h"

namespace lieq::model {
namespace {

using pack::PackedMatrix;

struct Grid {
  std::uint16_t scale;  ///< half-precision bits
  unsigned zero;        ///< the code of 0
};

/// Half precision may round a step down; then the largest weights are clamped, by less than half a step.
Grid choose_grid(std::span<const float> group, unsigned bits) {
  const auto [low, high] = std::ranges::minmax(group);
  const float below = std::max(-low, 0.0F), above = std::max(high, 0.0F);
  if (bits == 8) return {float_to_f16(std::max(below, above) / 127.0F), 128};
  const float step = (below + above) / 15.0F;
  return {float_to_f16(step), step == 0 ? 0 : static_cast<unsigned>(std::lround(below / step))};
}

void encode(std::span<const float> group, const Grid& grid, unsigned bits, std::size_t stride_start, std::uint8_t* lanes) {
  const float scale = f16_to_float(grid.scale);
  const float inverse = scale == 0 ? 0 : 1.0F / scale;
  const auto most = static_cast<float>((1U << bits) - 1);
  for (std::size_t k = 0; k < group.size(); ++k) {
    const float code = std::nearbyint(group[k] * inverse) + static_cast<float>(grid.zero);
    lanes[stride_start + k] = static_cast<std::uint8_t>(std::clamp(code, 0.0F, most));
  }
}

/// Rows [16 block, 16 block + 16) of the result.
void pack_block(const pack::StoredMatrix& matrix, std::size_t block, std::vector<float>& row, PackedMatrix& packed) {
  constexpr std::size_t kRows = PackedMatrix::kBlockRows, kUnit = PackedMatrix::kUnitInputs;
  const std::size_t units = packed.groups() * packed.units_per_group(), group_size = packed.group_size();
  std::vector<std::uint8_t> lanes(units * kRows * kUnit);  // [unit][row][input]
  row.resize(matrix.cols);
  for (std::size_t r = 0; r < kRows && block * kRows + r < matrix.rows; ++r) {
    const std::size_t i = block * kRows + r;
    kernels::decode_row(matrix, i, row.data());
    for (std::size_t g = 0; g < packed.groups(); ++g) {
      const std::span<const float> group = std::span(row).subspan(g * group_size, group_size);
      const Grid grid = choose_grid(group, packed.bits());
      packed.set_group(i, g, grid.scale, static_cast<std::uint16_t>(2 * grid.zero));
      for (std::size_t u = 0; u < packed.units_per_group(); ++u) {
        const std::size_t first = u * kUnit, count = std::min(kUnit, group_size - first);
        encode(group.subspan(first, count), grid, packed.bits(), ((g * packed.units_per_group() + u) * kRows + r) * kUnit, lanes.data());
      }
    }
  }
  for (std::size_t u = 0; u < units; ++u)
    packed.set_unit(block, u / packed.units_per_group(), u % packed.units_per_group(), lanes.data() + u * kRows * kUnit);
}

}  // namespace

std::shared_ptr<const PackedMatrix> pack_rows(Threads& threads, const pack::StoredMatrix& matrix, unsigned bits) {
  LIEQ_CHECK(bits == 4 || bits == 8);
  constexpr std::size_t kGroup = 64;
  auto packed = std::make_shared<PackedMatrix>(matrix.rows, matrix.cols, bits, std::gcd(matrix.cols, kGroup));
  std::vector<std::vector<float>> rows(threads.count());
  threads.for_each(packed->blocks(), [&](std::size_t block, std::size_t thread) { pack_block(matrix, block, rows[thread], *packed); });
  return packed;
}

}  // namespace lieq::model
