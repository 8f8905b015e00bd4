#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/pipeline/report.h"

namespace lieq::cli {
namespace report_verb {

Result<void> run(pipeline::ReportOptions options) {
  options.command = fmt::format("lieq report {} -o {}", fmt::join(options.results, " "), options.output);
  if (!options.svg.empty()) options.command += " --svg " + options.svg;
  LIEQ_ASSIGN(const pipeline::ReportRecord record, pipeline::report(options));
  if (!options.svg.empty()) show(fmt::format("{}: {} figures\n", options.svg, record.figures));
  show(fmt::format("{}: {} from {} files\n", options.output, bytes_text(record.bytes), options.results.size()));
  return {};
}

}  // namespace report_verb

Run add_report(OptionSet& app, const Common& /*common*/) {
  using namespace report_verb;
  const auto options = std::make_shared<pipeline::ReportOptions>();
  app.add("RESULTS", options->results,
          "JSON files that diagnose, allocate, eval, bench or sweep wrote, and folders of quantised models")
      .required();
  app.add("--output,-o", options->output, "The HTML page to write").show_default();
  app.add("--svg", options->svg, "Also write each figure as an SVG into this folder");
  return [options] { return run(*options); };
}

}  // namespace lieq::cli
