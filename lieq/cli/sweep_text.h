#pragma once
/// What a sweep says: its plan, its progress, its table.

#include <string>

#include "lieq/base/sweep_record.h"
#include "lieq/pipeline/sweep.h"

namespace lieq::cli {

/// "12 cells, 9 different models (2 of them done already), ..."
[[nodiscard]] std::string sweep_plan_text(const pipeline::SweepPlan& plan);

/// "model 2 of 9: gptq-2.07-...: perplexity 38.32 (heldout.txt), mean acc 0.4142; 75 s, about 12 min left"
[[nodiscard]] std::string sweep_step_text(const pipeline::SweepStep& step);

/// A row for the original and one for each cell: bits, size, perplexities, KL, mean accuracy and what it keeps of the
/// original's. Records must read (summary_of).
[[nodiscard]] std::string sweep_table(const SweepResults& results);

}  // namespace lieq::cli
