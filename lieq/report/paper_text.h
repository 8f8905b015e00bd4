#pragma once
/// The paper's tables with our numbers in them.

#include <optional>
#include <string>
#include <vector>

#include "lieq/base/sweep_record.h"
#include "lieq/report/paper_tables.h"

namespace lieq::report {

/// What the sweeps of one model gave; absent: not run.
struct OurResults {
  std::optional<SweepResults> two, three;  ///< choices 2,4 and 3,4
};

/// One model's part of a table: each row of the paper, below FP16 and LieQ ours, and our uniform widths. tasks: the
/// columns, some or all of the table's. A model the paper has not gets rows of "-". Accuracies are in per cent.
[[nodiscard]] std::string paper_table_text(const PaperTable& paper, const std::string& model,
                                           const std::vector<std::string>& tasks, const OurResults& ours);

}  // namespace lieq::report
