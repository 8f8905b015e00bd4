#include "lieq/pipeline/report.h"

#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/version.h"
#include "lieq/io/atomic_file.h"
#include "lieq/report/page.h"

namespace lieq::pipeline {
namespace {

/// One file for each figure.
Result<std::size_t> write_svgs(const std::vector<report::Section>& sections, const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const report::Section& section : sections) {
    for (const report::Figure& figure : section.figures) {
      LIEQ_TRY(io::write_file(folder / (figure.id + ".svg"), report::figure_svg(figure)));
      ++count;
    }
  }
  return count;
}

}  // namespace

Result<ReportRecord> report(const ReportOptions& options) {
  report::Results results;
  for (const std::string& path : options.results) LIEQ_TRY(report::add_results(path, results));
  const std::vector<report::Section> sections = report::sections_of(results);
  if (sections.empty())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found nothing to draw, expected at least one record",
                                                       fmt::join(options.results, ", ")));
  const std::string html = report::html_page(sections, results.sources, {kVersion, options.command});
  ReportRecord record;
  record.bytes = html.size();
  LIEQ_TRY(io::prepare_output(options.output));
  if (!options.svg.empty()) {
    LIEQ_TRY(io::prepare_output(std::filesystem::path(options.svg) / "figure.svg"));
    LIEQ_ASSIGN(record.figures, write_svgs(sections, options.svg));
  }
  LIEQ_TRY(io::write_file(options.output, html));
  return record;
}

}  // namespace lieq::pipeline
