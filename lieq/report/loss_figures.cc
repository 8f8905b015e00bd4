#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/report/figures.h"
#include "lieq/report/style.h"

namespace lieq::report {
namespace {

constexpr double kWide = 1040, kNarrow = 360;

/// Colours by the logarithm of the relative loss.
struct HeatScale {
  double low = 0, high = 0;  ///< log10
  /// Of the colour of a step.
  [[nodiscard]] double least(std::size_t step) const {
    return std::pow(10, low + (high - low) * static_cast<double>(step) / static_cast<double>(kHeatSteps));
  }
  [[nodiscard]] std::string kind(double value) const {
    if (!(value > 0)) return "h0";
    const double share = high > low ? (std::log10(value) - low) / (high - low) : 0.5;
    const double step = std::clamp(std::floor(share * kHeatSteps), 0.0, static_cast<double>(kHeatSteps) - 1);
    return fmt::format("h{}", static_cast<int>(step));
  }
};

HeatScale scale_of(const std::vector<const Quantised*>& all) {
  double low = HUGE_VAL, high = 0;
  for (const Quantised* quantised : all) {
    for (const LinearLoss& linear : quantised->linears) {
      if (!(linear.relative_loss > 0) || !std::isfinite(linear.relative_loss)) continue;
      low = std::min(low, linear.relative_loss);
      high = std::max(high, linear.relative_loss);
    }
  }
  return high > 0 ? HeatScale{std::log10(low), std::log10(high)} : HeatScale{};
}

std::string short_name(const std::string& linear) { return linear.substr(linear.rfind('.') + 1); }

struct Grid {
  std::vector<std::string> linears;  ///< in order of appearance
  std::size_t layers = 0;
};
Grid grid_of(const Quantised& quantised) {
  Grid grid;
  for (const LinearLoss& linear : quantised.linears) {
    if (std::ranges::find(grid.linears, linear.linear) == grid.linears.end()) grid.linears.push_back(linear.linear);
    grid.layers = std::max(grid.layers, linear.layer + 1);
  }
  return grid;
}

/// Layers go across (wide) or down (on a phone).
Panel heat_map(const Quantised& quantised, const HeatScale& scale, bool across) {
  const Grid grid = grid_of(quantised);
  const double width = across ? kWide : kNarrow, left = across ? 78 : 30, top = across ? 46 : 94;
  const auto layers = static_cast<double>(grid.layers), kinds = static_cast<double>(grid.linears.size());
  const double wide = across ? std::min(64.0, (width - left) / layers) : (width - left) / kinds,
               tall = across ? 24 : 16;
  std::string body =
      svg_text({0, 14}, "metric", "start", shortened(quantised.name, static_cast<std::size_t>(width / 8)));
  body += svg_text({0, 32}, "tick", "start", "squared error of the outputs over their squared sum");
  for (std::size_t k = 0; k < grid.linears.size(); ++k) {
    const auto at = static_cast<double>(k);
    if (across)
      body += svg_text({left - 8, top + tall * at + tall / 2 + 4}, "tick", "end", short_name(grid.linears[k]));
    else
      body += fmt::format("<g transform=\"translate({:.1f},{:.1f}) rotate(40)\">{}</g>\n", left + wide * (at + 0.5),
                          top - 6, svg_text({0, 0}, "tick", "end", short_name(grid.linears[k])));
  }
  const std::size_t step = across && wide < 20 ? 5 : 1;
  for (std::size_t l = 0; l < grid.layers; l += step) {
    const auto at = static_cast<double>(l);
    if (across)
      body += svg_text({left + wide * (at + 0.5) - 1, top + tall * kinds + 14}, "tick", "middle", std::to_string(l));
    else
      body += svg_text({left - 6, top + tall * at + 12}, "tick", "end", std::to_string(l));
  }
  if (across) body += svg_text({left - 8, top + tall * kinds + 14}, "tick", "end", "layer");
  for (const LinearLoss& linear : quantised.linears) {
    const auto k = static_cast<double>(std::ranges::find(grid.linears, linear.linear) - grid.linears.begin()),
               l = static_cast<double>(linear.layer);
    const Point corner = across ? Point{left + wide * l, top + tall * k} : Point{left + wide * k, top + tall * l};
    body += svg_mark(svg_rect("p bare " + scale.kind(linear.relative_loss), corner, wide - 1.5, tall - 1.5),
                     fmt::format("layer {}, {}\n{} bits, relative loss {}", linear.layer, linear.linear, linear.bits,
                                 shown(linear.relative_loss)));
  }
  const double height = top + tall * (across ? kinds : layers) + 24;
  return {width, height, std::move(body), "Relative quantisation loss of every linear, " + quantised.name};
}

}  // namespace

std::vector<Figure> loss_figures(const Subject& subject) {
  std::vector<const Quantised*> drawn;
  std::ranges::copy_if(subject.quantised, std::back_inserter(drawn),
                       [](const Quantised* one) { return !one->linears.empty(); });
  if (drawn.empty()) return {};
  Figure figure{
      .id = "losses",
      .menu = "Losses",
      .title = "Where quantising loses",
      .text =
          "A cell is a linear: the stronger its colour, the more of its output is lost. All models share one scale.",
      .note = "Losses on the calibration text, as lieq quantize measured them.",
      .legend = {},
      .panels = {},
      .narrow = {},
      .tables = {},
      .columns = 1};
  const HeatScale scale = scale_of(drawn);
  if (scale.high > scale.low) {
    for (std::size_t i = 0; i < kHeatSteps; i += 2)
      figure.legend.push_back(
          {LegendEntry::Kind::kArea, fmt::format("p bare h{}", i), fmt::format("{:.2g}", scale.least(i))});
    figure.legend.front().text += " of the output lost, or less";
    figure.legend.back().text += " and more";
  }
  for (const Quantised* quantised : drawn) {
    figure.panels.push_back(heat_map(*quantised, scale, true));
    figure.narrow.push_back(heat_map(*quantised, scale, false));
    Table table{.title = "Losses: " + quantised->name,
                .head = {"layer", "linear", "bits", "relative loss", "loss"},
                .rows = {}};
    for (const LinearLoss& one : quantised->linears)
      table.rows.push_back({one.layer, one.linear, static_cast<std::size_t>(one.bits), one.relative_loss, one.loss});
    figure.tables.push_back(std::move(table));
  }
  return {std::move(figure)};
}

}  // namespace lieq::report
