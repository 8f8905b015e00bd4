#pragma once
/// Widths for single linears by their shares of KL (internal to allocate/).

#include "lieq/allocate/allocate.h"
#include "lieq/allocate/ledger.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"

namespace lieq::allocate {

/// Fills plan.layers, all at the lowest of plan.choices before: Unit::kFused or kLinear of allocate.h. Every
/// layer of `scores` has linears; all at the lowest width fit. Ties: the lower layer, then the name that comes first.
void give_linears(const LayerScores& scores, Unit unit, const Ledger& ledger, BitPlan& plan);

}  // namespace lieq::allocate
