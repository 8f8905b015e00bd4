#pragma once
/// The measured sensitivity of each layer: what the model loses when that layer alone is quantised.
///
/// Goal: a direct ranking of layers (and, with several widths, the costs of an exact allocation) in the unit that
/// counts, where the paper's diagnostics are proxies. Either each layer alone in the original, or, since errors of
/// several layers do not add up, in a running model whose other layers are quantised already.

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
/// stored: [layer], width -> KL, at least 0. With a running model, a quantised form of `model`, all else is as there:
/// what is left of its KL when one layer is fitted anew at another width; the width that it has there stands for what
/// it is. Only differences between widths mean something then.
///
/// The linears of a layer are fitted as `options` say (kGptq or kRtn) on what they read in the original (or running)
/// model, all at once: no corrected target and no gains, whatever `options` ask for. Those repair errors of earlier
/// linears, which would make the measure depend on more than this layer's width. kGptq is the default choice, as it is
/// what quantising will do: on the demo model the KL of all layers at 2 bits sums to 0.195 with kRtn and 0.061 with
/// kGptq (4 windows of 512 each). fit_ids: what kGptq fits to; empty for kRtn. ids: other text, what KL is measured on;
/// on the text of the fit itself that 0.061 comes out as 0.026. Both: windows of `window` ids, one after the other; a
/// last partial one is left out. widths: bits, of 2, 3, 4 and 8. Errors: kInvalidArgument (method AWQ, widths or
/// options that do not fit the model, no whole window, ids out of range); kNumerical (a singular Hessian, unless
/// Options::on_singular is kRtn; a layer that gives NaN or infinity, by its number). Cost: for each width L fits, L (L
/// + 1) / 2 block passes and L heads per token of `ids`, so keep those to a few thousand; 2 L blocks and L heads for
/// the original; L blocks per token of `fit_ids`. Memory, beyond the mapped model: one hidden state per token of
/// fit_ids, widths + 3 and the scratch of a block per token of ids (they run as one batch), a layer's Hessians and one
/// factorisation (about 20 in² bytes), its codes for each width, two slices of logits (64 MiB each). Ranks share the
/// pairs of layer and width. The same bits for any number of threads and ranks. Source: ours; the measured counterpart
/// of the paper's layer score (PAPER section 1), for Ranking::kMeasured and kExact.
[[nodiscard]] Result<std::vector<std::map<int, double>>> measure_sensitivity(
    const model::Model& model, const model::Model* running, std::span<const model::TokenId> fit_ids,
    std::span<const model::TokenId> ids, std::size_t window, std::span<const int> widths, const Options& options,
    Threads& threads, Sink& sink);

/// Whether one is a quantised form of the other, by their shapes. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_running(const model::Model& model, const model::Model& running);

}  // namespace lieq::quantize
