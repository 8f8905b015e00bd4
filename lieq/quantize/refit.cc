#include "lieq/quantize/refit.h"

#include "lieq/base/dtype.h"
#include "lieq/quantize/fit.h"

namespace lieq::quantize {
namespace {

/// As numbers with positive scales: mirrored groups are turned back.
Fitted fitted_of(const pack::QuantizedMatrix& matrix) {
  Fitted fitted(matrix.rows, matrix.cols, matrix.bits, matrix.group_size);
  const std::size_t groups = matrix.groups();
  const unsigned top = (1U << matrix.bits) - 1;
  for (std::size_t k = 0; k < matrix.scales.size(); ++k) {
    const float scale = f16_to_float(matrix.scales[k]), zero = 0.5F * static_cast<float>(matrix.double_zeros[k]);
    const bool mirrored = scale < 0;
    fitted.scales[k] = mirrored ? -scale : scale;
    fitted.zeros[k] = mirrored ? static_cast<float>(top) - zero : zero;
    const std::size_t begin = k / groups * matrix.cols + k % groups * matrix.group_size;
    for (std::size_t j = begin; j < begin + matrix.group_size; ++j)
      fitted.codes[j] = mirrored ? static_cast<std::uint8_t>(top - matrix.codes[j]) : matrix.codes[j];
  }
  return fitted;
}

}  // namespace

pack::QuantizedMatrix refit(Threads& threads, const pack::QuantizedMatrix& matrix, MatrixView<const float> target,
                            const Quadratic& quadratic, const Options& options) {
  LIEQ_CHECK(matrix.g_idx.empty() && matrix.minima.empty());
  Fitted fitted = fitted_of(matrix);
  FitRules rules = fit_rules(options, matrix.bits, matrix.cols);
  rules.group_size = matrix.group_size;
  descend(threads, target, quadratic, rules, fitted);
  return to_quantized(fitted, options.grid);
}

}  // namespace lieq::quantize
