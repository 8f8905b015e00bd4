#pragma once
/// Results of tasks as lm-evaluation-harness prints them, and side by side.

#include <string>
#include <vector>

#include "lieq/base/task_record.h"

namespace lieq::report {

/// The harness's Markdown table of all tasks; where there are groups, a second one of these. Character for character
/// what the harness prints for the same numbers: groups before their indented members, the rest by name; a column of
/// numbers has as many decimals as its most precise entry needs.
[[nodiscard]] std::string harness_tables(const TaskResults& results);

/// Several models, the first being the reference: a row a task, the plain mean of the accuracies, the share of the
/// reference's mean that is kept; below, the paired differences with their p-values.
[[nodiscard]] std::string comparison_tables(const std::vector<TaskResults>& models);

/// A Markdown table in the layout of the harness (pytablewriter's): what looks like a number is one.
[[nodiscard]] std::string markdown_table(const std::vector<std::string>& head,
                                         std::vector<std::vector<std::string>> rows);

}  // namespace lieq::report
