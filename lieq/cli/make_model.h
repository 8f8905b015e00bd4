#pragma once
/// What quantize and refine share: options of the model that they make, and the run itself.

#include <cstddef>
#include <string>

#include "lieq/base/result.h"
#include "lieq/cli/command.h"
#include "lieq/cli/options.h"
#include "lieq/pipeline/quantize.h"

namespace lieq::cli {

/// Registers --text, --window, --chunks, --embed-bits, --to and --force. embed_default: what --embed-bits is without
/// it.
void add_result_options(OptionSet& app, const char* embed_default, pipeline::QuantizeOptions& job);

/// Registers PREFIXsteps, PREFIXtokens and PREFIXrate.
void add_refine_options(OptionSet& app, const std::string& prefix, pipeline::RefineOptions& options);

struct Stop {
  bool after_plan = false;
  std::size_t windows = 0;  ///< of the calibration to show
};

/// Shows the calibration text and the plan, makes the model, and shows what it lost. Errors: those of the job;
/// kCollapsed when the model is broken.
[[nodiscard]] Result<void> make_model(const pipeline::QuantizeOptions& asked, const Stop& stop, const Common& common);

}  // namespace lieq::cli
