#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/allocate.h"
#include "lieq/allocate/plan_forms.h"
#include "lieq/base/labels.h"
#include "lieq/cli/budget.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/io/atomic_file.h"
#include "lieq/model/tensor_table.h"
#include "lieq/pipeline/plan.h"

namespace lieq::cli {
namespace allocate_verb {

struct Options {
  std::string scores, output, tool;
  BudgetOptions budget;
  allocate::AllocateOptions allocate;
};

void print(const BitPlan& plan) {
  fmt::print("layer  bits  why\n");
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const LayerPlan& layer = plan.layers[l];
    fmt::print("{:>5}  {:>4}  {}\n", l, layer.bits, layer.reason);
    for (const auto& [name, linear] : layer.linears) fmt::print("{:>5}  {:>4}  {}\n", "", linear.bits, name);
  }
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

/// The plan for another tool: into its file, or alone on standard output.
Result<void> write_for(const allocate::PlanForm& form, const BitPlan& plan, const std::string& architecture,
                       const std::string& output) {
  const std::vector<std::string> names = model::linear_names(architecture);
  const std::vector<std::string_view> linears(names.begin(), names.end());
  LIEQ_ASSIGN(const std::string text, allocate::plan_text(form, plan, linears));
  if (!output.empty()) {
    print(plan);
    return io::write_file(output, text);
  }
  show(text);
  return {};
}

Result<void> run(Options options) {
  const allocate::PlanForm* form = nullptr;
  if (!options.tool.empty()) {
    LIEQ_ASSIGN(form, allocate::find_plan_form(options.tool));
  }
  LIEQ_ASSIGN(const std::optional<Budget> budget, budget_of(options.budget));
  options.allocate.budget = budget.value_or(pipeline::kPaperBudget);
  if (!options.output.empty()) LIEQ_TRY(io::prepare_output(options.output));
  if (!budget && !(form && options.output.empty()))
    show("no budget given: the paper's, one layer at the highest width and the others at the lowest (--top 1)\n");
  LIEQ_ASSIGN(const Json json, read_json(options.scores));
  LIEQ_ASSIGN(const LayerScores scores, layer_scores_from_json(json, options.scores));
  options.allocate.unit = unit_of(options.budget).value_or(allocate::Unit::kLayer);
  options.allocate.ranking = ranking_of(options.budget).value_or(allocate::ranking_for(options.allocate.unit));
  options.allocate.choices = options.budget.choices;
  options.allocate.place = options.scores;
  LIEQ_ASSIGN(const BitPlan plan, allocate::allocate(scores, options.allocate));
  if (form) return write_for(*form, plan, scores.model.architecture, options.output);
  print(plan);
  if (options.output.empty()) return {};
  return io::write_json(options.output, to_json(plan));
}

}  // namespace allocate_verb

Run add_allocate(OptionSet& app, const Common& /*common*/) {
  using namespace allocate_verb;
  const auto options = std::make_shared<Options>();
  app.add("SCORES", options->scores, "scores.json of lieq diagnose").required();
  app.add("--output,-o", options->output, "Write the plan as JSON, for lieq quantize --plan; it may be edited by hand");
  std::string tools, forms;
  for (const allocate::PlanForm& form : allocate::plan_forms()) {
    tools += fmt::format("{}{}", tools.empty() ? "" : ", ", form.tool);
    forms += fmt::format("  {:<16}{}\n", form.tool, form.what);
  }
  app.add("--for", options->tool, "Write the plan in the form of another tool instead: " + tools);
  add_budget_options(app, options->budget);
  add_ranking_options(app, options->budget);
  app.add("--group-size", options->allocate.group_size, "Weights that share a scale: part of true bits and size")
      .show_default();
  app.add("--rest-bits", options->allocate.rest_bits, "Width of embeddings, norms and head: part of size")
      .show_default();
  app.add("--seed", options->allocate.seed, "Of --rank random").show_default();
  app.footer("--for writes to --output, or to standard output and nothing else:\n" + forms);
  return [options] { return run(*options); };
}

}  // namespace lieq::cli
