#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/cli/command.h"
#include "lieq/io/atomic_file.h"
#include "lieq/report/page.h"

namespace lieq::cli {
namespace {

struct Options {
  std::vector<std::string> results;
  std::string output = "report.html", svg;
};

/// One file for each figure.
Result<std::size_t> write_svgs(const std::vector<report::Section>& sections, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  std::size_t count = 0;
  for (const report::Section& section : sections) {
    for (const report::Figure& figure : section.figures) {
      LIEQ_TRY(io::write_file(folder / (figure.id + ".svg"), report::figure_svg(figure)));
      ++count;
    }
  }
  return count;
}

Result<void> run(const Options& options) {
  report::Results results;
  for (const std::string& path : options.results) LIEQ_TRY(report::add_results(path, results));
  const std::vector<report::Section> sections = report::sections_of(results);
  if (sections.empty())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found nothing to draw, expected at least one record",
                                                       fmt::join(options.results, ", ")));
  std::string command = fmt::format("lieq report {} -o {}", fmt::join(options.results, " "), options.output);
  if (!options.svg.empty()) command += " --svg " + options.svg;
  const std::string html = report::html_page(sections, results.sources, {LIEQ_VERSION, command});
  if (!options.svg.empty()) {
    LIEQ_ASSIGN(const std::size_t count, write_svgs(sections, options.svg));
    fmt::print("{}: {} figures\n", options.svg, count);
  }
  LIEQ_TRY(io::write_file(options.output, html));
  fmt::print("{}: {} from {} files\n", options.output, bytes_text(html.size()), options.results.size());
  return {};
}

}  // namespace

Run add_report(OptionSet& app, const Common& /*common*/) {
  const auto options = std::make_shared<Options>();
  app.add("RESULTS", options->results,
          "JSON files that diagnose, allocate, eval, bench or sweep wrote, and folders of quantised models")
      .required();
  app.add("--output,-o", options->output, "The HTML page to write").show_default();
  app.add("--svg", options->svg, "Also write each figure as an SVG into this folder");
  return [options] { return run(*options); };
}

}  // namespace lieq::cli
