#pragma once
/// What lieq quantize says before and after its work.

#include <string>

#include "lieq/base/bit_plan.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/preview.h"
#include "lieq/pipeline/quantize.h"

namespace lieq::cli {

/// Tokens, bytes a token and vocabulary of the calibration text; below, its decoded windows if there are any.
[[nodiscard]] std::string calibration_text(const pipeline::CalibrationFacts& facts);

/// Mean bits, and for each width how many layers have it; those of unusual width by number.
[[nodiscard]] std::string plan_text(const BitPlan& plan);

/// "it takes about 3 min, 1.9 GB of memory and 65.0 MB of disk (12.1 GB free)"
[[nodiscard]] std::string estimate_text(const pipeline::Estimate& estimate);

/// A table of both models for each held-out text.
[[nodiscard]] std::string texts_text(const pipeline::QuantizeRecord& record);

/// How much both repeat themselves, the grid that was not taken, what rounding the embedding costs, and where the model
/// lies.
[[nodiscard]] std::string record_text(const pipeline::QuantizeRecord& record);

}  // namespace lieq::cli
