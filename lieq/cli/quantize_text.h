#pragma once
/// What lieq quantize says of its plan and of the grid it did not take.

#include <string>

#include "lieq/base/bit_plan.h"
#include "lieq/base/json.h"
#include "lieq/quantize/options.h"

namespace lieq::cli {

/// Mean bits, and for each width how many layers have it; those of unusual width by number.
[[nodiscard]] std::string plan_text(const BitPlan& plan);

/// What the other of skew and half would have given, on the layers where it was tried; empty when on none.
/// linears: the "linears" of lieq.json.
[[nodiscard]] std::string comparison_text(const quantize::Options& options, const Json& linears);

}  // namespace lieq::cli
