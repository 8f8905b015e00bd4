#include "lieq/cli/calibration_options.h"

#include "lieq/hub/environment.h"

namespace lieq::cli {

void add_calibration_options(OptionSet& app, pipeline::CalibrationOptions& options) {
  options.cache = hub::cache_folder().value_or(std::filesystem::path());  // no home: nothing is kept
  app.add("--calib", options.source,
          "Text to fit to: a .txt or .jsonl file, a data set of lieq pull such as wikitext2-train, or self: text the "
          "model writes")
      .show_default();
  app.add("--calib-field", options.field, "The field of a .jsonl record that holds the text").show_default();
  app.add("--calib-windows", options.windows,
          "Windows to fit to (default: 32 of a file, 64 of self; half of that without correction and sweeps)")
      .range(1, 1 << 20);
  app.add("--calib-window", options.window, "Tokens in a window (default: 1024 of a file, 512 of self)")
      .range(2, 1 << 24);
  app.add("--calib-seed", options.seed, "Of self").show_default();
}

}  // namespace lieq::cli
