#pragma once
/// A quantised matrix fitted anew, from its present codes on.

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/pack/quantized_matrix.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quadratic.h"

namespace lieq::quantize {

/// Descends (fit.h) on tr((target - Q) H (target - Q)ᵀ) from `matrix`, in options.sweeps rounds. matrix: [out, in],
/// groups in stored order, on options.grid; target: the same shape. Bitwise equal for any thread count.
[[nodiscard]] pack::QuantizedMatrix refit(Threads& threads, const pack::QuantizedMatrix& matrix,
                                          MatrixView<const float> target, const Quadratic& quadratic,
                                          const Options& options);

}  // namespace lieq::quantize
