#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "lieq/report/harness_table.h"
#include "lieq/report/text_table.h"

namespace lieq::report {
namespace {

std::string with_error(double value, std::optional<double> std_error) {
  return std_error ? fmt::format("{:.4f} ± {:.4f}", value, *std_error) : fmt::format("{:.4f} ± N/A", value);
}

std::vector<std::vector<std::string>> task_rows(const std::vector<TaskResults>& models) {
  std::vector<std::vector<std::string>> rows;
  for (const TaskRecord* record : models.front().top_level()) {
    for (std::size_t i = 0; i < record->metrics.size(); ++i) {
      const MetricValue& first = record->metrics[i];
      std::vector<std::string> row = {
          fmt::format("{} {} {}", record->alias, first.name, first.higher_is_better ? "↑" : "↓")};
      for (const TaskResults& model : models) {
        const MetricValue& metric = model.find(record->name)->metrics[i];
        row.push_back(with_error(metric.value, metric.std_error));
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string difference_text(const TaskResults& model, const std::string& task) {
  const auto found = model.differences.find(task);
  if (found == model.differences.end()) return "-";
  const PairedDifference& d = found->second;
  return fmt::format("{}{} (p {})", d.difference < 0 ? "" : "+", with_error(d.difference, d.std_error),
                     d.p_value < 0.0001 ? std::string("< 0.0001") : fmt::format("{:.4f}", d.p_value));
}

std::string differences_table(const std::vector<TaskResults>& models) {
  std::vector<std::string> head = {"acc, difference to " + models.front().model};
  for (std::size_t m = 1; m < models.size(); ++m) head.push_back(models[m].model);
  std::vector<std::vector<std::string>> rows;
  const auto add_row = [&](const std::string& alias, const std::string& task) {
    rows.push_back({alias});
    for (std::size_t m = 1; m < models.size(); ++m) rows.back().push_back(difference_text(models[m], task));
  };
  for (const TaskRecord* record : models.front().top_level())
    if (record->metric("acc")) add_row(record->alias, record->name);
  add_row("mean", "mean");
  return table(head, rows);
}

}  // namespace

std::string comparison_tables(const std::vector<TaskResults>& models) {
  std::vector<std::string> head = {"task"}, bits = {"code bits"}, mean = {"mean acc ↑"}, kept = {"kept"};
  const MeanAccuracy reference = mean_accuracy(models.front());
  for (const TaskResults& model : models) {
    const MeanAccuracy own = mean_accuracy(model);
    head.push_back(model.model);
    bits.push_back(fmt::format("{:.2f}", model.code_bits));
    mean.push_back(with_error(own.value, own.std_error));
    kept.push_back(reference.value > 0 ? fmt::format("{:.2f} %", 100 * own.value / reference.value) : "-");
  }
  std::vector<std::vector<std::string>> rows = {bits};
  for (auto& row : task_rows(models)) rows.push_back(std::move(row));
  if (reference.tasks == 0) return table(head, rows);
  rows.push_back(mean);
  rows.push_back(kept);
  return table(head, rows) + "\n" + differences_table(models);
}

}  // namespace lieq::report
