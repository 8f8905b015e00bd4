#pragma once
/// Products whose outputs are summed one like the other (internal to kernels/; linear.h is the way in).

#include "lieq/base/view.h"

namespace lieq::kernels {

/// y[t, i] = Σ x[t] w[i] in float32 lanes, in an order that depends on nothing but the length of the rows.
/// x: [tokens, in], w: [rows, in], y: [tokens, rows]; a few rows of w, so that they stay in the first-level cache.
void dots(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y);

}  // namespace lieq::kernels
