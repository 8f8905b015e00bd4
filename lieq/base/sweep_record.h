#pragma once
/// One model quantised in many ways and evaluated: the record of `lieq sweep` (results.json).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/machine.h"
#include "lieq/base/result.h"

namespace lieq {

/// One point of the grid. Points that come to the same widths by the same method hold the same numbers.
struct SweepCell {
  std::uint64_t top = 0;              ///< layers that were to get the highest width
  std::string method, scores;         ///< "gptq"; what ranked the layers: "geometry", "lieq", "random", "kl", ...
  std::vector<std::uint64_t> layers;  ///< those with the highest width, ascending
  double code_bits = 0, true_bits = 0;
  std::uint64_t bytes = 0;  ///< of the model's weight files
  Json eval;  ///< as lieq eval --output writes it for one model: TaskResults, or an EvalRecord for a text alone
};

struct SweepResults {
  std::string version;            ///< of this program
  std::string model, model_hash;  ///< as tables call it; model::fingerprint
  Machine machine;
  std::string date;              ///< UTC, "2026-11-23T01:02:03Z"
  std::string command;           ///< that made it
  Json options;                  ///< everything that decides the numbers
  std::uint64_t planned = 0;     ///< cells of the whole grid
  Json baseline;                 ///< as SweepCell::eval, of the original
  std::vector<SweepCell> cells;  ///< finished ones, in the order of the grid
};

[[nodiscard]] Json to_json(const SweepCell& cell);
/// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<SweepCell> sweep_cell_from_json(const Json& json, const std::string& place);

[[nodiscard]] Json to_json(const SweepResults& results);
/// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<SweepResults> sweep_results_from_json(const Json& json, const std::string& place);

/// What tables and curves show of one evaluation.
struct EvalSummary {
  std::map<std::string, double> accuracy;    ///< of each task or group that belongs to no other group, in [0, 1]
  std::optional<double> mean_accuracy;       ///< plain mean of these
  std::optional<double> mean_stderr;         ///< tasks taken as independent
  std::map<std::string, double> perplexity;  ///< by task, or by text
  std::optional<double> kl, top1;            ///< of the first text, where they were measured
};

/// Reads either form of SweepCell::eval. Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<EvalSummary> summary_of(const Json& eval, const std::string& place);

}  // namespace lieq
