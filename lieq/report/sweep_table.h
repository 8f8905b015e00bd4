#pragma once
/// What a sweep came to, as text.

#include <string>

#include "lieq/base/sweep_record.h"

namespace lieq::report {

/// "perplexity 38.32 (heldout.txt), mean acc 0.4142"
[[nodiscard]] std::string summary_text(const EvalSummary& summary);

/// A row for the original and one for each cell: bits, size, perplexities, KL, mean accuracy and what it keeps of the
/// original's. Records must read (summary_of).
[[nodiscard]] std::string sweep_table(const SweepResults& results);

}  // namespace lieq::report
