#pragma once
/// Transposition of a float32 matrix.

#include "lieq/base/threads.h"
#include "lieq/base/view.h"

namespace lieq::kernels {

/// target = sourceᵀ.
void transpose(Threads& threads, MatrixView<const float> source, MatrixView<float> target);

}  // namespace lieq::kernels
