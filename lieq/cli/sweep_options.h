#pragma once
/// Options that sweep and reproduce share.

#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/cli/eval_options.h"
#include "lieq/cli/options.h"
#include "lieq/cli/recipe.h"
#include "lieq/pipeline/sweep.h"

namespace lieq::cli {

/// What the job's options do not hold as words.
struct SweepFlags {
  pipeline::SweepOptions job;
  std::vector<std::string> methods = {"gptq"};
  RecipeOptions recipe;
  EvalFlags eval;
};

/// Registers everything but MODEL, --output, the grid and --dry-run: what sweep and reproduce share.
void add_sweep_work_options(OptionSet& app, SweepFlags& flags);

/// The job that the flags ask for. Errors: kInvalidArgument.
[[nodiscard]] Result<pipeline::SweepOptions> sweep_of(const SweepFlags& flags);

/// The options of `app` that were given, as words of a command line: " --limit 20 --grid half".
[[nodiscard]] std::string given_words(const OptionSet& app);

}  // namespace lieq::cli
