#include "lieq/report/depth_curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/report/axis.h"

namespace lieq::report {
namespace {

constexpr double kWidth = 900, kHeight = 340;
constexpr double kTop = 112, kBottom = 262;       ///< the plots' edges
constexpr double kFirstPlot = 58, kLastEdge = 880;  ///< left edge of the first plot, right edge of the last
constexpr double kGap = 62;                       ///< between plots, with the tick labels of the right one
constexpr double kInset = 10;                     ///< from a plot's sides to its first and last layer
constexpr std::uint64_t kMarkedRanks = 4;

/// The dark palette is for viewers that know the page's scheme; a background of its own keeps the other readable there.
constexpr const char* kStyle = R"(<style>
text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12px; fill: #57606a }
.paper { fill: #ffffff; stroke: #d8dee4 }
.title { font-size: 17px; font-weight: 600; fill: #1f2328 }
.metric { font-size: 14px; font-weight: 600; fill: #1f2328 }
.tick { font-size: 11px }
.number { font-size: 12px; font-weight: 700; fill: #bc4c00; stroke: #ffffff;
  stroke-width: 3px; stroke-linejoin: round; paint-order: stroke }
.grid { stroke: #eaeef2; stroke-width: 1 }
.zero { stroke: #afb8c1; stroke-width: 1 }
.cell { fill: none; stroke: #a9c6ee; stroke-width: 1.2; stroke-linejoin: round }
.mean { fill: none; stroke: #0b5fcc; stroke-width: 2.6; stroke-linejoin: round; stroke-linecap: round }
.first { fill: #e16f24; stroke: #ffffff; stroke-width: 1.5 }
.next { fill: #ffffff; stroke: #e16f24; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.paper { fill: #0d1117; stroke: #30363d }
.title, .metric { fill: #e6edf3 }
.number { fill: #ffa657; stroke: #0d1117 }
.grid { stroke: #21262d }
.zero { stroke: #57606a }
.cell { stroke: #33557f }
.mean { stroke: #6cb0ff }
.first { fill: #ffa657; stroke: #0d1117 }
.next { fill: #0d1117; stroke: #ffa657 }
}
</style>
)";

/// One metric: a value for each layer, of each cell and of their mean. Missing: NaN.
struct Metric {
  std::string name, unit;
  std::vector<std::vector<double>> cells;
  std::vector<double> mean;
  bool logarithmic = false;
};

/// A rectangle of the picture and what its edges stand for.
struct Plot {
  double left, right;
  std::size_t layers;
  Axis axis;

  [[nodiscard]] double x(std::size_t layer) const {
    if (layers < 2) return (left + right) / 2;
    return left + kInset + (right - left - 2 * kInset) * static_cast<double>(layer) / static_cast<double>(layers - 1);
  }
  [[nodiscard]] double y(double value) const { return kBottom - (kBottom - kTop) * axis.position(value); }
};

/// Short enough for a line of the picture.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : printable(name, 48)) {
    switch (c) {
      case '&': text += "&amp;"; break;
      case '<': text += "&lt;"; break;
      case '>': text += "&gt;"; break;
      case '"': text += "&quot;"; break;
      default: text += c;
    }
  }
  return text;
}

std::string text_at(double x, double y, const char* kind, const char* anchor, const std::string& text) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", kind, x, y, anchor, text);
}

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kind, x1, y1, x2, y2);
}

std::string dot(double x, double y, bool first) {
  return fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>\n",
                     first ? "first" : "next", x, y, first ? 5.5 : 3.5);
}

/// The metrics that were measured. The perplexity drop comes first, as in the paper.
std::vector<Metric> metrics_of(const LayerScores& scores) {
  Metric drop{.name = "Perplexity drop", .unit = "rise of perplexity without the layer",
              .cells = {}, .mean = {}, .logarithmic = true};
  Metric compactness{.name = "Representational compactness", .unit = "share of effective rank lost in training",
                     .cells = {}, .mean = {}};
  Metric energy{.name = fmt::format("Top-{} energy gain", scores.options.top_k), .unit = "share of energy gained in training",
                .cells = {}, .mean = {}};
  bool measured = false;
  for (const LayerScore& layer : scores.layers) {
    measured = measured || layer.perplexity_drop.has_value();
    drop.mean.push_back(layer.perplexity_drop.value_or(std::numeric_limits<double>::quiet_NaN()));
    compactness.mean.push_back(layer.compactness);
    energy.mean.push_back(layer.energy_gain);
  }
  for (const CellScores& cell : scores.cells) {
    drop.cells.push_back(cell.perplexity_drop);
    compactness.cells.push_back(cell.compactness);
    energy.cells.push_back(cell.energy_gain);
  }
  if (!measured) return {std::move(compactness), std::move(energy)};
  return {std::move(drop), std::move(compactness), std::move(energy)};
}

std::vector<double> all_values(const Metric& metric) {
  std::vector<double> values = metric.mean;
  for (const auto& cell : metric.cells) values.insert(values.end(), cell.begin(), cell.end());
  return values;
}

/// Empty if there is nothing to draw. The title is what a viewer shows under the pointer.
std::string curve(const Plot& plot, const std::vector<double>& values, const char* kind, const std::string& title) {
  std::string points;
  for (std::size_t l = 0; l < std::min(values.size(), plot.layers); ++l)
    if (drawable(values[l])) points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", plot.x(l), plot.y(values[l]));
  if (points.empty()) return "";
  return fmt::format("<polyline class=\"{}\" points=\"{}\"><title>{}</title></polyline>\n", kind, points, title);
}

/// Grid, ticks and what the axes are.
std::string frame(const Plot& plot, const Metric& metric) {
  std::string svg = text_at(plot.left, kTop - 40, "metric", "start", metric.name);
  svg += text_at(plot.left, kTop - 23, "tick", "start", metric.unit + (plot.axis.logarithmic ? ", log scale" : ""));
  for (const double tick : plot.axis.ticks) {
    const double y = plot.y(tick);
    svg += line(tick == 0 && !plot.axis.logarithmic ? "zero" : "grid", plot.left, y, plot.right, y);
    svg += text_at(plot.left - 7, y + 4, "tick", "end", tick_label(tick));
  }
  // Layers are whole numbers: with few of them each has its tick.
  const std::size_t most = 7;
  std::size_t step = 1;
  for (const std::size_t factor : {2, 5, 10, 20, 50, 100, 200, 500, 1000})
    if ((plot.layers - 1) / step >= most) step = factor;
  for (std::size_t l = 0; l < plot.layers && l / step < 2 * most; l += step) {
    svg += line("zero", plot.x(l), kBottom, plot.x(l), kBottom + 4);
    svg += text_at(plot.x(l), kBottom + 17, "tick", "middle", std::to_string(l));
  }
  return svg + text_at((plot.left + plot.right) / 2, kBottom + 34, "tick", "middle", "layer");
}

/// The layer of each marked rank, best first; ranks nobody has are left out.
std::vector<std::size_t> marked_layers(const LayerScores& scores) {
  std::vector<std::size_t> marked;
  for (std::uint64_t rank = 1; rank <= kMarkedRanks; ++rank)
    for (std::size_t l = 0; l < scores.layers.size(); ++l)
      if (scores.layers[l].rank == rank) marked.push_back(l);
  return marked;
}

struct Point {
  double x, y;
};

/// Dots on the mean, and their layers' numbers above or below them, whichever is further from the curve and other numbers.
std::string marks(const Plot& plot, const Metric& metric, const std::vector<std::size_t>& marked) {
  std::string numbers, dots;
  std::vector<Point> placed;
  for (const std::size_t l : marked) {
    if (!drawable(metric.mean[l])) continue;
    const double x = plot.x(l), y = plot.y(metric.mean[l]);
    // A curve that falls on both sides leaves room above; one that rises, below (y grows downwards).
    double neighbours = 0;
    for (const std::size_t other : {l == 0 ? 1 : l - 1, l + 1})
      if (other < metric.mean.size() && drawable(metric.mean[other])) neighbours += plot.y(metric.mean[other]) - y;
    const Point above{x, y - 10}, below{x, y + 19};
    const auto crowded = [&](Point p) {
      return p.y > kBottom + 2 || std::any_of(placed.begin(), placed.end(), [&](Point q) {
               return std::abs(p.x - q.x) < 15 && std::abs(p.y - q.y) < 12;
             });
    };
    Point place = neighbours >= 0 ? above : below;
    if (crowded(place)) place = neighbours >= 0 ? below : above;
    if (crowded(place)) place = above;
    placed.push_back(place);
    numbers += text_at(place.x, place.y, "number", "middle", std::to_string(l));
    dots = dot(x, y, l == marked.front()) + dots;  // the best one on top
  }
  return dots + numbers;
}

/// What lines and dots mean, and the note about drops a logarithmic axis cannot show.
std::string legend(const LayerScores& scores, bool note) {
  const double y = kHeight - 20, left = kFirstPlot;
  std::string svg = line("mean", left, y - 4, left + 22, y - 4) + text_at(left + 29, y, "tick", "start", "mean");
  svg += line("cell", left + 82, y - 4, left + 104, y - 4) + text_at(left + 111, y, "tick", "start", "one corpus and length");
  if (!marked_layers(scores).empty()) {
    svg += dot(left + 264, y - 4, true) + text_at(left + 276, y, "tick", "start", "rank 1");
    svg += dot(left + 340, y - 4, false) + text_at(left + 351, y, "tick", "start", "ranks 2 to 4, with the layer's number");
  }
  if (note) svg += text_at(kLastEdge, y, "tick", "end", "drops of zero or less: lower edge");
  return svg;
}

std::string heading(const LayerScores& scores) {
  const std::string name = escaped(scores.model.name);
  std::string svg = fmt::format("<title>The layers of {} by depth</title>\n", name);
  svg += fmt::format("<text class=\"title\" x=\"{}\" y=\"38\">How much each layer of {} matters</text>\n", kFirstPlot, name);
  return svg;
}

std::string panel(const LayerScores& scores, const Metric& metric, const Plot& plot) {
  std::string svg = "<g>\n" + frame(plot, metric);
  for (std::size_t i = 0; i < metric.cells.size(); ++i)
    svg += curve(plot, metric.cells[i], "cell",
                 escaped(scores.cells[i].corpus) + ", " + escaped(scores.cells[i].bucket) + " tokens");
  return svg + curve(plot, metric.mean, "mean", "mean") + marks(plot, metric, marked_layers(scores)) + "</g>\n";
}

}  // namespace

std::string depth_curves_svg(const LayerScores& scores) {
  std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" "
                                "viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\">\n",
                                kWidth, kHeight);
  svg += kStyle;
  svg += fmt::format("<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n", kWidth - 1, kHeight - 1);
  svg += heading(scores);
  const std::vector<Metric> metrics = metrics_of(scores);
  const auto count = static_cast<double>(metrics.size());
  const double width = (kLastEdge - kFirstPlot - (count - 1) * kGap) / count;
  double left = kFirstPlot;
  bool note = false;
  for (const Metric& metric : metrics) {
    const std::vector<double> values = all_values(metric);
    const Plot plot{left, left + width, scores.layers.size(), metric.logarithmic ? log_axis(values) : linear_axis(values)};
    note = note || (plot.axis.logarithmic && std::any_of(values.begin(), values.end(), [](double v) { return v <= 0; }));
    svg += panel(scores, metric, plot);
    left += width + kGap;
  }
  return svg + legend(scores, note) + "</svg>\n";
}

}  // namespace lieq::report
