#pragma once
/// Options of every verb that runs a model.

#include <string>

#include <CLI/CLI.hpp>

#include "lieq/base/result.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/model.h"

namespace lieq::cli {

/// --embed-bits
void add_embed_bits(CLI::App& app, model::LoadOptions& load);

/// --activations, whose default is the value of `activations`.
void add_activations(CLI::App& app, std::string& activations);

/// The arithmetic that a checked value of --activations names.
[[nodiscard]] kernels::Compute activations_of(const std::string& activations);

/// Errors: kInvalidArgument when --ctx-size is beyond the model's limit.
[[nodiscard]] Result<void> check_context(std::size_t context, const model::Model& model);

}  // namespace lieq::cli
