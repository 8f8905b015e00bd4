#pragma once
/// The options of every verb that calibrates.

#include "lieq/cli/options.h"
#include "lieq/pipeline/calibrate.h"

namespace lieq::cli {

/// Registers --calib, --calib-field, --calib-windows, --calib-window and --calib-seed; the cache is the user's.
void add_calibration_options(OptionSet& app, pipeline::CalibrationOptions& options);

}  // namespace lieq::cli
