#include "lieq/cli/sweep_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/cli/calibration_options.h"
#include "lieq/cli/shell_word.h"

namespace lieq::cli {

void add_sweep_work_options(OptionSet& app, SweepFlags& flags) {
  pipeline::SweepOptions& options = flags.job;
  EvalFlags& eval = flags.eval;
  app.add("--text", eval.job.text,
          "Also measure perplexity on a .txt file, .jsonl with one document a line, or a data set of lieq pull");
  add_text_options(app, eval);
  add_task_options(app, eval);
  add_arithmetic_options(app, eval);
  app.flag("--kl", options.kl,
           "Also measure KL and top-1 agreement on texts, which runs the original again for each cell");
  add_recipe_options(app, flags.recipe);
  add_calibration_options(app, options.calibration);
  app.add("--per-bucket", options.per_bucket, "Passages of each length for the diagnosis; fewer shorten the score lieq")
      .range(1, 1 << 20).show_default();
  app.add("--normalize", options.normalize, "How metrics are made comparable: minmax, sum, zscore, rank or log")
      .one_of({"minmax", "sum", "zscore", "rank", "log"}).show_default();
  app.add("--seed", options.seed, "Of the ranking random").show_default();
  app.flag("--keep", options.keep, "Keep the quantised models, in OUTPUT/models (default: deleted once evaluated)");
  app.flag("--force", options.force, "Start anew where a sweep with other options lies");
}

Result<pipeline::SweepOptions> sweep_of(const SweepFlags& flags) {
  pipeline::SweepOptions job = flags.job;
  LIEQ_ASSIGN(job.recipe, recipe_of(flags.recipe, flags.methods.front()));
  job.methods.clear();
  for (const std::string& method : flags.methods) {
    LIEQ_ASSIGN(job.methods.emplace_back(), quantize::method_from_name(method));
  }
  LIEQ_ASSIGN(job.eval, evaluation_of(flags.eval));
  return job;
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
