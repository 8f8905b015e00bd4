#pragma once
/// Which linear's rounding costs how much: one backward pass of the quantised model shares KL out among all of them.

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"

namespace lieq::tune {

/// Tokens of one backward pass, or those of one sequence that is longer.
inline constexpr std::size_t kAttributionTokens = 1024;

/// Nats a token, by LinearKind.
using LinearShares = std::array<double, model::kLinearsPerLayer>;

struct Attribution {
  double kl = 0;                     ///< KL(original || quantised), the mean over all positions
  std::vector<LinearShares> shares;  ///< [layers]: what KL would fall by, to first order
  std::vector<LinearShares> errors;  ///< [layers]: standard errors of these, over sequences; 0 where there is one
};

/// For each linear -<dKL/dW, W_original - W_quantised>, the gradient taken where all linears are quantised: so errors
/// that others undo or make worse count as they do in the model that will run. Were KL a quadratic form of all errors,
/// the shares would add up to twice KL. Gains that quantising folded into the norms before a linear are taken out of
/// the comparison; shares are noisy, and some are below 0.
/// tokens: whole sequences of `length` are taken, a last partial one is left out. Both models must outlive the call.
/// Memory: the inputs of all blocks for kAttributionTokens or one sequence. Cost: about five forward passes.
/// Bitwise the same for any number of threads. Errors: kInvalidArgument (no whole sequence), kUnsupported naming a
/// feature of the model that the backward pass lacks, kCancelled.
[[nodiscard]] Result<Attribution> attribute_kl(const model::Model& original, const model::Model& quantised,
                                               std::span<const model::TokenId> tokens, std::size_t length,
                                               Threads& threads, Sink& sink);

}  // namespace lieq::tune
