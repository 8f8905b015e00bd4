#pragma once
/// Gains per input channel: what the norm before a set of linears can take over, free at run time.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/quantize/k_fitted.h"
#include "lieq/quantize/quadratic.h"
#include "lieq/quantize/row_shares.h"

namespace lieq::quantize {

/// A fitted matrix and the weights it stands for.
struct FittedLinear {
  MatrixView<const float> target;  ///< [out, in]; with RowShares this rank's rows of it
  const AnyFitted* fitted = nullptr;
};

/// The gains γ [in] that minimise Σ tr((T - Q diag γ) H (T - Q diag γ)ᵀ) over linears that share their inputs: a least-
/// squares problem with the matrix H ∘ Σ QᵀQ. channels: for each input the gain it shares with others ([in], values
/// below
/// `count`); empty: each has its own. Returns [count]. Gains outside [1/2, 2] stay at 1.
/// shares: how ranks share the rows of `linears`; null: each has them all.
/// Errors: kNumerical when the system is singular. Cost: O(out · in² + in³).
[[nodiscard]] Result<std::vector<float>> refit_gains(Threads& threads, std::span<const FittedLinear> linears,
                                                     const Quadratic& quadratic, std::span<const std::size_t> channels,
                                                     std::size_t count, const RowShares* shares = nullptr);

}  // namespace lieq::quantize
