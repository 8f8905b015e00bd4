#include "lieq/report/harness_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "lieq/report/text_table.h"

namespace lieq::report {
namespace {

std::optional<double> number_in(const std::string& cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (cell.empty() || error != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

bool is_blank(const std::string& cell) { return cell.find_first_not_of(' ') == std::string::npos; }

/// Decimals without trailing zeros.
int decimals_of(const std::string& cell) {
  const std::size_t point = cell.find('.');
  if (point == std::string::npos) return 0;
  return static_cast<int>(cell.find_last_not_of('0') - point);
}

enum class Align { kLeft, kRight, kCenter };

std::string padded(const std::string& cell, std::size_t width, Align align) {
  const std::size_t missing = width - columns_of(cell);
  const std::size_t left = align == Align::kLeft ? 0 : align == Align::kRight ? missing : missing / 2;
  return fmt::format("{:{}}{}{:{}}", "", left, cell, "", missing - left);
}

/// One column of the table: reads its cells as numbers where it can, and gives those the same decimals.
struct Column {
  bool numeric = true;
  std::size_t width = 3;
  std::vector<char> is_number;

  Column(const std::string& head, std::vector<std::vector<std::string>>& rows, std::size_t c) {
    int decimals = 0;
    bool any = false;
    for (const auto& row : rows) {
      const bool number = number_in(row[c]).has_value();
      is_number.push_back(number);
      any = any || number;
      numeric = numeric && (number || is_blank(row[c]));
      if (number) decimals = std::max(decimals, decimals_of(row[c]));
    }
    numeric = numeric && any;
    width = std::max(width, columns_of(head));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      std::string& cell = rows[r][c];
      // Among texts a whole number stays whole.
      if (is_number[r])
        cell = fmt::format("{:.{}f}", *number_in(cell), numeric || decimals_of(cell) > 0 ? decimals : 0);
      if (is_blank(cell)) cell.clear();
      width = std::max(width, columns_of(cell));
    }
  }
};

/// Groups with their depth, each before its members, then the remaining tasks; all in order of name.
void place(const TaskResults& results, const std::string& name, std::size_t depth,
           std::vector<std::pair<const TaskRecord*, std::size_t>>& order) {
  const TaskRecord* record = results.find(name);
  if (!record) return;
  order.emplace_back(record, depth);
  std::vector<std::string> children = record->children;
  std::ranges::sort(children);
  for (const std::string& child : children) place(results, child, depth + 1, order);
}

std::vector<std::pair<const TaskRecord*, std::size_t>> display_order(const TaskResults& results) {
  std::set<std::string> groups, tasks, children;
  for (const TaskRecord& record : results.tasks) {
    (record.is_group() ? groups : tasks).insert(record.name);
    children.insert(record.children.begin(), record.children.end());
  }
  std::vector<std::pair<const TaskRecord*, std::size_t>> order;
  for (const auto* names : {&groups, &tasks})
    for (const std::string& name : *names)
      if (!children.contains(name)) place(results, name, 0, order);
  return order;
}

std::string results_table(const TaskResults& results, bool groups_only) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [record, depth] : display_order(results)) {
    if (groups_only && !record->is_group()) continue;
    bool first = true;
    for (const MetricValue& metric : record->metrics) {
      const std::string name = depth > 0 ? fmt::format("{:{}}- {}", "", depth, record->alias) : record->alias;
      rows.push_back({first ? name : "", first ? fmt::format("{}", record->version) : "", "none",
                      record->num_fewshot ? fmt::format("{}", *record->num_fewshot) : " ", metric.name,
                      !record->shows_direction  ? ""
                      : metric.higher_is_better ? "↑"
                                                : "↓",
                      fmt::format("{:.4f}", metric.value), "±",
                      metric.std_error ? fmt::format("{:.4f}", *metric.std_error) : "   N/A"});
      first = false;
    }
  }
  return markdown_table(
      {groups_only ? "Groups" : "Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"},
      std::move(rows));
}

}  // namespace

std::string markdown_table(const std::vector<std::string>& head, std::vector<std::vector<std::string>> rows) {
  std::vector<Column> columns;
  for (std::size_t c = 0; c < head.size(); ++c) columns.emplace_back(head[c], rows, c);
  std::string text = "|", rule = "|";
  for (std::size_t c = 0; c < head.size(); ++c) {
    text.append(padded(head[c], columns[c].width, Align::kCenter)).append("|");
    rule.append(columns[c].width - (columns[c].numeric ? 1 : 0), '-').append(columns[c].numeric ? ":|" : "|");
  }
  text.append("\n").append(rule).append("\n");
  for (std::size_t r = 0; r < rows.size(); ++r) {
    text += "|";
    for (std::size_t c = 0; c < head.size(); ++c)
      text.append(padded(rows[r][c], columns[c].width, columns[c].is_number[r] ? Align::kRight : Align::kLeft))
          .append("|");
    text += "\n";
  }
  return text;
}

std::string harness_tables(const TaskResults& results) {
  std::string text = results_table(results, false);
  if (std::ranges::any_of(results.tasks, &TaskRecord::is_group)) text.append("\n").append(results_table(results, true));
  return text;
}

}  // namespace lieq::report
