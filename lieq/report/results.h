#pragma once
/// What was measured, as read from the files that other verbs write: the numbers behind every figure.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/base/task_record.h"

namespace lieq::report {

/// A file that was read: what it is, and its settings (everything in it but long lists) by dotted name.
struct Source {
  std::string file, kind;
  std::uint64_t bytes = 0;
  std::vector<std::pair<std::string, std::string>> settings;
};

/// One `lieq eval --output`: models in the order of the command. Texts alone, or tasks.
struct Evaluation {
  std::vector<EvalRecord> texts;
  std::vector<TaskResults> tasks;
};

struct LinearLoss {
  std::size_t layer = 0;
  std::string linear;  ///< e.g. "mlp.down_proj"
  std::uint64_t bits = 0;
  double loss = 0, relative_loss = 0;  ///< squared error of the outputs; over the outputs' squared sum
};

/// lieq.json of a quantised folder.
struct Quantised {
  std::string name, source;  ///< labels of the folder and of the model it was made from
  std::string method;
  std::optional<BitPlan> plan;
  std::optional<LayerScores> scores;
  std::vector<LinearLoss> linears;
};

/// One product of `lieq bench --shape`.
struct ShapeTime {
  std::uint64_t in = 0, out = 0, tokens = 0, bits = 0;  ///< bits: 0 for dense ones
  std::string kernel;
  double seconds = 0;
};

struct Rate {
  std::uint64_t tokens = 0;
  double mean = 0, stddev = 0;  ///< tokens a second
};

/// One model of `lieq bench MODEL`.
struct ModelSpeed {
  std::string model, activations;
  std::uint64_t threads = 0;
  double true_bits = 0;
  Rate prompt, decode;
  std::uint64_t linears = 0, embeddings = 0, cache = 0;  ///< bytes in memory
};

/// One quantised model of a sweep (base/sweep_record.h).
struct SweepCell {
  std::uint64_t top = 0;  ///< layers at the higher width
  std::string method, scores;
  std::vector<std::uint64_t> layers;  ///< those layers
  double code_bits = 0, true_bits = 0;
  std::uint64_t bytes = 0;
  Evaluation eval;
};

/// `lieq sweep`: one model quantised in many ways.
struct Sweep {
  std::string model;
  Evaluation baseline;
  std::vector<SweepCell> cells;
};

struct Results {
  std::vector<Source> sources;
  std::vector<LayerScores> scores;
  std::vector<BitPlan> plans;
  std::vector<Quantised> quantised;
  std::vector<Evaluation> evaluations;
  std::vector<ShapeTime> shapes;
  std::string shape_machine;  ///< e.g. "avx2, 2 threads"
  std::vector<ModelSpeed> speeds;
  std::vector<Sweep> sweeps;
};

/// Reads what a file holds, recognised by its content, and adds it. path: a JSON file, or a folder: its lieq.json.
/// Errors: kNotFound, kIo, kInvalidFormat naming file and field; a file that is none of those: what it could have been.
[[nodiscard]] Result<void> add_results(const std::filesystem::path& path, Results& results);

/// add_results() of a document. folder: the name of the quantised model if it is a lieq.json.
[[nodiscard]] Result<void> add_json(const Json& json, const std::string& place, const std::string& folder,
                                    Results& results);

}  // namespace lieq::report
