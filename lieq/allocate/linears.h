#pragma once
/// Widths for single linears by their shares of KL (internal to allocate/).

#include "lieq/allocate/allocate.h"
#include "lieq/allocate/ledger.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"

namespace lieq::allocate {

/// What a linear, or all of a layer's, add to KL at so many bits: as measured, or by the widest draft that is narrower,
/// else the narrowest, of whose share each further bit leaves a quarter, as uniform rounding does of squared errors.
[[nodiscard]] double kl_left(const LinearShare& share, int bits);
[[nodiscard]] double kl_left(const LayerScore& layer, int bits);

/// Fills plan.layers, all at the lowest of plan.choices before: Unit::kFused or kLinear of allocate.h. Every
/// layer of `scores` has linears; all at the lowest width fit. Ties: the lower layer, then the name that comes first.
void give_linears(const LayerScores& scores, Unit unit, const Ledger& ledger, BitPlan& plan);

}  // namespace lieq::allocate
