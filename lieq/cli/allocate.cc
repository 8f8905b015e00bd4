#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/allocate.h"
#include "lieq/cli/budget.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/plan.h"

namespace lieq::cli {
namespace {

struct Options {
  std::string scores, output, ranking = "score";
  BudgetOptions budget;
  allocate::AllocateOptions allocate;
};

void print(const BitPlan& plan) {
  fmt::print("layer  bits  why\n");
  for (std::size_t l = 0; l < plan.layers.size(); ++l)
    fmt::print("{:>5}  {:>4}  {}\n", l, plan.layers[l].bits, plan.layers[l].reason);
  const PlanSize size = size_of(plan);
  fmt::print(
      "\n{:.4f} code bits, {:.4f} true bits per weight of the layers (groups of {}); compression {:.2f}x (codes "
      "alone)\n",
      size.code_bits, size.true_bits, plan.group_size, size.compression);
  fmt::print("whole model: {}, its other weights at {} bits", bytes_text(static_cast<std::size_t>(size.bytes)),
             plan.rest_bits);
  if (plan.budget.kind != Budget::Kind::kTop)
    fmt::print("; {:.0f} bits of the budget left unspent", std::max(0.0, size.unspent_bits));
  fmt::print("\n");
}

Result<void> run(Options options) {
  LIEQ_ASSIGN(const std::optional<Budget> budget, budget_of(options.budget));
  options.allocate.budget = budget.value_or(pipeline::kPaperBudget);
  if (!options.output.empty()) LIEQ_TRY(io::prepare_output(options.output));
  if (!budget) show("no budget given: the paper's, one layer at the highest width and the others at the lowest (--top 1)\n");
  LIEQ_ASSIGN(const Json json, read_json(options.scores));
  LIEQ_ASSIGN(const LayerScores scores, layer_scores_from_json(json, options.scores));
  for (const allocate::Ranking ranking : allocate::kRankings)
    if (allocate::name(ranking) == options.ranking) options.allocate.ranking = ranking;
  options.allocate.choices = options.budget.choices;
  options.allocate.place = options.scores;
  LIEQ_ASSIGN(const BitPlan plan, allocate::allocate(scores, options.allocate));
  print(plan);
  if (options.output.empty()) return {};
  return io::write_json(options.output, to_json(plan));
}

}  // namespace

Run add_allocate(OptionSet& app, const Common& /*common*/) {
  const auto options = std::make_shared<Options>();
  std::vector<std::string> rankings;
  for (const allocate::Ranking ranking : allocate::kRankings) rankings.emplace_back(allocate::name(ranking));
  app.add("SCORES", options->scores, "scores.json of lieq diagnose").required();
  app.add("--output,-o", options->output, "Write the plan as JSON, for lieq quantize --plan; it may be edited by hand");
  add_budget_options(app, options->budget);
  app.add("--rank", options->ranking, fmt::format("What orders the layers: {}", fmt::join(rankings, ", ")))
      .one_of(rankings).show_default();
  app.add("--group-size", options->allocate.group_size, "Weights that share a scale: part of true bits and size")
      .show_default();
  app.add("--rest-bits", options->allocate.rest_bits, "Width of embeddings, norms and head: part of size")
      .show_default();
  app.add("--seed", options->allocate.seed, "Of --rank random").show_default();
  return [options] { return run(*options); };
}

}  // namespace lieq::cli
