#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/bars.h"
#include "lieq/report/figures.h"
#include "lieq/report/style.h"

namespace lieq::report {
namespace {

constexpr double kWidePlan = 1040, kNarrowPlan = 360;
constexpr const char* kPlanName = "plan";

std::string name_of(const std::pair<std::string, const BitPlan*>& plan) {
  return plan.first.empty() ? kPlanName : plan.first;
}

std::string headline(const BitPlan& plan) {
  const PlanSize size = size_of(plan);
  const std::string bits = fmt::format("{:.3f} code bits, {:.3f} true bits per weight", size.code_bits, size.true_bits);
  const auto differs = [&](const LayerPlan& layer) { return layer.bits != plan.layers.front().bits; };
  return std::ranges::any_of(plan.layers, differs) ? bits + "; ranked by " + plan.ranking : bits;
}

/// The layers as cells in rows; each says why it got its width.
Panel strip(const std::pair<std::string, const BitPlan*>& named, double width) {
  const BitPlan& plan = *named.second;
  constexpr double kLeast = 21, kMost = 64, kTall = 34, kRow = 62, kTop = 44;
  const std::size_t count = plan.layers.size();
  const auto fitting = static_cast<std::size_t>(width / kLeast);
  const std::size_t rows = (count + fitting - 1) / fitting, columns = (count + rows - 1) / rows;
  const double cell = std::min(kMost, width / static_cast<double>(columns));
  std::string body =
      svg_text({0, 14}, "metric", "start", shortened(name_of(named), static_cast<std::size_t>(width / 8)));
  body += svg_text({0, 32}, "tick", "start", shortened(headline(plan), static_cast<std::size_t>(width / 5.8)));
  for (std::size_t l = 0; l < count; ++l) {
    const LayerPlan& layer = plan.layers[l];
    const double x = cell * static_cast<double>(l % columns), y = kTop + kRow * static_cast<double>(l / columns);
    const std::string kind = width_class(static_cast<unsigned>(layer.bits));
    const std::string shapes =
        svg_rect("p bare " + kind, {x, y}, cell - 2, kTall) +
        svg_text({x + cell / 2 - 1, y + kTall / 2 + 4}, "name on" + kind, "middle", std::to_string(layer.bits));
    body += svg_mark(shapes, fmt::format("layer {}: {} bits\n{}\n{:.3g} M weights", l, layer.bits, layer.reason,
                                         1e-6 * static_cast<double>(layer.weights)));
    const bool numbered = cell >= 24 || l % columns % 2 == 0;
    if (numbered) body += svg_text({x + cell / 2 - 1, y + kTall + 14}, "tick", "middle", std::to_string(l));
  }
  return {width, kTop + kRow * static_cast<double>(rows), std::move(body), "Bits of each layer, " + name_of(named)};
}

Table plan_table(const std::pair<std::string, const BitPlan*>& named) {
  Table table{.title = "Plan: " + name_of(named), .head = {"layer", "bits", "weights", "why"}, .rows = {}};
  for (std::size_t l = 0; l < named.second->layers.size(); ++l) {
    const LayerPlan& layer = named.second->layers[l];
    table.rows.push_back(
        {l, static_cast<std::size_t>(layer.bits), static_cast<std::size_t>(layer.weights), layer.reason});
  }
  return table;
}

/// Bytes of the parts of a model, from its plan.
struct Bytes {
  double codes = 0, scales = 0, embeddings = 0, rest = 0;
  [[nodiscard]] double all() const { return codes + scales + embeddings + rest; }
};

Bytes bytes_of(const BitPlan& plan) {
  Bytes bytes;
  double weights = 0;
  for (const LayerPlan& layer : plan.layers) {
    const auto n = static_cast<double>(layer.weights);
    weights += n;
    bytes.codes += n * layer.bits / 8;
    bytes.scales += n * (true_bits(layer.bits, plan.group_size, plan.k_blocks) - layer.bits) / 8;
  }
  const double others = static_cast<double>(plan.model.parameters) - weights;
  const double table = static_cast<double>(plan.model.vocab_size) * static_cast<double>(plan.model.hidden_size);
  const double embeddings = std::min(others, others >= 2 * table ? 2 * table : table);  // a head of its own counts too
  bytes.embeddings = embeddings * plan.rest_bits / 8;
  bytes.rest = (others - embeddings) * plan.rest_bits / 8;
  return bytes;
}

struct Part {
  const char* name;
  const char* kinds;
  double Bytes::*size;
};
constexpr Part kParts[] = {{"codes of the layers", "c0", &Bytes::codes},
                           {"scales and zero points", "c1", &Bytes::scales},
                           {"embeddings and head", "c2", &Bytes::embeddings},
                           {"norms and the rest", "c4", &Bytes::rest}};

Panel byte_bars(const std::vector<std::pair<std::string, Bytes>>& models, double width) {
  BarChart chart{.title = "Bytes", .label = "weights as stored", .bars = {}, .width = width};
  for (const auto& [name, bytes] : models) {
    Bar& bar = chart.bars.emplace_back(Bar{name, bytes_text(static_cast<std::size_t>(bytes.all())), {}, {}});
    for (const Part& part : kParts)
      bar.parts.push_back(
          {bytes.*part.size, part.kinds,
           fmt::format("{}\n{}: {}, {:.1f} %", name, part.name, bytes_text(static_cast<std::size_t>(bytes.*part.size)),
                       100 * bytes.*part.size / bytes.all())});
  }
  return draw(chart);
}

Figure byte_figure(const Subject& subject) {
  BitPlan original = *subject.plans.front().second;
  for (LayerPlan& layer : original.layers) layer.bits = 16;
  original.rest_bits = 16;
  std::vector<std::pair<std::string, Bytes>> models = {{subject.label + " in 16 bits", bytes_of(original)}};
  for (const auto& plan : subject.plans) models.emplace_back(name_of(plan), bytes_of(*plan.second));
  Figure figure{.id = "bytes",
                .menu = "Bytes",
                .title = "Where the bytes go",
                .text = "",
                .note =
                    "Computed from the plan: codes, a float16 scale and a zero point for each group, the other weights "
                    "at their width.",
                .legend = {},
                .panels = {byte_bars(models, kWidePlan)},
                .narrow = {byte_bars(models, kNarrowPlan)},
                .tables = {},
                .columns = 1};
  Table table{.title = "Bytes", .head = {"model"}, .rows = {}};
  for (const Part& part : kParts) {
    figure.legend.push_back({LegendEntry::Kind::kArea, std::string("p ") + part.kinds, part.name});
    table.head.emplace_back(part.name);
  }
  table.head.emplace_back("all");
  for (const auto& [name, bytes] : models) {
    auto& row = table.rows.emplace_back(std::vector<Cell>{name});
    for (const Part& part : kParts) row.push_back(Cell(bytes.*part.size, fmt::format("{:.0f}", bytes.*part.size)));
    row.push_back(Cell(bytes.all(), fmt::format("{:.0f}", bytes.all())));
  }
  figure.tables.push_back(std::move(table));
  const double last = models.back().second.embeddings / models.back().second.all();
  figure.text = fmt::format("Of {}, {:.0f} % are embeddings and head.", models.back().first, 100 * last);
  return figure;
}

}  // namespace

std::vector<Figure> plan_figures(const Subject& subject) {
  if (subject.plans.empty()) return {};
  Figure figure{.id = "plan",
                .menu = "Widths",
                .title = "Which layers get which width",
                .text = "Point at a layer to see why.",
                .note = "",
                .legend = {},
                .panels = {},
                .narrow = {},
                .tables = {},
                .columns = 1};
  std::set<int> widths;
  for (const auto& plan : subject.plans) {
    figure.panels.push_back(strip(plan, kWidePlan));
    figure.narrow.push_back(strip(plan, kNarrowPlan));
    figure.tables.push_back(plan_table(plan));
    for (const LayerPlan& layer : plan.second->layers) widths.insert(layer.bits);
  }
  for (const int bits : widths)
    figure.legend.push_back(
        {LegendEntry::Kind::kArea, "p bare " + width_class(static_cast<unsigned>(bits)), fmt::format("{} bits", bits)});
  return {std::move(figure), byte_figure(subject)};
}

}  // namespace lieq::report
