#pragma once
/// What lieq bench prints.

#include <string>

#include "lieq/pipeline/bench_models.h"
#include "lieq/pipeline/bench_shapes.h"

namespace lieq::cli {

/// A table with the columns of llama-bench, and one of memory.
[[nodiscard]] std::string speeds_text(const pipeline::ModelSpeeds& speeds, const pipeline::BenchModelsOptions& options);

/// seconds: for each kernel at each number of tokens.
[[nodiscard]] std::string shapes_text(const pipeline::ShapeTimes& times, double seconds);

}  // namespace lieq::cli
