#include "lieq/cli/calibration_options.h"

#include <fmt/format.h>

#include "lieq/hub/environment.h"

namespace lieq::cli {

void add_calibration_options(OptionSet& app, pipeline::CalibrationOptions& options) {
  options.cache = hub::cache_folder().value_or(std::filesystem::path());  // no home: nothing is kept
  app.add("--calib", options.source,
          "Texts to fit to, with a comma between, each with as many windows: a .txt or .jsonl file, a data set of lieq "
          "pull such as wikitext2-train, builtin: prose, code and conversations that come with lieq, self: text the "
          "model writes. Best is text of the kind that the model is for, beside these two")
      .show_default();
  app.add("--calib-field", options.field, "The field of a .jsonl record that holds the text").show_default();
  app.add("--calib-windows", options.windows,
          fmt::format("Windows to fit to, of all texts together (default: {}; half of that without correction and "
                      "sweeps)",
                      pipeline::kCalibrationWindows))
      .range(1, 1 << 20);
  app.add("--calib-window", options.window,
          fmt::format("Tokens in a window (default: {}, or the model's limit; prune: 1024)",
                      pipeline::kCalibrationWindow))
      .range(2, 1 << 24);
  app.add("--calib-seed", options.seed, "Of self").show_default();
}

}  // namespace lieq::cli
