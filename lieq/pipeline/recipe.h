#pragma once
/// The recipe that jobs take unless they are given another.

#include "lieq/quantize/options.h"

namespace lieq::pipeline {

/// All steps on, on the grid that is exact in other engines' formats.
[[nodiscard]] inline quantize::Options default_recipe() {
  quantize::Options options;
  options.grid = quantize::Grid::kSkew;
  return options;
}

/// Plain GPTQ, which needs less calibration text (CalibrationOptions::plain).
[[nodiscard]] inline bool is_plain(const quantize::Options& options) {
  return !options.corrected_target && options.sweeps == 0;
}

}  // namespace lieq::pipeline
