#include "lieq/report/text_table.h"

#include <algorithm>

namespace lieq::report {
std::size_t columns_of(const std::string& cell) {
  return static_cast<std::size_t>(std::ranges::count_if(cell, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < head.size(); ++c) {
    std::size_t width = columns_of(head[c]);
    for (const auto& row : rows) width = std::max(width, columns_of(row[c]));
    widths.push_back(width);
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string padding(widths[c] - columns_of(cells[c]), ' ');
      text += (c == 0 ? "" : "  ") + (c == 0 ? cells[c] + padding : padding + cells[c]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  };
  line(head);
  std::vector<std::string> rule;
  for (const std::size_t width : widths) rule.emplace_back(width, '-');
  line(rule);
  for (const auto& row : rows) line(row);
  return text;
}

}  // namespace lieq::report
