#include "lieq/report/results.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lieq/base/labels.h"
#include "lieq/base/message.h"
#include "lieq/base/record_fields.h"
#include "lieq/report/readers.h"

namespace lieq::report {
namespace {

/// A kind of file: what tells it from the others, and what reads it.
struct Kind {
  const char* name;
  bool (*matches)(const Json& json);
  Result<void> (*read)(const Json& json, const std::string& place, const std::string& folder, Results& results);
};

/// The value, or the first one of a list.
const Json& first_of(const Json& json) {
  static const Json kNothing;
  if (!json.is_array()) return json;
  return json.empty() ? kNothing : json.front();
}

bool has(const Json& json, std::initializer_list<const char*> keys) {
  return json.is_object() && std::ranges::all_of(keys, [&](const char* key) { return json.contains(key); });
}

Result<void> add_evaluation(const Json& json, const std::string& place, const std::string&, Results& results) {
  LIEQ_ASSIGN(Evaluation evaluation, evaluation_from_json(json, place));
  results.evaluations.push_back(std::move(evaluation));
  return {};
}

Result<void> add_shapes(const Json& json, const std::string& place, const std::string&, Results& results) {
  LIEQ_ASSIGN(const auto shapes, shapes_from_json(json, place));
  results.shapes.insert(results.shapes.end(), shapes.begin(), shapes.end());
  const Fields fields(json, place);
  LIEQ_ASSIGN(const auto isa, fields.string("isa"));
  LIEQ_ASSIGN(const auto threads, fields.count("threads"));
  const std::string machine =
      isa.value_or("unknown instruction set") + ", " + std::to_string(threads.value_or(0)) + " threads";
  if (results.shape_machine.empty()) results.shape_machine = machine;
  if (results.shape_machine.find(machine) == std::string::npos) results.shape_machine += "; " + machine;
  return {};
}

Result<void> add_quantised(const Json& json, const std::string& place, const std::string& folder, Results& results) {
  LIEQ_ASSIGN(Quantised quantised, quantised_from_json(json, place, folder));
  results.quantised.push_back(std::move(quantised));
  return {};
}

const std::array kKinds = {
    Kind{"sweep", [](const Json& json) { return json.is_object() && json.value("kind", Json()) == "lieq-sweep"; },
         [](const Json& json, const std::string& place, const std::string&, Results& results) -> Result<void> {
           LIEQ_ASSIGN(Sweep sweep, sweep_from_json(json, place));
           results.sweeps.push_back(std::move(sweep));
           return {};
         }},
    Kind{"quantised model",
         [](const Json& json) {
           return has(json, {"linears", "fingerprint"}) || has(json, {"linears", "source"});
         },
         add_quantised},
    Kind{"scores of layers",
         [](const Json& json) {
           return has(json, {"cells", "layers"});
         },
         [](const Json& json, const std::string& place, const std::string&, Results& results) -> Result<void> {
           LIEQ_ASSIGN(LayerScores scores, layer_scores_from_json(json, place));
           results.scores.push_back(std::move(scores));
           return {};
         }},
    Kind{"plan of bits",
         [](const Json& json) {
           return has(json, {"budget", "layers"});
         },
         [](const Json& json, const std::string& place, const std::string&, Results& results) -> Result<void> {
           LIEQ_ASSIGN(BitPlan plan, bit_plan_from_json(json, place));
           results.plans.push_back(std::move(plan));
           return {};
         }},
    Kind{"evaluation on tasks",
         [](const Json& json) {
           return has(first_of(json), {"results", "configs"});
         },
         add_evaluation},
    Kind{"evaluation on a text",
         [](const Json& json) {
           return has(first_of(json), {"perplexity", "nll"});
         },
         add_evaluation},
    Kind{"times of single products",
         [](const Json& json) {
           return has(json, {"isa", "records"});
         },
         add_shapes},
    Kind{"speed of models", [](const Json& json) { return has(first_of(json), {"decode_tokens_per_second"}); },
         [](const Json& json, const std::string& place, const std::string&, Results& results) -> Result<void> {
           LIEQ_ASSIGN(const auto speeds, speeds_from_json(json, place));
           results.speeds.insert(results.speeds.end(), speeds.begin(), speeds.end());
           return {};
         }},
};

}  // namespace

Result<void> add_json(const Json& json, const std::string& place, const std::string& folder, Results& results) {
  const auto* const kind = std::ranges::find_if(kKinds, [&](const Kind& one) { return one.matches(json); });
  if (kind == kKinds.end())
    return fail(ErrorCode::kInvalidFormat,
                place + ": found " + brief(json) +
                    ", expected a file of lieq diagnose, allocate, quantize, eval, bench or sweep");
  LIEQ_TRY(kind->read(json, place, folder, results));
  results.sources.push_back({place, kind->name, 0, settings_of(json)});
  return {};
}

Result<void> add_results(const std::filesystem::path& path, Results& results) {
  std::error_code error;
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(path, error)) {
    file = path / "lieq.json";
    if (!std::filesystem::exists(file, error))
      return fail(ErrorCode::kNotFound,
                  path.string() + ": found a folder without lieq.json, expected a quantised model or a JSON file");
  }
  LIEQ_ASSIGN(const Json json, read_json(file));
  const std::filesystem::path absolute = std::filesystem::absolute(file, error);
  LIEQ_TRY(add_json(json, file.string(), model_label(absolute.parent_path().string()), results));
  const auto bytes = std::filesystem::file_size(file, error);
  results.sources.back().bytes = error ? 0 : bytes;
  return {};
}

}  // namespace lieq::report
