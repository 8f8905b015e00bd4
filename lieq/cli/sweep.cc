/// lieq sweep: one model quantised in many ways, each evaluated; the paper's Figure 5 and Tables 1-3.

#include <memory>

#include <fmt/format.h>

#include "lieq/cli/arguments.h"
#include "lieq/cli/command.h"
#include "lieq/cli/stop_notice.h"
#include "lieq/cli/sweep_run.h"
#include "lieq/cli/sweep_text.h"

namespace lieq::cli {

Run add_sweep(OptionSet& app, const Common& common) {
  const auto options = std::make_shared<SweepOptions>();
  app.add("MODEL", options->model, kModelHelp).required();
  app.add("-o,--output", options->output, "Folder for results.json and all that is finished; made, or gone on with")
      .required();
  app.add("--results", options->results, "Name of the results file in it").show_default();
  app.add("--top", options->top,
          "Layers that get the highest width: 1..16 (or as many as there are), 1,2,4, 0 (all the lowest), or "
          "all layers (all "
          "the highest)")
      .show_default();
  app.add("--methods", options->methods, "rtn, gptq and awq")
      .comma_separated().one_of({"rtn", "gptq", "awq"}).show_default();
  app.add("--scores", options->scores,
          "What ranks the layers: geometry and lieq (lieq diagnose --score), kl (measured by quantising each layer "
          "alone), random, random:SEED, depth, perplexity-drop, compactness, energy-gain")
      .comma_separated().show_default();
  app.add("--choices", options->choices, "Widths; the highest and the lowest are used")
      .comma_separated().one_of({2, 3, 4, 8}).show_default();
  add_sweep_work_options(app, *options);
  app.flag("--dry-run", options->dry_run,
           "Stop after the plan of cells and time; what ranks the layers is measured before it");
  return [options, &common]() -> Result<void> {
    const StopNotice notice("lieq: stopped; the same command goes on from here\n");
    Threads threads(common.threads);
    Console console;
    LIEQ_ASSIGN(const SweepResults results, run_sweep(*options, common.command, threads, console));
    if (options->dry_run) return {};
    fmt::print("\n{}\n{}/{}\n", sweep_table(results), options->output, options->results);
    return {};
  };
}

}  // namespace lieq::cli
