#pragma once
/// The recipe that jobs take unless they are given another, and others by name.

#include <span>
#include <string_view>

#include "lieq/base/result.h"
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

/// All steps on, on the grid that is exact in other engines' formats.
[[nodiscard]] inline quantize::Options default_recipe() {
  quantize::Options options;
  options.grid = quantize::Grid::kSkew;
  return options;
}

/// Plain GPTQ, or OmniQuant, which need less calibration text (CalibrationOptions::plain).
[[nodiscard]] inline bool is_plain(const quantize::Options& options) {
  return options.method == quantize::Method::kOmniQuant || (!options.corrected_target && options.sweeps == 0);
}

/// A whole recipe with a name. Those that begin with "paper-", and omniquant, are the back-ends of the paper's tables
/// as their own papers have them, on asymmetric groups, so that their rows exist on any model.
struct Recipe {
  std::string_view name, what;
  quantize::Options options;
  bool refine = false;  ///< scales and gains are tuned afterwards (refine.h)
};

[[nodiscard]] std::span<const Recipe> recipes();
/// Errors: kInvalidArgument listing the names there are.
[[nodiscard]] Result<Recipe> recipe_from_name(std::string_view name);

}  // namespace lieq::pipeline
