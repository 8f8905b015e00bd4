#pragma once
/// AWQ: weights of salient inputs are scaled up before rounding, and the inputs scaled down to match.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/quantize/fit.h"

namespace lieq::quantize {

/// Candidates s_j = m_j^r, m_j = mean |X_j|, at least 1e-4, then divided by sqrt(max s · min s); r = 0, 1/20, ...
/// 19/20.
/// duo: s_j = m_j^r / (w_j^(1-r) + 1e-4) with w_j the mean over rows of |W_j| / (largest of its group + 1e-6).
struct AwqScales {
  std::vector<float> scales;       ///< [in], the best candidate: W is multiplied, X divided by it
  std::vector<double> losses;      ///< of every candidate: tr(E H Eᵀ) over all weights, E = W - Q(W s) / s
  std::size_t best = 0;            ///< the first of the smallest
};

/// weights: linears that share their inputs, [out, in] each. magnitude: mean |X_j|, [in]. hessian: [in, in].
/// rules: how candidates are rounded (to nearest). Cost: 20 x (rounding + 2 · out · in² flops).
/// Source: Lin et al. 2023, arXiv:2306.00978, and the search of its published code.
[[nodiscard]] AwqScales awq_scales(Threads& threads, std::span<const MatrixView<const float>> weights,
                                   std::span<const float> magnitude,
                                   MatrixView<const float> hessian, const FitRules& rules, bool duo);

/// Clips each group of each row to the range that loses least when it is rounded: shrinks its largest magnitude by up
/// to half in 20 steps, error measured through the group's own block of `hessian`. weight: [out, in], changed in place.
void awq_clip(Threads& threads, MatrixView<float> weight, MatrixView<const float> hessian, const FitRules& rules);

}  // namespace lieq::quantize
