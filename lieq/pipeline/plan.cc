#include "lieq/pipeline/plan.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/base/message.h"
#include "lieq/diagnose/score.h"
#include "lieq/pipeline/diagnose.h"
#include "lieq/pipeline/kl_shares.h"
#include "lieq/pipeline/recipe.h"
#include "lieq/quantize/options.h"
#include "lieq/tune/check.h"

namespace lieq::pipeline {
namespace {

/// What opens messages about them: their files' names, or "plan" and "scores".
std::string plan_place(const PlanOptions& options) { return options.plan ? "plan" : options.plan_file; }
std::string scores_place(const PlanOptions& options) { return options.scores ? "scores" : options.scores_file; }

Result<BitPlan> given_plan(const PlanOptions& options) {
  if (options.plan) return *options.plan;
  LIEQ_ASSIGN(const Json json, read_json(options.plan_file));
  return bit_plan_from_json(json, options.plan_file);
}

Result<LayerScores> given_scores(const PlanOptions& options) {
  if (options.scores) return *options.scores;
  LIEQ_ASSIGN(const Json json, read_json(options.scores_file));
  return layer_scores_from_json(json, options.scores_file);
}

Result<LayerScores> scores_of(const eval::Bundle& bundle, const std::string& model, const PlanOptions& options,
                              const Spending& spending, const allocate::AllocateOptions& allocation,
                              const PlanShape& shape, const Calibration& calibration, Threads& threads, Sink& sink) {
  if (has_scores(options)) {
    LIEQ_ASSIGN(LayerScores scores, given_scores(options));
    LIEQ_TRY(check_same_model(scores.model, diagnose::facts_of(bundle.model, model), scores_place(options)));
    return scores;
  }
  if (!spending.note.empty()) sink.note(spending.note);
  if (spending.ranking == allocate::Ranking::kKlShare) {
    const int bits = allocate::width_nearest(sizes_of(bundle.model, model), allocation);
    return score_by_kl_shares(bundle, model, calibration, draft_of(shape.recipe), static_cast<unsigned>(bits),
                              options.cache, threads, sink);
  }
  diagnose::DiagnoseOptions diagnosis = options.diagnosis;
  LIEQ_TRY(diagnose::set_weights(diagnosis.score, std::nullopt, std::nullopt, std::nullopt));
  return diagnose_calibration(bundle, model, calibration, diagnosis, threads, sink);
}

}  // namespace

bool has_plan(const PlanOptions& options) { return options.plan || !options.plan_file.empty(); }
bool has_scores(const PlanOptions& options) { return options.scores || !options.scores_file.empty(); }

void set_widths(std::string_view grid, PlanOptions& options) {
  const auto width = quantize::width_of_grid(grid);
  if (!width) return;
  if (!options.budget && !has_plan(options)) options.budget = Budget{Budget::Kind::kTop, 0};
  if (options.choices == PlanOptions().choices)
    options.choices = *width == 4 ? std::vector<int>{4} : std::vector<int>{static_cast<int>(*width), 4};
}

Spending spending_of(const PlanOptions& options, const model::Model& model, const quantize::Options& recipe) {
  using allocate::Unit;
  const bool is_open = !options.ranking && !options.unit && !has_scores(options) &&
                       options.diagnosis.score.score == ScoreOptions().score;
  const bool has_mean = options.budget && options.budget->kind != Budget::Kind::kTop;
  bool measures = is_open && has_mean && recipe.method == quantize::Method::kGptq && !is_plain(recipe);
  Spending spending;
  if (measures) {
    const auto known = tune::check_tunable(model);
    measures = known.has_value();
    spending.note =
        measures ? "the budget goes where it takes most KL away, to what engines fuse into one matrix (--per layer: to "
                   "whole layers by score, as in the paper)"
                 : "the budget goes to whole layers by score: " + known.error().message;
  }
  spending.unit = options.unit.value_or(measures ? Unit::kFused : Unit::kLayer);
  spending.ranking = options.ranking.value_or(allocate::ranking_for(spending.unit));
  return spending;
}

Result<void> check_files(const PlanOptions& options) {
  if (has_plan(options) && options.budget)
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
  if (has_plan(options)) {
    LIEQ_ASSIGN(made.plan, given_plan(options));
    LIEQ_TRY(check_same_model(made.plan.model, diagnose::facts_of(bundle.model, model), plan_place(options)));
    return made;
  }
  allocate::AllocateOptions allocation;
  allocation.budget = options.budget.value_or(kPaperBudget);
  const Spending spending = spending_of(options, bundle.model, shape.recipe);
  allocation.choices = options.choices;
  const std::size_t group_size = shape.recipe.group_size;
  allocation.group_size = group_size == 0 ? bundle.model.config.hidden_size : group_size;
  allocation.k_blocks = shape.recipe.grid == quantize::Grid::kK;
  if (allocation.k_blocks) allocation.group_size = kKBlockSize;
  allocation.rest_bits = shape.rest_bits;
  allocation.ranking = spending.ranking;
  allocation.unit = spending.unit;
  if (has_scores(options)) {
    allocation.place = scores_place(options);
  } else {
    LIEQ_ASSIGN(auto uniform, allocate::allocate_uniform(sizes_of(bundle.model, model), allocation));
    if (uniform) return Plan{std::move(*uniform), std::nullopt};
  }
  LIEQ_ASSIGN(made.scores, scores_of(bundle, model, options, spending, allocation, shape, calibration, threads, sink));
  LIEQ_ASSIGN(made.plan, allocate::allocate(*made.scores, allocation));
  return made;
}

Result<std::vector<quantize::LayerWidths>> widths_of(const BitPlan& plan, const model::ModelConfig& config,
                                                     const std::string& place) {
  std::vector<quantize::LayerWidths> all;
  const std::vector<model::LinearModule> modules = linear_modules(config);
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const LayerPlan& layer = plan.layers[l];
    std::map<std::string, LinearPlan> unknown = layer.linears;
    quantize::LayerWidths& widths = all.emplace_back();
    for (const model::LinearModule& module : modules) {
      const std::string name = name_in_layer(module);
      const int width = layer.bits_of(name);
      unknown.erase(name);
      if (width != 2 && width != 3 && width != 4 && width != 8)
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{}: layer {}: found {} bits, expected 2, 3, 4 or 8", place, l, width));
      for (const model::LinearKind kind : module.linears)
        widths[static_cast<std::size_t>(kind)] = static_cast<unsigned>(width);
    }
    if (unknown.empty()) continue;
    std::string names;
    for (const model::LinearModule& module : modules)
      names.append(names.empty() ? "" : ", ").append(name_in_layer(module));
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: layer {}: linears: found {}, expected some of {}", place,
                                                         l, in_quotes(unknown.begin()->first), names));
  }
  return all;
}

}  // namespace lieq::pipeline
