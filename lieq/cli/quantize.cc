/// lieq quantize: the job pipeline::quantize, with its plan before the work and its tables after it.

#include <memory>

#include "lieq/cli/budget.h"
#include "lieq/cli/calibration_options.h"
#include "lieq/cli/command.h"
#include "lieq/cli/make_model.h"
#include "lieq/cli/output.h"
#include "lieq/cli/recipe.h"
#include "lieq/pipeline/quantize.h"

namespace lieq::cli {
namespace quantize_verb {

constexpr std::size_t kPreviewWindows = 3;

struct Options {
  pipeline::QuantizeOptions job;
  std::string method = "gptq";
  RecipeOptions recipe;
  BudgetOptions budget;
  pipeline::RefineOptions refinement;
  bool refine = false, dry_run = false, preview = false;
};

/// The job that the words ask for.
Result<pipeline::QuantizeOptions> job_of(const Options& options) {
  pipeline::QuantizeOptions job = options.job;
  LIEQ_ASSIGN(job.recipe, recipe_of(options.recipe, options.method));
  LIEQ_ASSIGN(job.plan.budget, budget_of(options.budget));
  job.plan.choices = options.budget.choices;
  LIEQ_ASSIGN(const bool refines, preset_refines(options.recipe));
  if (options.refine || refines) job.refine = options.refinement;
  job.plan.ranking = ranking_of(options.budget);
  job.plan.unit = unit_of(options.budget);
  pipeline::set_widths(options.recipe.grid, job.plan);
  return job;
}

Result<void> run(const Options& options, const Common& common) {
  LIEQ_ASSIGN(const pipeline::QuantizeOptions asked, job_of(options));
  if (!asked.plan.budget && asked.plan.plan_file.empty())
    show("no budget given: the paper's, one layer at the highest width and the others at the lowest (--top 1)\n");
  return make_model(asked, {options.dry_run || options.preview, options.preview ? kPreviewWindows : 0}, common);
}

}  // namespace quantize_verb

Run add_quantize(OptionSet& app, const Common& common) {
  using namespace quantize_verb;
  const auto options = std::make_shared<Options>();
  pipeline::QuantizeOptions& job = options->job;
  app.add("MODEL", job.model, kModelHelp).required();
  app.add("-o,--output", job.output, "Folder to make, or with a K grid the .gguf file").required();
  add_budget_options(app, options->budget);
  app.add("--plan", job.plan.plan_file, "plan.json of lieq allocate, perhaps edited by hand, instead of a budget");
  app.add("--scores", job.plan.scores_file,
          "scores.json of lieq diagnose instead of diagnosing on the calibration text");
  app.add("--score", job.plan.diagnosis.score.score, "geometry, or lieq: with the perplexity drop, which takes long")
      .one_of({"geometry", "lieq"})
      .show_default();
  add_ranking_options(app, options->budget);
  app.add("--method", options->method, "rtn, gptq, awq, or omniquant, which is for --grid asym").one_of({"rtn", "gptq", "awq", "omniquant"}).show_default();
  add_preset_option(app, options->recipe);
  add_recipe_options(app, options->recipe);
  add_calibration_options(app, job.calibration);
  app.flag("--refine", options->refine,
           "Afterwards tune scales and norm gains end to end, codes fixed: less KL to the original on held-out text, or "
           "nothing is changed. Trains, which the paper does not; tables mark it");
  add_refine_options(app, "--refine-", options->refinement);
  add_result_options(app, "8 if that costs less than 0.1 % of perplexity", job);
  app.flag("--preview", options->preview,
           "Show the calibration text as the model reads it and what is made of it, then stop after the plan");
  app.flag("--dry-run", options->dry_run, "Stop after the plan of bits, time, memory and disk");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
