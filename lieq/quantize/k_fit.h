#pragma once
/// One weight matrix onto a K grid: rounding to nearest, GPTQ, and descent from there. The counterpart of fit.h, where
/// groups are independent; here 256 weights share d and dmin, so whole blocks are chosen.
/// All work is cut into tiles of kFitRows rows, so that results do not depend on the number of threads.

#include <cstddef>
#include <span>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/quantize/fit.h"
#include "lieq/quantize/k_fitted.h"
#include "lieq/quantize/quadratic.h"

namespace lieq::quantize {

/// Each block alone, scales, minima and codes of least weighted squared error.
/// weight: [out, in], in a multiple of 256. importance: [in], what the square of each column's error counts, such as
/// diag(H); empty: all the same. Cost: O(out · in).
[[nodiscard]] KFitted k_rtn(Threads& threads, MatrixView<const float> weight, const pack::KForm& form,
                            std::span<const float> importance);

/// GPTQ with blocks in the place of groups, then `sweeps` rounds of k_descend(). weight: [out, in], the target; columns
/// that are dead in `quadratic` are taken as 0. Cost: about (4 + 2 sweeps) · out · in² flops.
/// Bitwise equal for any thread count. Source: as gptq().
[[nodiscard]] KFitted k_gptq(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic,
                             const pack::KForm& form, std::size_t sweeps);

/// Block coordinate descent on tr((W - Q) H (W - Q)ᵀ). In a round every block is visited once with all others fixed:
/// its sub-blocks in turn get new codes, their integer scales and minima moving to neighbours, and d and dmin are
/// refitted by least squares; several times over, since inside a block that costs little.
void k_descend(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic, std::size_t sweeps,
               KFitted& fitted);

}  // namespace lieq::quantize
