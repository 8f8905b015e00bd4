#pragma once
/// What a quantisation will take, said before it starts.

#include <cstddef>
#include <string>

#include "lieq/base/bit_plan.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"

namespace lieq::cli {

struct RunSize {
  std::size_t tokens = 0, window = 0;  ///< of the calibration
  std::size_t scored_tokens = 0;       ///< by both models in the final table
  std::size_t threads = 1;
};

/// "it takes about 3 min, 1.9 GB of memory and 65.0 MB of disk (12.1 GB free)". Time: the multiplications of the
/// forward passes, Hessians, fits and the final table, at the rate a short product measures now; within about 30 % if
/// the machine stays as busy as it is.
[[nodiscard]] std::string estimate_text(const model::Model& model, const BitPlan& plan,
                                        const quantize::Options& options, const RunSize& size,
                                        const std::string& output);

}  // namespace lieq::cli
