#pragma once
/// What a sweep says: its plan, its progress, its table.

#include <cstddef>
#include <string>

#include "lieq/allocate/grid.h"
#include "lieq/base/sweep_record.h"

namespace lieq::cli {

struct SweepSize {
  std::size_t done = 0;    ///< runs that are finished already
  std::size_t tokens = 0;  ///< that each model is evaluated on
  double seconds = 0;      ///< that the rest takes
  std::size_t disk = 0;    ///< bytes while it runs
};

/// "12 cells, 9 different models (2 of them done already), ..."
[[nodiscard]] std::string sweep_plan_text(const allocate::Grid& grid, const SweepSize& size);

/// "perplexity 38.32 (heldout.txt), mean acc 0.4142"
[[nodiscard]] std::string summary_text(const EvalSummary& summary);

/// A row for the original and one for each cell: bits, size, perplexities, KL, mean accuracy and what it keeps of the
/// original's. Records must read (summary_of).
[[nodiscard]] std::string sweep_table(const SweepResults& results);

}  // namespace lieq::cli
