#include "lieq/quantize/k_fitted.h"

#include <algorithm>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"

namespace lieq::quantize {

using pack::kBlockWeights;

KFitted::KFitted(const pack::KForm& block_form, std::size_t out, std::size_t in)
    : form(block_form), rows(out), cols(in) {
  LIEQ_CHECK(cols % kBlockWeights == 0);
  codes.resize(rows * cols);
  scales.resize(rows * sub_blocks());
  minima.resize(rows * sub_blocks());
  d.resize(rows * blocks());
  dmin.resize(rows * blocks());
}

float KFitted::weight(std::size_t i, std::size_t j) const {
  const std::size_t block = i * blocks() + j / kBlockWeights, sub = i * sub_blocks() + j / form.sub_size;
  const float step = d[block] * static_cast<float>(scales[sub]);
  const float minimum = dmin[block] * static_cast<float>(minima[sub]);
  return step * static_cast<float>(codes[i * cols + j] - form.zero) - minimum;
}

pack::BlockMatrix to_blocks(const KFitted& fitted) {
  pack::BlockMatrix matrix{fitted.form.type, fitted.rows, fitted.cols, {}};
  const std::size_t size = block_bytes(matrix.type), subs = fitted.form.sub_blocks();
  matrix.bytes.resize(fitted.rows * matrix.row_bytes());
  pack::KBlock block;
  for (std::size_t b = 0; b < fitted.rows * fitted.blocks(); ++b) {
    std::copy_n(&fitted.codes[b * kBlockWeights], kBlockWeights, block.codes.begin());
    std::copy_n(&fitted.scales[b * subs], subs, block.scales.begin());
    std::copy_n(&fitted.minima[b * subs], subs, block.minima.begin());
    block.d = float_to_f16(fitted.d[b]);
    block.dmin = float_to_f16(fitted.dmin[b]);
    pack::encode(fitted.form, block, matrix.bytes.data() + b * size);
  }
  return matrix;
}

QuantizedLinear to_linear(const AnyFitted& fitted, Grid grid) {
  if (const auto* blocks = std::get_if<KFitted>(&fitted)) return to_blocks(*blocks);
  return to_quantized(std::get<Fitted>(fitted), grid);
}

void decode_row(const AnyFitted& fitted, std::size_t i, float* target) {
  std::visit([&](const auto& one) { for (std::size_t j = 0; j < one.cols; ++j) target[j] = one.weight(i, j); }, fitted);
}

}  // namespace lieq::quantize
