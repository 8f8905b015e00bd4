#pragma once
/// Job: how many bits each layer gets.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/allocate/allocate.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quantized_layer.h"

namespace lieq::pipeline {

/// The paper's own plan: the best layer at the highest width, all others at the lowest (arXiv:2508.03332, section 4).
inline constexpr Budget kPaperBudget = {Budget::Kind::kTop, 1};

struct PlanOptions {
  /// Absent: kPaperBudget. Not together with plan_file.
  std::optional<Budget> budget;
  std::vector<int> choices = {2, 4};  ///< widths there are
  std::string plan_file;              ///< plan.json, perhaps edited by hand; empty: the plan is made
  std::string scores_file;            ///< scores.json; empty: the model is diagnosed on the calibration text
  std::optional<BitPlan> plan;        ///< instead of plan_file
  std::optional<LayerScores> scores;  ///< instead of scores_file
  /// What orders layers or linears, and what gets a width of its own; absent: spending_of().
  std::optional<allocate::Ranking> ranking;
  std::optional<allocate::Unit> unit;
  diagnose::DiagnoseOptions diagnosis;  ///< without scores_file; its weights are set_weights' defaults
  std::filesystem::path cache;          ///< of score_by_kl_shares; empty: nowhere
};

/// Whether a plan or scores are given, either way.
[[nodiscard]] bool has_plan(const PlanOptions& options);
[[nodiscard]] bool has_scores(const PlanOptions& options);

/// What the name of a grid says of widths: q2_k and its like name the lower one, and mean that type everywhere where
/// neither budget nor plan is given. Other names change nothing.
void set_widths(std::string_view grid, PlanOptions& options);

/// How a budget is spent.
struct Spending {
  allocate::Ranking ranking = allocate::Ranking::kScore;
  allocate::Unit unit = allocate::Unit::kLayer;
  std::string note;  ///< what a user who has not asked for it should know; may be empty
};

/// As the options say. Where they say neither ranking nor unit, a number of top layers is spent as the paper does, on
/// whole layers by score; mean bits and bytes as loses less (docs/quality.md), on what engines fuse, by shares of KL.
/// But on layers where scores are given or the score is "lieq", where the method is not GPTQ or is plain (the paper's
/// recipes), and where gradients lack a step of the model.
[[nodiscard]] Spending spending_of(const PlanOptions& options, const model::Model& model,
                                   const quantize::Options& recipe);

struct Plan {
  BitPlan plan;
  std::optional<LayerScores> scores;  ///< what the plan was made from, if anything
};

/// What of the rest of a job counts in true bits and bytes.
struct PlanShape {
  quantize::Options recipe;  ///< grid and groups; a draft is made by it where shares of KL are to be measured
  double rest_bits = 16;     ///< of all weights but the layers' linears (save::rest_bits)
};

/// A plan for the model: read from its file, or allocated (allocate::allocate) from scores that are read or measured.
/// Where the budget leaves no choice nothing is measured; for Ranking::kKlShare a draft is (add_kl_shares), unless the
/// scores that are read have shares. model: as the user named it.
/// Errors: kInvalidArgument (a plan beside a budget, a budget no plan fits), kInvalidFormat naming file and field,
/// scores or a plan of another model; kCancelled; those of diagnosing.
[[nodiscard]] Result<Plan> plan(const eval::Bundle& bundle, const std::string& model, const PlanOptions& options,
                                const PlanShape& shape, const Calibration& calibration, Threads& threads, Sink& sink);

/// What can be said of the files before anything else is done: whether they are JSON, and no plan beside a budget.
/// Errors: kInvalidArgument, kNotFound, kInvalidFormat.
[[nodiscard]] Result<void> check_files(const PlanOptions& options);

/// Weights of each layer, and no scores: all that plans without a choice need.
[[nodiscard]] LayerScores sizes_of(const model::Model& model, const std::string& name);

/// The widths of each layer's linears. Errors: kInvalidArgument naming `place` and the first layer with a width that
/// quantising cannot give, all but 2, 3, 4 and 8 bits, or with a linear that the model has not.
[[nodiscard]] Result<std::vector<quantize::LayerWidths>> widths_of(const BitPlan& plan,
                                                                   const model::ModelConfig& config,
                                                                   const std::string& place);

}  // namespace lieq::pipeline
