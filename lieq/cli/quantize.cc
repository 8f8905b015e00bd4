/// lieq quantize: the job pipeline::quantize, with its plan before the work and its tables after it.

#include <memory>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/cli/budget.h"
#include "lieq/cli/calibration_options.h"
#include "lieq/cli/command.h"
#include "lieq/cli/export_text.h"
#include "lieq/cli/output.h"
#include "lieq/cli/quantize_text.h"
#include "lieq/cli/recipe.h"
#include "lieq/pipeline/quantize.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/stop_notice.h"

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
  const bool first = common.ranks->is_first();
  std::optional<terminal::StopNotice> notice;
  if (first)
    notice.emplace(asked.exports.empty()
                       ? "lieq: stopped; the same command goes on from here\n"
                       : "lieq: stopped; the same command goes on from here, or, once the model is there, lieq "
                         "export\n");
  Threads threads(common.threads, *common.ranks);
  terminal::Console console(!first);
  if (!asked.plan.budget && asked.plan.plan_file.empty())
    show("no budget given: the paper's, one layer at the highest width and the others at the lowest (--top 1)\n");
  LIEQ_ASSIGN(pipeline::Quantization job, pipeline::Quantization::prepare(asked, threads, console));
  const pipeline::CalibrationFacts facts = job.calibration(options.preview ? kPreviewWindows : 0);
  show(calibration_text(facts));
  for (const std::string& warning : pipeline::warnings_of(facts)) console.warn(warning);
  show(plan_text(job.plan()) + estimate_text(job.estimate()));
  if (options.dry_run || options.preview) return {};
  LIEQ_ASSIGN(const pipeline::QuantizeRecord made, job.run());
  if (!first) return {};
  show(texts_text(made));
  show(record_text(made));
  if (!made.warning) return {};
  return fail(ErrorCode::kCollapsed, *made.warning + " (its files are kept, with this warning in its .json)");
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
  app.add("--refine-steps", options->refinement.steps, "Its steps of Adam").range(1, 100000).show_default();
  app.add("--refine-tokens", options->refinement.tokens, "Tokens of the calibration text in a step")
      .range(1, 1 << 24).show_default();
  app.add("--refine-rate", options->refinement.rate, "Learning rate of the logarithms of scales; gains take a quarter")
      .range(0.0, 0.1).show_default();
  app.add(
      "--text", job.text,
      "Held-out text for the final table, or several with a comma between (default: what the calibration held out)");
  app.add("--window", job.text_window, "Tokens in a window of it (default: 2048 or the model's limit)")
      .range(2, 1 << 24);
  app.add("--chunks", job.text_chunks, "Score this many windows only").range(1, 1 << 30);
  app.add("--embed-bits", job.embed_bits,
          "Bits of embedding and head as saved; 16: a folder that any GPTQ reader takes (default: 8 if that costs less "
          "than 0.1 % of perplexity; what the source holds in fewer stays so)")
      .one_of({4, 6, 8, 16});
  app.add("--to", job.exports, "Also write the result for other engines, as lieq export does: " + target_names())
      .comma_separated();
  app.flag("--preview", options->preview,
           "Show the calibration text as the model reads it and what is made of it, then stop after the plan");
  app.flag("--dry-run", options->dry_run, "Stop after the plan of bits, time, memory and disk");
  app.flag("--force", job.force, "Replace an existing output folder and an unfinished run with other options");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
