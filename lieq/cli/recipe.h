#pragma once
/// The options of the quantisation recipe that quantize, sweep and reproduce share.

#include <cstdint>
#include <string>
#include <string_view>

#include "lieq/base/result.h"
#include "lieq/cli/options.h"
#include "lieq/quantize/options.h"

namespace lieq::cli {

struct RecipeOptions {
  std::string preset;                ///< a name of pipeline::recipes(); empty: the options alone decide
  const OptionSet* given = nullptr;  ///< which of them were given, so that they change a preset
  std::string awq_then = "gptq", grid = "skew", act_order = "none", on_singular = "error";
  std::int64_t group_size = 64;
  bool no_search = false, no_correction = false, no_refit = false, no_gains = false;
  quantize::Options base;  ///< what options set directly: damping, sweeps
};

/// Registers --recipe (of jobs that make one model), which sets all the others and --method unless they are given.
void add_preset_option(OptionSet& app, RecipeOptions& options);

/// Registers --awq-then, --grid, --group-size, --damping, --act-order, --sweeps, --no-search, --no-correction,
/// --no-refit,
/// --no-gains and --on-singular.
void add_recipe_options(OptionSet& app, RecipeOptions& options);

/// The recipe with a method, which a preset overrules if --method was not given.
/// Errors: kInvalidArgument (a name that is none, a group size of 0).
[[nodiscard]] Result<quantize::Options> recipe_of(const RecipeOptions& options, std::string_view method);

/// Whether the preset refines. Errors: kInvalidArgument.
[[nodiscard]] Result<bool> preset_refines(const RecipeOptions& options);

}  // namespace lieq::cli
