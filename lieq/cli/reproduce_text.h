#pragma once
/// The paper's tables with our numbers in them.

#include <string>
#include <vector>

#include "lieq/pipeline/reproduce.h"

namespace lieq::cli {

/// One model's part of a table: each row of the paper, below FP16 and LieQ ours, and our uniform widths. tasks: the
/// columns, some or all of the table's. A model the paper has not gets rows of "-". Accuracies are in per cent.
[[nodiscard]] std::string paper_table_text(const pipeline::PaperTable& paper, const std::string& model,
                                           const std::vector<std::string>& tasks, const pipeline::OurResults& ours);

}  // namespace lieq::cli
