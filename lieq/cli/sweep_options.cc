#include "lieq/cli/sweep_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/cli/run_options.h"

namespace lieq::cli {

void add_sweep_work_options(CLI::App& app, SweepOptions& options) {
  EvalOptions& eval = options.eval;
  app.add_option("--text", eval.text,
                 "Also measure perplexity on a .txt file, .jsonl with one document a line, or a data set of lieq pull");
  add_text_options(app, eval);
  add_task_options(app, eval);
  app.add_option("--compute", eval.compute, "Arithmetic of the evaluation: fp32, or bf16 with float32 sums")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  add_activations(app, eval.activations);
  app.add_flag("--kl", options.kl,
               "Also measure KL and top-1 agreement on texts, which runs the original again for each cell");
  add_recipe_options(app, options.recipe);
  add_calibration_options(app, options.calibration);
  app.add_option("--per-bucket", options.per_bucket,
                 "Passages of each length for the diagnosis; fewer shorten the score lieq")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--normalize", options.normalize, "How metrics are made comparable: minmax, sum, zscore, rank or log")
      ->check(CLI::IsMember({"minmax", "sum", "zscore", "rank", "log"}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the ranking random")->capture_default_str();
  app.add_flag("--keep", options.keep, "Keep the quantised models, in OUTPUT/models (default: deleted once evaluated)");
  app.add_flag("--force", options.force, "Start anew where a sweep with other options lies");
}

std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string quoted;
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return fmt::format("'{}'", quoted);
}

std::string given_words(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0) continue;
    words += " --" + option->get_lnames().front();
    if (option->get_items_expected_max() > 0)
      words += " " + shell_word(fmt::format("{}", fmt::join(option->results(), ",")));
  }
  return words;
}

}  // namespace lieq::cli
