#pragma once
/// One weight matrix in, one quantised matrix out: rounding to nearest, GPTQ, and descent from there.
/// All work is cut into tiles of kFitRows rows, so that results do not depend on the number of threads.

#include <cstddef>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/quantize/fitted.h"
#include "lieq/quantize/grid.h"
#include "lieq/quantize/quadratic.h"

namespace lieq::quantize {

inline constexpr std::size_t kFitRows = 3 * kLanes;

struct FitRules {
  GridRules grid;
  std::size_t group_size = 64;  ///< divides the columns
  Range range = Range::kSearch;
  MinMax convention = MinMax::kWithZero;  ///< for Range::kMinMax
  ActOrder act_order = ActOrder::kNone;
  std::size_t sweeps = 4;
  bool refit_scales = true;
};

/// The rules that follow from options, for one linear of `cols` inputs.
[[nodiscard]] FitRules fit_rules(const Options& options, unsigned bits, std::size_t cols);

/// Each weight to its nearest code; with Range::kSearch the grid of least squared error.
/// weight: [out, in]. Cost: O(out · in).
[[nodiscard]] Fitted rtn(Threads& threads, MatrixView<const float> weight, const FitRules& rules);

/// Error feedback column by column (GPTQ), then `rules.sweeps` rounds of descend(). weight: [out, in], the target;
/// columns that are dead in `quadratic` are taken as 0.
/// Errors: kNumerical when act-order's permuted Hessian has no factor.
/// Cost: about (2 + 6 sweeps) · out · in² flops. Bitwise equal for any thread count.
/// Source: Frantar et al. 2022, arXiv:2210.17323, Algorithm 1. Differs: the feedback comes from a factor of H rather
/// than of its inverse (equal in exact arithmetic), and a group's grid is searched with the error that GPTQ itself will
/// make.
[[nodiscard]] Result<Fitted> gptq(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic,
                                  const FitRules& rules);

/// The weight with columns that are dead in `quadratic` as 0: itself if there are none, otherwise `copy`.
[[nodiscard]] MatrixView<const float> without_dead_columns(MatrixView<const float> weight, const Quadratic& quadratic,
                                                           std::vector<float>& copy);

/// Block coordinate descent on tr((W - Q) H (W - Q)ᵀ): each group of each row anew, codes and grid, with all other
/// groups fixed; alternating with the joint least-squares fit of all scales of a row. Never raises the loss but by the
/// rounding of scales. fitted: groups in stored order.
void descend(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic, const FitRules& rules,
             Fitted& fitted);

}  // namespace lieq::quantize
