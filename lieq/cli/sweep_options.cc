#include "lieq/cli/sweep_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/cli/run_options.h"
#include "lieq/cli/shell_word.h"

namespace lieq::cli {

void add_sweep_work_options(OptionSet& app, SweepOptions& options) {
  EvalOptions& eval = options.eval;
  app.add("--text", eval.text,
          "Also measure perplexity on a .txt file, .jsonl with one document a line, or a data set of lieq pull");
  add_text_options(app, eval);
  add_task_options(app, eval);
  app.add("--compute", eval.compute, "Arithmetic of the evaluation: fp32, or bf16 with float32 sums")
      .one_of({"fp32", "bf16"}).show_default();
  add_activations(app, eval.activations);
  app.flag("--kl", options.kl,
           "Also measure KL and top-1 agreement on texts, which runs the original again for each cell");
  add_recipe_options(app, options.recipe);
  add_calibration_options(app, options.calibration);
  app.add("--per-bucket", options.per_bucket, "Passages of each length for the diagnosis; fewer shorten the score lieq")
      .range(1, 1 << 20).show_default();
  app.add("--normalize", options.normalize, "How metrics are made comparable: minmax, sum, zscore, rank or log")
      .one_of({"minmax", "sum", "zscore", "rank", "log"}).show_default();
  app.add("--seed", options.seed, "Of the ranking random").show_default();
  app.flag("--keep", options.keep, "Keep the quantised models, in OUTPUT/models (default: deleted once evaluated)");
  app.flag("--force", options.force, "Start anew where a sweep with other options lies");
}

std::string given_words(const OptionSet& app) {
  std::string words;
  for (const GivenOption& option : app.given()) {
    words += " --" + option.name;
    if (!option.is_flag) words += fmt::format(" {}", shell_word(fmt::format("{}", fmt::join(option.values, ","))));
  }
  return words;
}

}  // namespace lieq::cli
