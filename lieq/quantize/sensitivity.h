#pragma once
/// The measured sensitivity of each layer: what the model loses when that layer alone is quantised.
///
/// Goal: a direct ranking of layers (and, with several widths, the costs of an exact allocation) in the unit that counts,
/// where the paper's diagnostics are proxies. Not a goal: how errors of several layers add up; each is measured alone.

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"

namespace lieq::quantize {

/// Mean KL(original || quantised) in nats per token, over all positions, when one layer is quantised and all else is as
/// stored: [layer], width -> KL, at least 0.
///
/// The linears of a layer are fitted as `options` say (kGptq or kRtn) on what they read in the original model, all at once:
/// no corrected target and no gains, whatever `options` ask for. Those repair errors of earlier linears, which would make
/// the measure depend on more than this layer's width. kGptq is the better choice: it ranks layers by the error that
/// quantising will leave, while rounding overstates the layers that error feedback repairs.
/// ids: windows of `window` ids, one after the other; a last partial one is left out. All run as one batch.
/// widths: bits, of 2, 3, 4 and 8.
/// Errors: kInvalidArgument (method AWQ, widths or options that do not fit the model, no whole window, ids out of range);
/// kNumerical (a singular Hessian, unless Options::on_singular is kRtn; a layer that gives NaN or infinity, by its number).
/// Cost: for each width L fits, L (L + 1) / 2 block passes and L heads per token, and L + 1 more blocks and heads for the
/// original: keep to a few thousand tokens. Memory, beyond the mapped model: widths + 4 hidden states and one gated
/// activation per token, one layer in float32 twice and in codes once for each width, one set of Hessian and factors (20 in²
/// bytes), and two slices of logits (64 MiB each). Bitwise equal for any thread count.
/// Source: ours; the measured counterpart of the paper's layer score (PAPER section 1), for Ranking::kMeasured and kExact.
[[nodiscard]] Result<std::vector<std::map<int, double>>> measure_sensitivity(const model::Model& model,
                                                                             std::span<const model::TokenId> ids,
                                                                             std::size_t window, std::span<const int> widths,
                                                                             const Options& options, Threads& threads,
                                                                             Sink& sink);

}  // namespace lieq::quantize
