#include "lieq/report/readers.h"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/base/record_fields.h"
#include "lieq/base/sweep_record.h"

namespace lieq::report {
namespace {

constexpr std::uint64_t kMostLayers = 1 << 16;

/// Elements of a document that is one record or a list of them, with the place of each.
std::vector<std::pair<const Json*, std::string>> records_of(const Json& json, const std::string& place) {
  std::vector<std::pair<const Json*, std::string>> records;
  if (!json.is_array()) return {{&json, place}};
  for (std::size_t i = 0; i < json.size(); ++i) records.emplace_back(&json[i], fmt::format("{}: [{}]", place, i));
  return records;
}

Result<double> positive(const Fields& fields, std::string_view key) {
  LIEQ_ASSIGN(const double value, required_number(fields, key));
  if (!(value > 0) || !std::isfinite(value)) return wrong_field(fields.place(), key, value, "more than 0");
  return value;
}

Result<LinearLoss> linear_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  LinearLoss linear;
  LIEQ_ASSIGN(linear.layer, fields.required_count("layer"));
  if (linear.layer >= kMostLayers) return wrong_field(place, "layer", linear.layer, "below 65536");
  LIEQ_ASSIGN(linear.linear, required_string(fields, "linear"));
  LIEQ_ASSIGN(linear.bits, fields.required_count("bits"));
  LIEQ_ASSIGN(linear.loss, required_number(fields, "loss"));
  LIEQ_ASSIGN(linear.relative_loss, required_number(fields, "relative_loss"));
  return linear;
}

Result<Rate> rate_from_json(const Fields& fields, std::string_view key) {
  LIEQ_ASSIGN(const Json* object, required_object(fields, key));
  const Fields own(*object, fields.place() + ": " + std::string(key));
  Rate rate;
  LIEQ_ASSIGN(rate.tokens, own.required_count("tokens"));
  LIEQ_ASSIGN(rate.mean, required_number(own, "mean"));
  LIEQ_ASSIGN(rate.stddev, required_number(own, "stddev"));
  return rate;
}

bool is_scalar_list(const Json& json) {
  if (!json.is_array() || json.size() > 64) return false;
  for (const Json& one : json)
    if (one.is_structured()) return false;
  return true;
}

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

void collect(const Json& json, const std::string& name, int depth,
             std::vector<std::pair<std::string, std::string>>& settings) {
  constexpr std::size_t kMost = 200;
  if (settings.size() >= kMost || depth > 4) return;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      // What figures and their tables show, number by number.
      if (key == "results" || key == "configs" || key == "higher_is_better" || key == "versions" || key == "baseline")
        continue;
      collect(value, name.empty() ? key : name + "." + key, depth + 1, settings);
    }
  } else if (is_scalar_list(json)) {
    if (json.empty()) return;
    std::vector<std::string> words;
    for (const Json& one : json) words.push_back(plain(one));
    settings.emplace_back(name, fmt::format("{}", fmt::join(words, ", ")));
  } else if (!json.is_array() && !json.is_null()) {
    settings.emplace_back(name, plain(json));
  }
}

}  // namespace

Result<Evaluation> evaluation_from_json(const Json& json, const std::string& place) {
  Evaluation evaluation;
  for (const auto& [record, at] : records_of(json, place)) {
    if (!record->is_object())
      return fail(ErrorCode::kInvalidFormat, at + ": found " + brief(*record) + ", expected a record of lieq eval");
    if (record->contains("results")) {
      LIEQ_ASSIGN(TaskResults tasks, task_results_from_json(*record, at));
      evaluation.tasks.push_back(std::move(tasks));
    } else {
      LIEQ_ASSIGN(EvalRecord text, eval_record_from_json(*record, at));
      evaluation.texts.push_back(std::move(text));
    }
  }
  return evaluation;
}

Result<Quantised> quantised_from_json(const Json& json, const std::string& place, const std::string& folder) {
  const Fields fields(json, place);
  Quantised quantised;
  quantised.name = json.contains("refine") ? refined_label(folder) : folder;
  LIEQ_ASSIGN(const auto source, fields.string("source"));
  quantised.source = model_label(source.value_or(""));
  if (fields.find("options")) {
    LIEQ_ASSIGN(const Json* options, required_object(fields, "options"));
    LIEQ_ASSIGN(const auto method, Fields(*options, place + ": options").string("method"));
    quantised.method = method.value_or("");
  }
  if (const Json* plan = fields.find("plan")) {
    LIEQ_ASSIGN(quantised.plan, bit_plan_from_json(*plan, place + ": plan"));
  }
  if (const Json* scores = fields.find("scores")) {
    LIEQ_ASSIGN(quantised.scores, layer_scores_from_json(*scores, place + ": scores"));
  }
  LIEQ_ASSIGN(const Json* linears, required_list(fields, "linears"));
  for (std::size_t i = 0; i < linears->size(); ++i) {
    LIEQ_ASSIGN(LinearLoss linear, linear_from_json((*linears)[i], fmt::format("{}: linears[{}]", place, i)));
    quantised.linears.push_back(std::move(linear));
  }
  return quantised;
}

Result<std::vector<ShapeTime>> shapes_from_json(const Json& json, const std::string& place) {
  const Fields document(json, place);
  LIEQ_ASSIGN(const Json* records, required_list(document, "records"));
  std::vector<ShapeTime> times;
  for (std::size_t i = 0; i < records->size(); ++i) {
    const Fields fields((*records)[i], fmt::format("{}: records[{}]", place, i));
    ShapeTime time;
    for (const auto& [key, target] : {std::pair{"in", &time.in}, {"out", &time.out}, {"tokens", &time.tokens}}) {
      LIEQ_ASSIGN(*target, fields.required_count(key));
      if (*target == 0) return wrong_field(fields.place(), key, *target, "at least 1");
    }
    LIEQ_ASSIGN(time.kernel, required_string(fields, "kernel"));
    LIEQ_ASSIGN(time.seconds, positive(fields, "seconds"));
    LIEQ_ASSIGN(const auto bits, fields.count("bits"));
    time.bits = bits.value_or(0);
    times.push_back(std::move(time));
  }
  return times;
}

Result<std::vector<ModelSpeed>> speeds_from_json(const Json& json, const std::string& place) {
  std::vector<ModelSpeed> speeds;
  for (const auto& [record, at] : records_of(json, place)) {
    const Fields fields(*record, at);
    ModelSpeed speed;
    LIEQ_ASSIGN(speed.model, required_string(fields, "model"));
    LIEQ_ASSIGN(const auto activations, fields.string("activations"));
    speed.activations = activations.value_or("");
    LIEQ_ASSIGN(speed.threads, fields.required_count("threads"));
    LIEQ_ASSIGN(speed.true_bits, required_number(fields, "linear_true_bits"));
    LIEQ_ASSIGN(speed.prompt, rate_from_json(fields, "prompt_tokens_per_second"));
    LIEQ_ASSIGN(speed.decode, rate_from_json(fields, "decode_tokens_per_second"));
    LIEQ_ASSIGN(const Json* memory, required_object(fields, "memory"));
    const Fields own(*memory, at + ": memory");
    for (const auto& [key, target] :
         {std::pair{"linears", &speed.linears}, {"embeddings", &speed.embeddings}, {"cache", &speed.cache}}) {
      LIEQ_ASSIGN(*target, own.required_count(key));
    }
    speeds.push_back(std::move(speed));
  }
  return speeds;
}

Result<Sweep> sweep_from_json(const Json& json, const std::string& place) {
  LIEQ_ASSIGN(const SweepResults record, sweep_results_from_json(json, place));
  Sweep sweep;
  sweep.model = record.model;
  LIEQ_ASSIGN(sweep.baseline, evaluation_from_json(record.baseline, place + ": baseline"));
  for (const lieq::SweepCell& cell : record.cells) {
    const std::string at = fmt::format("{}: cells[{}]", place, sweep.cells.size());
    if (cell.top > kMostLayers) return wrong_field(at, "top", cell.top, "at most 65536");
    LIEQ_ASSIGN(Evaluation eval, evaluation_from_json(cell.eval, at + ": eval"));
    sweep.cells.push_back({cell.top, cell.method, cell.scores, cell.layers, cell.code_bits, cell.true_bits, cell.bytes,
                           std::move(eval)});
  }
  return sweep;
}

std::vector<std::pair<std::string, std::string>> settings_of(const Json& json) {
  std::vector<std::pair<std::string, std::string>> settings;
  if (!json.is_array()) {
    collect(json, "", 0, settings);
  } else if (!json.empty()) {
    collect(json.front(), "", 0, settings);  // models of one command share their settings
  }
  return settings;
}

}  // namespace lieq::report
