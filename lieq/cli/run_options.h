#pragma once
/// Options of every verb that runs a model.

#include <string>

#include "lieq/base/result.h"
#include "lieq/cli/options.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/model.h"

namespace lieq::cli {

/// --embed-bits
void add_embed_bits(OptionSet& app, model::LoadOptions& load);

/// --activations, whose default is the value of `activations`.
void add_activations(OptionSet& app, std::string& activations);

/// The arithmetic that a checked value of --activations names.
[[nodiscard]] kernels::Compute activations_of(const std::string& activations);

/// Errors: kInvalidArgument when --ctx-size is beyond the model's limit.
[[nodiscard]] Result<void> check_context(std::size_t context, const model::Model& model);

}  // namespace lieq::cli
