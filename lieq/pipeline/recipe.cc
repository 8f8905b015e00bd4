#include "lieq/pipeline/recipe.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lieq::pipeline {
namespace {

using quantize::Grid;
using quantize::Method;
using quantize::Options;

Options best() {
  Options options;
  options.grid = Grid::kHalf;
  return options;
}

/// Without every step that is this project's own.
Options plain(Method method) {
  Options options;
  options.method = method;
  options.grid = Grid::kAsym;
  options.range = quantize::Range::kMinMax;
  options.corrected_target = false;
  options.sweeps = 0;
  options.refit_scales = false;
  options.refit_gains = false;
  return options;
}

Options paper_awq(Method then) {
  Options options = plain(Method::kAwq);
  options.awq_then = then;
  return options;
}

}  // namespace

std::span<const Recipe> recipes() {
  static const std::array all = {
      Recipe{"lieq", "all steps, on the grid that other engines read", default_recipe()},
      Recipe{"best", "all steps, on the grid half, then --refine, which trains", best(), true},
      Recipe{"paper-rtn", "rounding to nearest", plain(Method::kRtn)},
      Recipe{"paper-gptq", "plain GPTQ", plain(Method::kGptq)},
      Recipe{"paper-awq", "AWQ's scales and clipping, then rounding to nearest", paper_awq(Method::kRtn)},
      Recipe{"paper-awq-gptq", "AWQ's scales, then plain GPTQ", paper_awq(Method::kGptq)},
      Recipe{"omniquant", "OmniQuant's learnt clipping, then rounding to nearest", plain(Method::kOmniQuant)},
  };
  return all;
}

Result<Recipe> recipe_from_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Recipe& recipe : recipes()) {
    if (recipe.name == name) return recipe;
    names.push_back(recipe.name);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("recipe: found '{}', expected one of {}", name, fmt::join(names, ", ")));
}

}  // namespace lieq::pipeline
