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
  std::string awq_then = "gptq", grid = "skew", act_order = "none", on_singular = "error";
  std::int64_t group_size = 64;
  bool no_search = false, no_correction = false, no_refit = false, no_gains = false;
  quantize::Options base;  ///< what options set directly: damping, sweeps
};

/// Registers --awq-then, --grid, --group-size, --damping, --act-order, --sweeps, --no-search, --no-correction,
/// --no-refit,
/// --no-gains and --on-singular.
void add_recipe_options(OptionSet& app, RecipeOptions& options);

/// The recipe with a method. Errors: kInvalidArgument (a name that is none, a group size of 0).
[[nodiscard]] Result<quantize::Options> recipe_of(const RecipeOptions& options, std::string_view method);

}  // namespace lieq::cli
