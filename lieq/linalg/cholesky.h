#pragma once
/// Cholesky factors of symmetric positive definite matrices, in double, blocked and in place.

#include <cstddef>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"

namespace lieq::linalg {

/// A = L Lᵀ, L lower triangular. a: [n, n]; its lower triangle is read and replaced by L; what lies above means nothing
/// before or after.
/// Errors: kNumerical naming the first pivot that is not positive, relative to n · 2^-52 times the diagonal entry it
/// came from; `a` is then half done. Cost: n³ / 3 flops, no further memory. Bitwise equal for any thread count.
[[nodiscard]] Result<void> cholesky(Threads& threads, MatrixView<double> a);

}  // namespace lieq::linalg
