#pragma once
/// What the calibration text says of the layers: the paper's diagnosis on it, and measured sensitivities.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/cli/calibration.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/eval/bundle.h"

namespace lieq::cli {

/// Diagnoses on the calibration windows. name: the model as the user named it. Errors: those of diagnose::diagnose.
[[nodiscard]] Result<LayerScores> diagnose_calibration(const eval::Bundle& bundle, const std::string& name,
                                                       const Calibration& calibration,
                                                       const diagnose::DiagnoseOptions& options, Threads& threads,
                                                       Sink& sink);

struct SensitivityRequest {
  std::vector<int> widths;
  std::size_t group_size = 64;  ///< 0: a whole row
};

/// Measures on the calibration text what each layer alone loses at each width, into `scores`. Linears are fitted as
/// lieq quantize fits them by default, but for what works across linears. `asked`: short windows and few of them are
/// taken unless it names others. Errors: those of quantize::measure_sensitivity.
[[nodiscard]] Result<void> add_sensitivities(const SensitivityRequest& request, const eval::Bundle& bundle,
                                             const CalibrationOptions& asked, const Calibration& calibration,
                                             Threads& threads, Sink& sink, LayerScores& scores);

}  // namespace lieq::cli
