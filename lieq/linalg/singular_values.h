#pragma once
/// Singular values of plain matrices.

#include <vector>

#include "lieq/base/view.h"

namespace lieq::linalg {

/// The min(rows, cols) singular values of `z`, descending, in float64.
/// z: [rows, cols] float32, finite. Through the eigenvalues of the smaller Gram matrix, formed in float64: with values
/// s_1 >= s_2 >= ..., the error is about eps s_1² / s_i, and at most sqrt(eps) s_1 = 1.5e-8 s_1 where s_i is that
/// small: enough for sums and entropies over the spectrum, not for ranks or inverses of nearly singular matrices. Cost:
/// m²n + O(m³), m the smaller side; one thread. Deterministic.
[[nodiscard]] std::vector<double> singular_values(MatrixView<const float> z);

}  // namespace lieq::linalg
