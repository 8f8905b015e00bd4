#pragma once
/// How fast models run: prompt and decoding speed, memory, and the share of the memory bandwidth that is used.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/speed.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/model.h"

namespace lieq::pipeline {

struct BenchModelsOptions {
  std::vector<std::string> models;  ///< as load_bundle takes them
  eval::SpeedOptions speed;
  model::LoadOptions load;
  kernels::Compute compute = kernels::Compute::kInt8;
};

/// One model, measured.
struct ModelSpeed {
  std::string name, format;
  model::Footprint linears, embeddings;
  /// A count of weights, those of a tied head once; and the bytes of memory that loading took, 0 where the system does
  /// not say.
  std::size_t parameters = 0, resident = 0;
  double load_seconds = 0;
  eval::Speed speed;

  /// Bytes a second that decoding reads.
  [[nodiscard]] double decode_bandwidth() const {
    return speed.decode.mean() * static_cast<double>(speed.bytes_per_token);
  }
};

struct ModelSpeeds {
  std::vector<ModelSpeed> models;
  double read_bandwidth = 0;  ///< bytes a second, measured after them
  std::size_t threads = 0;
};

/// Errors: those of hub::find_model, Model::load and eval::measure_speed; kCancelled between models.
[[nodiscard]] Result<ModelSpeeds> bench_models(const BenchModelsOptions& options, Threads& threads, Sink& sink);

/// The file of lieq bench MODEL --output.
[[nodiscard]] Json to_json(const ModelSpeeds& speeds, const BenchModelsOptions& options);

}  // namespace lieq::pipeline
