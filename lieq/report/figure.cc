#include "lieq/report/figure.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/report/style.h"

namespace lieq::report {
namespace {

constexpr double kMargin = 24, kGap = 28, kLegendRow = 20, kSwatch = 26;

std::string swatch(const LegendEntry& entry, Point at) {
  switch (entry.kind) {
    case LegendEntry::Kind::kMarker:
      return svg_marker(entry.marker, entry.kinds, {at.x + 12, at.y - 4}, 4.5);
    case LegendEntry::Kind::kArea:
      return svg_rect(entry.kinds, {at.x + 4, at.y - 10}, 16, 12);
    case LegendEntry::Kind::kLine:
    case LegendEntry::Kind::kDashed:
      break;
  }
  const char* dash = entry.kind == LegendEntry::Kind::kDashed ? " dash" : "";
  return svg_line("l " + entry.kinds + dash, {at.x, at.y - 4}, {at.x + 20, at.y - 4});
}

/// Words broken into lines of about `width`.
std::vector<std::string> wrapped(const std::string& text, double width) {
  const auto limit = static_cast<std::size_t>(width / 6.2);
  std::vector<std::string> lines(1);
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find(' ', from), text.size());
    const std::string word = text.substr(from, end - from);
    if (!lines.back().empty() && characters(lines.back()) + characters(word) >= limit) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    from = end + 1;
  }
  return lines;
}

}  // namespace

std::string legend_svg(const std::vector<LegendEntry>& legend, double width, double& height) {
  std::string svg;
  Point at{0, 14};
  for (const LegendEntry& entry : legend) {
    const double wide = kSwatch + 6.6 * static_cast<double>(characters(entry.text)) + 14;
    if (at.x > 0 && at.x + wide > width) at = {0, at.y + kLegendRow};
    svg += swatch(entry, at) + svg_text({at.x + kSwatch, at.y}, "tick", "start", entry.text);
    at.x += wide;
  }
  height = legend.empty() ? 0 : at.y + 8;
  return svg;
}

std::string figure_svg(const Figure& figure) {
  const std::size_t columns =
      std::min(std::max<std::size_t>(figure.columns, 1), std::max<std::size_t>(figure.panels.size(), 1));
  double cell = 320;
  for (const Panel& panel : figure.panels) cell = std::max(cell, panel.width);
  const double inner = static_cast<double>(columns) * (cell + kGap) - kGap;
  std::string body;
  double y = kMargin;
  const auto lines = [&](const std::string& text, const char* kinds, double advance, double size) {
    for (const std::string& line : wrapped(text, inner / size)) {
      if (line.empty()) continue;
      y += advance;
      body += svg_text({kMargin, y}, kinds, "start", line);
    }
  };
  lines(figure.title, "title", 18, 1.45);
  y += 10;
  double height = 0;
  if (!figure.legend.empty()) {
    const std::string legend = legend_svg(figure.legend, inner, height);
    body += fmt::format("<g transform=\"translate({:.1f},{:.1f})\">{}</g>\n", kMargin, y, legend);
    y += height + 8;
  }
  for (std::size_t i = 0; i < figure.panels.size(); i += columns) {
    double tallest = 0;
    for (std::size_t c = 0; c < columns && i + c < figure.panels.size(); ++c) {
      const Panel& panel = figure.panels[i + c];
      body += fmt::format("<g transform=\"translate({:.1f},{:.1f})\">\n{}</g>\n",
                          kMargin + static_cast<double>(c) * (cell + kGap), y, panel.body);
      tallest = std::max(tallest, panel.height);
    }
    y += tallest + kGap / 2;
  }
  lines(figure.note, "tick", 15, 1);
  y += kMargin;
  const double width = inner + 2 * kMargin;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "role=\"img\">\n"
      "<title>{2}</title>\n<style>{3}</style>\n<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{4:.0f}\" "
      "height=\"{5:.0f}\" rx=\"10\"/>\n"
      "{6}</svg>\n",
      width, y, escaped(figure.title), svg_style(), width - 1, y - 1, body);
}

}  // namespace lieq::report
