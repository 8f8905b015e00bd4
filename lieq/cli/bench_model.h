#pragma once
/// How fast models run: prompt and decoding speed, memory, and the share of the memory bandwidth that is used.

#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/eval/speed.h"
#include "lieq/model/model.h"

namespace lieq::cli {

struct BenchModelOptions {
  std::vector<std::string> models;
  eval::SpeedOptions speed;
  model::LoadOptions load;
  std::string activations = "int8";
  std::string output;  ///< JSON, or empty
  bool json = false;   ///< JSON on standard output instead of the tables
};

/// Prints a table with the columns of llama-bench, and writes JSON.
[[nodiscard]] Result<void> bench_models(const BenchModelOptions& options, Threads& threads);

}  // namespace lieq::cli
