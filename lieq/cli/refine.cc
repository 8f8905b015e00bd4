/// lieq refine: a model that is quantised already is brought closer to the original, codes fixed.

#include <memory>
#include <string>

#include "lieq/cli/calibration_options.h"
#include "lieq/cli/command.h"
#include "lieq/cli/make_model.h"
#include "lieq/pipeline/quantize.h"

namespace lieq::cli {
namespace refine_verb {

struct Options {
  pipeline::QuantizeOptions job;
  pipeline::RefineOptions refinement;
  bool dry_run = false;
};

Result<void> run(const Options& options, const Common& common) {
  pipeline::QuantizeOptions asked = options.job;
  asked.refine = options.refinement;
  return make_model(asked, {.after_plan = options.dry_run}, common);
}

}  // namespace refine_verb

Run add_refine(OptionSet& app, const Common& common) {
  using namespace refine_verb;
  const auto options = std::make_shared<Options>();
  pipeline::QuantizeOptions& job = options->job;
  app.add("MODEL", job.model, std::string("What it was quantised from: ") + kModelHelp).required();
  app.add("QUANTISED", job.from,
          "The same quantised, by lieq quantize or another tool: codes in groups with a scale and a zero point each "
          "(GPTQ, AWQ, "
          "AutoRound, compressed-tensors; Q8_0, Q4_0 and Q2_0 of GGUF)")
      .required();
  app.add("-o,--output", job.output, "Folder to make").required();
  add_calibration_options(app, job.calibration);
  add_refine_options(app, "--", options->refinement);
  add_result_options(app, "as QUANTISED has it", job);
  app.flag("--dry-run", options->dry_run, "Stop after the plan of bits, time, memory and disk");
  app.footer(
      "Group scales and norm gains are tuned end to end by KL to the original, codes fixed; steps are kept if\n"
      "KL falls on text that nothing is fitted to, which --calib gives as well. lieq quantize --refine does both\n"
      "at once. It trains, which the paper does not: tables mark its models.\n");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
