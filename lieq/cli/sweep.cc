/// lieq sweep: one model quantised in many ways, each evaluated; the paper's Figure 5 and Tables 1-3.

#include <memory>
#include <optional>

#include <fmt/format.h>

#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/cli/sweep_options.h"
#include "lieq/cli/sweep_text.h"
#include "lieq/pipeline/sweep.h"
#include "lieq/report/sweep_table.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/stop_notice.h"

namespace lieq::cli {
namespace sweep_verb {

struct Options {
  SweepFlags flags;
  bool dry_run = false;
};

Result<void> run(const Options& options, const Common& common) {
  LIEQ_ASSIGN(const pipeline::SweepOptions asked, sweep_of(options.flags));
  const bool first = common.ranks->is_first();
  std::optional<terminal::StopNotice> notice;
  if (first) notice.emplace("lieq: stopped; the same command goes on from here\n");
  Threads threads(common.threads, *common.ranks);
  terminal::Console console(!first);
  LIEQ_ASSIGN(pipeline::Sweep job, pipeline::Sweep::prepare(asked, threads, console));
  show(sweep_plan_text(job.plan()));
  if (options.dry_run) return {};
  const auto finished = [&](const pipeline::SweepStep& step) { console.note(sweep_step_text(step)); };
  LIEQ_ASSIGN(const SweepResults results, job.run(common.command, finished));
  if (!first) return {};
  show(fmt::format("\n{}\n{}/{}\n", report::sweep_table(results), asked.output, asked.results));
  return {};
}

}  // namespace sweep_verb

Run add_sweep(OptionSet& app, const Common& common) {
  using namespace sweep_verb;
  const auto options = std::make_shared<Options>();
  pipeline::SweepOptions& job = options->flags.job;
  app.add("MODEL", job.model, kModelHelp).required();
  app.add("-o,--output", job.output, "Folder for results.json and all that is finished; made, or gone on with")
      .required();
  app.add("--results", job.results, "Name of the results file in it").show_default();
  app.add("--top", job.top,
          "Layers that get the highest width: 1..16 (or as many as there are), 1,2,4, 0 (all the lowest), or "
          "all layers (all "
          "the highest)")
      .show_default();
  app.add("--methods", options->flags.methods, "rtn, gptq, awq and omniquant")
      .comma_separated().one_of({"rtn", "gptq", "awq", "omniquant"}).show_default();
  app.add("--scores", job.scores,
          "What ranks the layers: geometry and lieq (lieq diagnose --score), kl (measured by quantising each layer "
          "alone), random, random:SEED, depth, perplexity-drop, compactness, energy-gain")
      .comma_separated().show_default();
  app.add("--choices", job.choices, "Widths; the highest and the lowest are used")
      .comma_separated().one_of({2, 3, 4, 8}).show_default();
  add_sweep_work_options(app, options->flags);
  app.flag("--dry-run", options->dry_run,
           "Stop after the plan of cells and time; what ranks the layers is measured before it");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
