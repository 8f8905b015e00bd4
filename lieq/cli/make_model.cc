#include "lieq/cli/make_model.h"

#include <optional>
#include <string>

#include "lieq/cli/export_text.h"
#include "lieq/cli/output.h"
#include "lieq/cli/quantize_text.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/stop_notice.h"

namespace lieq::cli {

void add_result_options(OptionSet& app, const char* embed_default, pipeline::QuantizeOptions& job) {
  app.add(
      "--text", job.text,
      "Held-out text for the final table, or several with a comma between (default: what the calibration held out)");
  app.add("--window", job.text_window, "Tokens in a window of it (default: 2048 or the model's limit)")
      .range(2, 1 << 24);
  app.add("--chunks", job.text_chunks, "Score this many windows only").range(1, 1 << 30);
  app.add("--embed-bits", job.embed_bits,
          std::string("Bits of embedding and head as saved; 4: fitted as the layers are; 16: a folder that any GPTQ "
                      "reader takes (default: ") +
              embed_default + "; what the source holds in fewer stays so)")
      .one_of({4, 6, 8, 16});
  app.add("--to", job.exports, "Also write the result for other engines, as lieq export does: " + target_names())
      .comma_separated();
  app.flag("--force", job.force, "Replace an existing output folder and an unfinished run with other options");
}

void add_refine_options(OptionSet& app, const std::string& prefix, pipeline::RefineOptions& options) {
  app.add(prefix + "steps", options.steps, "Steps of Adam on them").range(1, 100000).show_default();
  app.add(prefix + "tokens", options.tokens, "Tokens of the calibration text in a step")
      .range(1, 1 << 24)
      .show_default();
  app.add(prefix + "rate", options.rate, "Learning rate of the logarithms of scales; gains take a quarter")
      .range(0.0, 0.1)
      .show_default();
}

Result<void> make_model(const pipeline::QuantizeOptions& asked, const Stop& stop, const Common& common) {
  const bool first = common.ranks->is_first();
  std::optional<terminal::StopNotice> notice;
  if (first)
    notice.emplace(asked.exports.empty()
                       ? "lieq: stopped; the same command goes on from here\n"
                       : "lieq: stopped; the same command goes on from here, or, once the model is there, lieq "
                         "export\n");
  Threads threads(common.threads, *common.ranks);
  terminal::Console console(!first);
  LIEQ_ASSIGN(pipeline::Quantization job, pipeline::Quantization::prepare(asked, threads, console));
  const pipeline::CalibrationFacts facts = job.calibration(stop.windows);
  show(calibration_text(facts));
  for (const std::string& warning : pipeline::warnings_of(facts)) console.warn(warning);
  show(plan_text(job.plan()) + estimate_text(job.estimate()));
  if (stop.after_plan) return {};
  LIEQ_ASSIGN(const pipeline::QuantizeRecord made, job.run());
  if (!first) return {};
  show(texts_text(made));
  show(record_text(made));
  if (!made.warning) return {};
  return fail(ErrorCode::kCollapsed, *made.warning + " (its files are kept, with this warning in its .json)");
}

}  // namespace lieq::cli
