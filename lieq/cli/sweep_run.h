#pragma once
/// The whole of a sweep: plan, quantise, evaluate, keep.

#include "lieq/base/result.h"
#include "lieq/base/sweep_record.h"
#include "lieq/base/threads.h"
#include "lieq/cli/console.h"
#include "lieq/cli/sweep_options.h"

namespace lieq::cli {

/// Runs the grid and writes OUTPUT/results.json after each run; what OUTPUT holds already is not done again. Prints the
/// plan before it starts (with --dry-run that is all: no cells) and, on standard error, a line for each run. Shared
/// between cells: the model, calibration text, diagnosis, sensitivities, the original's evaluation, cells of the same
/// widths and method, and the first layers of neighbouring runs.
/// command: recorded. Errors: those of quantize and eval; kInvalidArgument for a folder of another sweep.
[[nodiscard]] Result<SweepResults> run_sweep(const SweepOptions& options, const std::string& command, Threads& threads,
                                             Console& console);

}  // namespace lieq::cli
