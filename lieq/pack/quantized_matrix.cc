#include "lieq/pack/quantized_matrix.h"

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"

namespace lieq::pack {

void dequantize_row(const QuantizedMatrix& matrix, std::size_t row, float* target) {
  LIEQ_CHECK(row < matrix.rows);
  const std::uint8_t* codes = matrix.codes.data() + row * matrix.cols;
  const std::size_t first = row * matrix.groups();
  for (std::size_t j = 0; j < matrix.cols; ++j) {
    const std::size_t g = first + matrix.group_of(j);
    const float scale = f16_to_float(matrix.scales[g]), code = codes[j];
    target[j] = matrix.minima.empty() ? scale * (code - 0.5F * static_cast<float>(matrix.double_zeros[g]))
                                      : scale * code + f16_to_float(matrix.minima[g]);
  }
}

void scale_row(QuantizedMatrix& matrix, std::size_t row, float factor) {
  LIEQ_CHECK(row < matrix.rows);
  for (std::size_t g = row * matrix.groups(); g < (row + 1) * matrix.groups(); ++g)
    matrix.scales[g] = float_to_f16(f16_to_float(matrix.scales[g]) * factor);
  if (!matrix.minima.empty())
    for (std::size_t g = row * matrix.groups(); g < (row + 1) * matrix.groups(); ++g)
      matrix.minima[g] = float_to_f16(f16_to_float(matrix.minima[g]) * factor);
}

}  // namespace lieq::pack
