#pragma once
/// What `lieq sweep` was asked for.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/cli/calibration.h"
#include "lieq/cli/eval_options.h"
#include "lieq/cli/options.h"
#include "lieq/cli/recipe.h"

namespace lieq::cli {

struct SweepOptions {
  std::string model, output;
  /// Of the results file in `output`.
  std::string results = "results.json";
  std::string top = "1";
  std::vector<std::string> methods = {"gptq"}, scores = {"geometry"};
  std::vector<int> choices = {2, 4};
  std::string normalize = "minmax";
  std::uint64_t seed = 42, per_bucket = 100;
  RecipeOptions recipe;
  CalibrationOptions calibration;
  EvalOptions eval;  ///< its models and output are not used
  bool kl = false, keep = false, force = false, dry_run = false;
};

/// Registers everything but MODEL, --output, the grid and --dry-run: what sweep and reproduce share.
void add_sweep_work_options(OptionSet& app, SweepOptions& options);

/// The options of `app` that were given, as words of a command line: " --limit 20 --grid half".
[[nodiscard]] std::string given_words(const OptionSet& app);

}  // namespace lieq::cli
