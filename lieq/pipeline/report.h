#pragma once
/// Job: results of all jobs as one HTML page.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::pipeline {

struct ReportOptions {
  std::vector<std::string> results;  ///< JSON files of diagnose, allocate, eval, bench or sweep; quantised folders
  std::string output = "report.html";
  std::string svg;      ///< folder for each figure as a file of its own; empty: none
  std::string command;  ///< printed on the page; empty: none
};

struct ReportRecord {
  std::size_t bytes = 0;    ///< of the page
  std::size_t figures = 0;  ///< written to the folder of `svg`
};

/// Reads the results and writes the page, whole or not at all. Cost: little. Errors: those of report::add_results;
/// kInvalidFormat when there is nothing to draw; kIo.
[[nodiscard]] Result<ReportRecord> report(const ReportOptions& options);

}  // namespace lieq::pipeline
