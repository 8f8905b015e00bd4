#include "lieq/pipeline/plan.h"

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/diagnose/score.h"
#include "lieq/pipeline/diagnose.h"

namespace lieq::pipeline {
namespace {

Result<BitPlan> read_plan(const PlanOptions& options, const ModelFacts& facts) {
  LIEQ_ASSIGN(const Json json, read_json(options.plan_file));
  LIEQ_ASSIGN(BitPlan plan, bit_plan_from_json(json, options.plan_file));
  LIEQ_TRY(check_same_model(plan.model, facts, options.plan_file));
  return plan;
}

Result<LayerScores> scores_of(const eval::Bundle& bundle, const std::string& model, const PlanOptions& options,
                              const Calibration& calibration, Threads& threads, Sink& sink) {
  if (!options.scores_file.empty()) {
    LIEQ_ASSIGN(const Json json, read_json(options.scores_file));
    LIEQ_ASSIGN(LayerScores scores, layer_scores_from_json(json, options.scores_file));
    LIEQ_TRY(check_same_model(scores.model, diagnose::facts_of(bundle.model, model), options.scores_file));
    return scores;
  }
  diagnose::DiagnoseOptions diagnosis = options.diagnosis;
  LIEQ_TRY(diagnose::set_weights(diagnosis.score, std::nullopt, std::nullopt, std::nullopt));
  return diagnose_calibration(bundle, model, calibration, diagnosis, threads, sink);
}

}  // namespace

Result<void> check_files(const PlanOptions& options) {
  if (!options.plan_file.empty() && options.budget)
    return fail(ErrorCode::kInvalidArgument, "--plan: found together with a budget, expected one of them");
  for (const std::string& file : {options.plan_file, options.scores_file})
    if (!file.empty()) LIEQ_TRY(read_json(file));
  return {};
}

LayerScores sizes_of(const model::Model& model, const std::string& name) {
  LayerScores sizes;
  sizes.model = diagnose::facts_of(model, name);
  for (const model::Layer& layer : model.layers)
    sizes.layers.emplace_back().weights = model::footprint(layer).parameters;
  return sizes;
}

Result<Plan> plan(const eval::Bundle& bundle, const std::string& model, const PlanOptions& options,
                  const PlanShape& shape, const Calibration& calibration, Threads& threads, Sink& sink) {
  LIEQ_TRY(check_files(options));
  Plan made;
  if (!options.plan_file.empty()) {
    LIEQ_ASSIGN(made.plan, read_plan(options, diagnose::facts_of(bundle.model, model)));
    return made;
  }
  allocate::AllocateOptions allocation;
  allocation.budget = options.budget.value_or(kPaperBudget);
  allocation.choices = options.choices;
  allocation.group_size = shape.group_size == 0 ? bundle.model.config.hidden_size : shape.group_size;
  allocation.k_blocks = shape.k_blocks;
  if (shape.k_blocks) allocation.group_size = kKBlockSize;
  allocation.rest_bits = shape.rest_bits;
  allocation.ranking = options.ranking;
  if (!options.scores_file.empty()) {
    allocation.place = options.scores_file;
  } else {
    LIEQ_ASSIGN(auto uniform, allocate::allocate_uniform(sizes_of(bundle.model, model), allocation));
    if (uniform) return Plan{std::move(*uniform), std::nullopt};
  }
  LIEQ_ASSIGN(made.scores, scores_of(bundle, model, options, calibration, threads, sink));
  LIEQ_ASSIGN(made.plan, allocate::allocate(*made.scores, allocation));
  return made;
}

Result<std::vector<unsigned>> widths_of(const BitPlan& plan, const std::string& place) {
  std::vector<unsigned> bits;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const int width = plan.layers[l].bits;
    if (width != 2 && width != 3 && width != 4 && width != 8)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: layer {}: found {} bits, expected 2, 3, 4 or 8", place, l, width));
    bits.push_back(static_cast<unsigned>(width));
  }
  return bits;
}

}  // namespace lieq::pipeline
