#pragma once
/// What a quantisation will take, said before it starts.

#include <cstddef>
#include <string>

#include "lieq/base/bit_plan.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"

namespace lieq::cli {

/// "about 3 min, 1.9 GB of memory, 65.0 MB of disk (12.1 GB free)". Time: the floating-point operations of both streams and
/// of the Hessians at the rate a short product measures now, on `threads` threads; within a factor of two.
[[nodiscard]] std::string estimate_text(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                                        std::size_t tokens, std::size_t threads, const std::string& output);

}  // namespace lieq::cli
