#pragma once
/// What stages of a job hold in memory beside mapped files, counted buffer by buffer. All results are bytes.

#include <cstddef>

#include "lieq/base/bit_plan.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

/// What every job holds: the program, its threads, the tokenizer.
[[nodiscard]] double base_memory(const model::ModelConfig& config);

/// A forward pass over so many rows of tokens: hidden states, and what one block makes of them.
[[nodiscard]] double blocks_memory(const model::ModelConfig& config, std::size_t rows);
/// The same of rows that are scored, with a slice of logits at a time.
[[nodiscard]] double pass_memory(const model::ModelConfig& config, std::size_t rows);

/// A forward and a backward pass over so many tokens (tune/kl_gradient.h).
[[nodiscard]] double backward_memory(const model::ModelConfig& config, std::size_t tokens);
/// The geometry of diagnosis (diagnose/geometry.h).
[[nodiscard]] double geometry_memory(const model::ModelConfig& config, const diagnose::GeometryLoad& load,
                                     std::size_t threads);

/// Weights that are packed in memory, not read where they are mapped.
[[nodiscard]] double packed_memory(const model::Model& model);
/// The layers of a model made by the plan, packed in memory.
[[nodiscard]] double packed_layers_memory(const BitPlan& plan);

struct WalkSize {
  std::size_t tokens = 0, window = 0;  ///< of the calibration
  std::size_t threads = 1;
};
/// Quantising the layers (quantize/run.h): the most of gathering sums, factoring and fitting any set of linears.
[[nodiscard]] double walk_memory(const model::Model& model, const quantize::Options& options, const WalkSize& size);

}  // namespace lieq::pipeline
