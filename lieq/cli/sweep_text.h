#pragma once
/// What a sweep says: its plan and its progress.

#include <string>

#include "lieq/pipeline/sweep.h"

namespace lieq::cli {

/// "12 cells, 9 different models (2 of them done already), ..."
[[nodiscard]] std::string sweep_plan_text(const pipeline::SweepPlan& plan);

/// "model 2 of 9: gptq-2.07-...: perplexity 38.32 (heldout.txt), mean acc 0.4142; 75 s, about 12 min left"
[[nodiscard]] std::string sweep_step_text(const pipeline::SweepStep& step);

}  // namespace lieq::cli
