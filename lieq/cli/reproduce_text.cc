#include "lieq/cli/reproduce_text.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/cli/table.h"

namespace lieq::cli {
namespace {

using pipeline::OurResults;
using pipeline::PaperRow;
using pipeline::PaperTable;

using Values = std::vector<std::optional<double>>;  // one for each column

class ModelTable {
 public:
  ModelTable(const PaperTable& paper, const std::vector<std::string>& tasks) : paper_(paper), tasks_(tasks) {}

  void add_paper(const PaperRow& row) {
    Values values;
    for (const std::string& task : tasks_) {
      const auto column = std::ranges::find(paper_.tasks, task) - paper_.tasks.begin();
      values.push_back(row.values[static_cast<std::size_t>(column)]);
    }
    add(row.method, "paper", fmt::format("{:g}", row.bits), "-", values);
  }

  void add_nothing(const std::string& method, const std::string& bits) {
    add(method, "paper", bits, "-", Values(tasks_.size()));
  }

  void add_ours(const std::string& method, double code_bits, double true_bits, const Json& eval) {
    const EvalSummary summary = summary_of(eval, method).value_or(EvalSummary{});
    const bool perplexity = paper_.metric == "perplexity";
    const auto& found = perplexity ? summary.perplexity : summary.accuracy;
    Values values;
    for (const std::string& task : tasks_) {
      const auto value = found.find(task);
      values.push_back(value == found.end() ? std::nullopt : std::optional((perplexity ? 1 : 100) * value->second));
    }
    add(method, "ours", fmt::format("{:.2f}", code_bits), fmt::format("{:.2f}", true_bits), values);
  }

  [[nodiscard]] std::string text() const {
    std::vector<std::string> head = {"method", "whose", "code bits", "true bits"};
    head.insert(head.end(), tasks_.begin(), tasks_.end());
    if (has_mean()) head.emplace_back("mean");
    return table(head, rows_);
  }

 private:
  [[nodiscard]] bool has_mean() const { return paper_.metric == "accuracy"; }

  void add(const std::string& method, const std::string& whose, const std::string& code_bits,
           const std::string& true_bits, const Values& values) {
    std::vector<std::string> row = {method, whose, code_bits, true_bits};
    double sum = 0;
    for (const auto& value : values) {
      row.push_back(!value ? "-" : *value < 1e4 ? fmt::format("{:.2f}", *value) : fmt::format("{:.2e}", *value));
      sum += value.value_or(0);
    }
    const bool all = std::ranges::all_of(values, &std::optional<double>::has_value);
    if (has_mean()) row.push_back(all ? fmt::format("{:.2f}", sum / static_cast<double>(values.size())) : "-");
    rows_.push_back(std::move(row));
  }

  const PaperTable& paper_;
  const std::vector<std::string>& tasks_;
  std::vector<std::vector<std::string>> rows_;
};

void add_cells(const std::optional<SweepResults>& sweep, bool mixed, ModelTable& table) {
  if (!sweep) return;
  for (const SweepCell& cell : sweep->cells)
    if ((cell.top > 0) == mixed)
      table.add_ours(mixed ? cell.top == 1 ? "LieQ" : fmt::format("LieQ, top {}", cell.top) : "uniform", cell.code_bits,
                     cell.true_bits, cell.eval);
}

}  // namespace

std::string paper_table_text(const PaperTable& paper, const std::string& model, const std::vector<std::string>& tasks,
                             const OurResults& ours) {
  ModelTable text(paper, tasks);
  std::vector<const PaperRow*> rows;
  for (const PaperRow& row : paper.rows)
    if (row.model == model) rows.push_back(&row);
  const std::optional<SweepResults>& any = ours.two ? ours.two : ours.three;
  const auto add_original = [&] {
    if (any) text.add_ours("FP16", 16, 16, any->baseline);
  };
  if (rows.empty()) {
    text.add_nothing("FP16", "16");
    add_original();
    for (const auto* sweep : {&ours.two, &ours.three}) {
      add_cells(*sweep, false, text);
      if (*sweep) text.add_nothing("LieQ", "-");
      add_cells(*sweep, true, text);
    }
    return text.text();
  }
  for (const PaperRow* row : rows) {
    text.add_paper(*row);
    if (row->method == "FP16") add_original();
    if (row->method != "LieQ") continue;
    const auto& sweep = row->bits < 3 ? ours.two : ours.three;
    add_cells(sweep, true, text);
    add_cells(sweep, false, text);
  }
  return text.text();
}

}  // namespace lieq::cli
