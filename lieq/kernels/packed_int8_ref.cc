#include <algorithm>

#include "lieq/kernels/packed_int8.h"

namespace lieq::kernels {
namespace {

float output(const pack::PackedMatrix& w, const Int8Inputs& x, std::size_t row, std::size_t token) {
  const std::int8_t* q = x.codes.data() + token * x.stride;
  std::size_t piece = token * x.pieces;
  float y = 0;
  for (std::size_t g = 0; g < w.groups(); ++g) {
    const float weight_scale = w.scale(row, g), minimum = w.minimum(row, g);
    const auto double_zero = static_cast<float>(w.double_zero(row, g));
    for (std::size_t first = 0; first < w.group_size(); first += Int8Inputs::kPiece, ++piece) {
      const std::size_t count = std::min(Int8Inputs::kPiece, w.group_size() - first);
      std::int32_t total = 0;
      for (std::size_t k = 0; k < count; ++k)
        total += static_cast<std::int32_t>(w.code(row, g * w.group_size() + first + k)) * q[k];
      q += padded_inputs(w, count);
      y +=
          weight_scale * (x.scales.data()[piece] * static_cast<float>(total) - double_zero * x.half_sums.data()[piece]);
      y += minimum * (2 * x.half_sums.data()[piece]);
    }
  }
  return y;
}

}  // namespace

void multiply_int8_reference(const Int8Product& p) {
  const std::size_t first = p.first_block * pack::PackedMatrix::kBlockRows;
  const std::size_t end = std::min(p.weight->rows(), first + p.blocks * pack::PackedMatrix::kBlockRows);
  for (std::size_t t = p.first_token; t < p.first_token + p.tokens; ++t)
    for (std::size_t i = first; i < end; ++i)
      p.y(t, i) = output(*p.weight, *p.x, i, t) + (p.bias.empty() ? 0.0F : p.bias[i]);
}

}  // namespace lieq::kernels
