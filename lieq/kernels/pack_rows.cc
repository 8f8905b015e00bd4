#include "lieq/kernels/pack_rows.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"
#include "lieq/kernels/linear.h"

namespace lieq::kernels {
namespace {

constexpr std::size_t kRows = pack::PackedMatrix::kBlockRows, kInputs = pack::PackedMatrix::kUnitInputs;

/// `scale` as half-precision bits, kept finite.
std::uint16_t half_scale(float scale) { return float_to_f16(std::clamp(scale, -65504.0F, 65504.0F)); }

/// The level of `w` in steps of 1 / inverse, within [-limit - 1, limit]. Adding and taking away 1.5 x 2^23 rounds to
/// the nearest, ties to even, as nearbyint() does, but the compiler vectorises it on every CPU.
float level(float w, float inverse, float limit) {
  constexpr float kShift = 0x1.8p23F;
  return std::max(std::min(w * inverse, limit), -limit - 1) + kShift - kShift;
}

/// The largest magnitude. Magnitudes compare like their bit patterns, whose maximum the compiler vectorises.
float largest(std::span<const float> w) {
  std::int32_t most = 0;
  for (const float value : w) most = std::max(most, std::bit_cast<std::int32_t>(value) & 0x7FFFFFFF);
  return std::bit_cast<float>(most);
}

float inverse_of(std::uint16_t scale) {
  const float value = f16_to_float(scale);
  return value == 0 ? 0 : 1 / value;
}

/// Levels for `scale` and the scale that fits them best; its squared error less Σ w².
struct Fit {
  std::uint16_t scale = 0;
  float error = std::numeric_limits<float>::infinity();
};
Fit fit(std::span<const float> w, float scale, float limit) {
  const float inverse = 1 / scale;
  float wq = 0, qq = 0;
  for (const float value : w) {
    const float q = level(value, inverse, limit);
    wq += value * q;
    qq += q * q;
  }
  if (qq == 0) return {};
  const std::uint16_t rounded = half_scale(wq / qq);
  const float s = f16_to_float(rounded);
  return {rounded, s * (s * qq - 2 * wq)};
}

std::uint16_t scale_of(std::span<const float> w, unsigned bits) {
  const float max = largest(w);
  if (max == 0) return 0;
  if (bits == 8) return half_scale(max / 127);
  Fit best;
  for (const float reach : {8.5F, 8.0F, 7.5F, 7.0F, 9.5F}) {  // of the 8 levels on the longer side
    for (const float sign : {1.0F, -1.0F}) {
      const Fit one = fit(w, sign * max / reach, 7);
      if (one.error < best.error) best = one;
    }
  }
  return best.scale;
}

}  // namespace

std::size_t pack_group_size(std::size_t cols, std::size_t wanted) {
  std::size_t size = std::min(cols, wanted);
  while (cols % size != 0) --size;
  return size < 16 ? cols : size;
}

pack::PackedMatrix pack_rows(Threads& threads, const pack::StoredMatrix& matrix, unsigned bits,
                             std::size_t group_size) {
  LIEQ_CHECK((bits == 4 || bits == 8) && group_size > 0);
  pack::PackedMatrix packed(matrix.rows, matrix.cols, bits, pack_group_size(matrix.cols, group_size));
  const std::size_t size = packed.group_size();
  const float limit = bits == 8 ? 127 : 7;
  threads.for_each(packed.blocks(), [&](std::size_t block, std::size_t) {
    static thread_local Buffer<float> buffer;
    const std::size_t first = block * kRows, count = std::min(kRows, matrix.rows - first);
    const MatrixView<float> rows = buffer.matrix(kRows, matrix.cols);
    for (std::size_t r = 0; r < count; ++r) decode_row(matrix, first + r, rows.row(r).data());
    for (std::size_t g = 0; g < packed.groups(); ++g) {
      float inverse[kRows] = {};
      for (std::size_t r = 0; r < count; ++r) {
        const std::uint16_t scale = scale_of(rows.row(r).subspan(g * size, size), bits);
        packed.set_group(first + r, g, scale, static_cast<std::uint16_t>(1U << bits));
        inverse[r] = inverse_of(scale);
      }
      for (std::size_t u = 0; u < packed.units_per_group(); ++u) {
        std::uint8_t codes[kRows * kInputs] = {};
        const std::size_t begin = g * size + u * kInputs, inputs = std::min(kInputs, (g + 1) * size - begin);
        for (std::size_t r = 0; r < count; ++r)
          for (std::size_t k = 0; k < inputs; ++k)
            codes[r * kInputs + k] =
                static_cast<std::uint8_t>(level(rows(r, begin + k), inverse[r], limit) + limit + 1);
        packed.set_unit(block, g, u, codes);
      }
    }
  });
  return packed;
}

}  // namespace lieq::kernels
