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

/// Multiply-adds a second of one thread, as a product of 512 x 512 x 512 measures them now.
[[nodiscard]] double multiply_rate();

/// Multiply-adds of quantising and saving: the forward passes, Hessians and, from `first_layer` on, the fits.
[[nodiscard]] double quantize_work(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                                   const RunSize& size, std::size_t first_layer = 0);

/// Multiply-adds of scoring so many tokens in windows.
[[nodiscard]] double pass_work(const model::Model& model, std::size_t tokens, std::size_t window);

/// "it takes about 3 min, 1.9 GB of memory and 65.0 MB of disk (12.1 GB free)". Time: the multiplications of the
/// forward passes, Hessians, fits and the final table, at the rate a short product measures now; within about 30 % if
/// the machine stays as busy as it is.
[[nodiscard]] std::string estimate_text(const model::Model& model, const BitPlan& plan,
                                        const quantize::Options& options, const RunSize& size,
                                        const std::string& output);

}  // namespace lieq::cli
