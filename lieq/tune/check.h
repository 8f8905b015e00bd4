#pragma once
/// Whether tuning knows all steps of a model's forward pass.

#include <span>
#include <string>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"

namespace lieq::tune {

/// Whether block.h has every feature of the model, as its configuration and the shapes of its norms tell.
/// Errors: kUnsupported naming the file and the feature.
[[nodiscard]] Result<void> check_tunable(const model::Model& model);

/// Runs every block of `model` as tuning does and as inference does, on one sequence, and compares what both give: so a
/// feature that check_tunable() was not told of is found too. Cost: two forward passes of the tokens.
/// Errors: kUnsupported naming the layer and the difference; kCancelled.
[[nodiscard]] Result<void> compare_forward(const model::Model& model, std::span<const model::TokenId> tokens,
                                           Threads& threads, Sink& sink);

}  // namespace lieq::tune
