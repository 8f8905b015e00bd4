#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/figures.h"
#include "lieq/report/style.h"
#include "lieq/report/xy_chart.h"

namespace lieq::report {
namespace {

constexpr std::size_t kMarkedRanks = 4;

/// One metric: a value for each layer, of each cell and of their mean. Missing: NaN.
struct Metric {
  std::string name, unit;
  std::vector<const std::vector<double>*> cells;
  std::vector<double> mean;
  bool logarithmic = false;
};

std::string cell_name(const CellScores& cell) { return model_label(cell.corpus) + ", " + cell.bucket + " tokens"; }

bool has_drop(const LayerScores& scores) {
  return std::ranges::any_of(scores.layers, [](const LayerScore& layer) { return layer.perplexity_drop.has_value(); });
}

/// The metrics that were measured. The perplexity drop comes first, as in the paper.
std::vector<Metric> metrics_of(const LayerScores& scores) {
  std::vector<Metric> metrics;
  if (has_drop(scores)) {
    Metric& drop =
        metrics.emplace_back(Metric{"Perplexity drop", "rise of perplexity without the layer", {}, {}, true});
    for (const LayerScore& layer : scores.layers)
      drop.mean.push_back(layer.perplexity_drop.value_or(std::numeric_limits<double>::quiet_NaN()));
    for (const CellScores& cell : scores.cells) drop.cells.push_back(&cell.perplexity_drop);
  }
  Metric compactness{"Representational compactness", "share of effective rank lost in training", {}, {}};
  Metric energy{fmt::format("Top-{} energy gain", scores.options.top_k), "share of energy gained in training", {}, {}};
  for (const LayerScore& layer : scores.layers) {
    compactness.mean.push_back(layer.compactness);
    energy.mean.push_back(layer.energy_gain);
  }
  for (const CellScores& cell : scores.cells) {
    compactness.cells.push_back(&cell.compactness);
    energy.cells.push_back(&cell.energy_gain);
  }
  metrics.push_back(std::move(compactness));
  metrics.push_back(std::move(energy));
  return metrics;
}

/// Colours tell corpora apart, dashes the lengths.
struct CellLook {
  std::string kinds, line;
};
std::vector<CellLook> looks_of(const LayerScores& scores) {
  std::map<std::string, std::size_t> corpora, buckets;
  std::vector<CellLook> looks;
  for (const CellScores& cell : scores.cells) {
    const std::size_t corpus = corpora.try_emplace(cell.corpus, corpora.size()).first->second;
    const std::size_t bucket = buckets.try_emplace(cell.bucket, buckets.size()).first->second;
    looks.push_back({colour_class(corpus), bucket % 2 == 0 ? "thin dash" : "thin"});
  }
  return looks;
}

/// The layer of each of the first ranks, best first.
std::vector<std::size_t> best_layers(const LayerScores& scores) {
  std::vector<std::size_t> best;
  for (std::uint64_t rank = 1; rank <= kMarkedRanks; ++rank)
    for (std::size_t l = 0; l < scores.layers.size(); ++l)
      if (scores.layers[l].rank == rank) best.push_back(l);
  return best;
}

std::string layer_tip(const LayerScores& scores, std::size_t l) {
  const LayerScore& layer = scores.layers[l];
  std::string tip =
      fmt::format("layer {}, rank {} of {}\nscore {}", l, layer.rank, scores.layers.size(), shown(layer.score));
  if (layer.perplexity_drop) tip += "\nperplexity drop " + shown(*layer.perplexity_drop);
  tip += "\ncompactness " + shown(layer.compactness) + "\nenergy gain " + shown(layer.energy_gain);
  for (const auto& [bits, kl] : layer.sensitivity) tip += fmt::format("\nKL at {} bits {}", bits, shown(kl));
  return tip;
}

Panel depth_panel(const LayerScores& scores, const Metric& metric) {
  std::vector<double> values = metric.mean;
  for (const auto* cell : metric.cells) values.insert(values.end(), cell->begin(), cell->end());
  XyChart chart{.title = metric.name,
                .x_label = "layer",
                .y_label = metric.unit,
                .x = layer_axis(scores.layers.size()),
                .y = metric.logarithmic ? log_axis(values) : linear_axis(values),
                .series = {},
                .levels = {}};
  const std::vector<CellLook> looks = looks_of(scores);
  for (std::size_t c = 0; c < metric.cells.size(); ++c) {
    XySeries& series = chart.series.emplace_back();
    series.name = cell_name(scores.cells[c]);
    series.kinds = looks[c].kinds;
    series.line = looks[c].line;
    series.markers = false;
    for (std::size_t l = 0; l < metric.cells[c]->size(); ++l)
      series.points.push_back(
          {.x = static_cast<double>(l), .y = (*metric.cells[c])[l], .error = {}, .label = "", .tip = "", .radius = {}});
  }
  XySeries& mean = chart.series.emplace_back();
  mean.name = "mean";
  mean.kinds = "ink";
  mean.line = "bold";
  mean.markers = false;
  mean.radius = 4.5;
  const std::vector<std::size_t> best = best_layers(scores);
  for (std::size_t l = 0; l < metric.mean.size(); ++l) {
    const bool chosen = std::ranges::find(best, l) != best.end();
    mean.points.push_back({.x = static_cast<double>(l),
                           .y = metric.mean[l],
                           .error = {},
                           .label = chosen ? std::to_string(l) : "",
                           .tip = layer_tip(scores, l),
                           .radius = {},
                           .chosen = chosen});
  }
  return draw(chart);
}

/// What quantising one layer alone costs, if it was measured.
std::optional<Panel> sensitivity_panel(const LayerScores& scores) {
  std::map<int, XySeries> by_width;
  std::vector<double> values;
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    for (const auto& [bits, kl] : scores.layers[l].sensitivity) {
      XySeries& series = by_width[bits];
      series.name = fmt::format("{} bits", bits);
      series.points.push_back(
          {.x = static_cast<double>(l), .y = kl, .error = {}, .label = "", .tip = layer_tip(scores, l), .radius = {}});
      values.push_back(kl);
    }
  }
  if (by_width.empty()) return std::nullopt;
  XyChart chart{.title = "Sensitivity",
                .x_label = "the one quantised layer",
                .y_label = "KL, nats per token",
                .x = layer_axis(scores.layers.size()),
                .y = fitting_axis(values),
                .series = {},
                .levels = {}};
  std::size_t next = 0;
  for (auto& [bits, series] : by_width) {
    series.kinds = colour_class(next);
    series.marker = marker_of(next++);
    series.radius = 2.5;
    series.named = true;
    chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

Table layer_table(const LayerScores& scores) {
  Table table{.title = "Layers, means over texts and lengths", .head = {"layer", "rank", "score"}, .rows = {}};
  const bool drop = has_drop(scores);
  if (drop) table.head.emplace_back("perplexity drop");
  table.head.insert(table.head.end(), {"compactness", "energy gain"});
  std::set<int> widths;
  for (const LayerScore& layer : scores.layers)
    for (const auto& [bits, kl] : layer.sensitivity) widths.insert(bits);
  for (const int bits : widths) table.head.push_back(fmt::format("KL at {} bits", bits));
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    const LayerScore& layer = scores.layers[l];
    auto& row = table.rows.emplace_back(std::vector<Cell>{l, static_cast<std::size_t>(layer.rank), layer.score});
    if (drop) row.push_back(layer.perplexity_drop ? Cell(*layer.perplexity_drop) : Cell("–"));
    row.insert(row.end(), {layer.compactness, layer.energy_gain});
    for (const int bits : widths)
      row.push_back(layer.sensitivity.contains(bits) ? Cell(layer.sensitivity.at(bits)) : Cell("–"));
  }
  return table;
}

Table cell_table(const LayerScores& scores) {
  Table table{.title = "Every text and length", .head = {"text", "tokens each", "layer"}, .rows = {}};
  const bool drop = has_drop(scores);
  if (drop) table.head.emplace_back("perplexity drop");
  table.head.insert(table.head.end(), {"compactness", "energy gain"});
  for (const CellScores& cell : scores.cells) {
    for (std::size_t l = 0; l < cell.compactness.size() && l < cell.energy_gain.size(); ++l) {
      auto& row = table.rows.emplace_back(std::vector<Cell>{model_label(cell.corpus), cell.bucket, l});
      if (drop) row.push_back(l < cell.perplexity_drop.size() ? Cell(cell.perplexity_drop[l]) : Cell("–"));
      row.insert(row.end(), {cell.compactness[l], cell.energy_gain[l]});
    }
  }
  return table;
}

std::string note_of(const LayerScores& scores) {
  const ScoreOptions& o = scores.options;
  return fmt::format(
      "Score {}: {} perplexity drop + {} compactness + {} energy gain, {} normalisation; {} random draws, seed {}, {}.",
      o.score, shown(o.alpha), shown(o.beta), shown(o.gamma), o.normalize, o.draws, o.seed, o.compute);
}

/// One pair of metrics, a dot a layer; larger dots: a larger perplexity drop.
Panel pair_panel(const LayerScores& scores, const Metric& across, const Metric& up, const std::vector<double>& radii,
                 const std::vector<std::size_t>& chosen) {
  XyChart chart{.title = up.name + " against " + across.name.substr(across.name.find(' ') + 1),
                .x_label = across.name,
                .y_label = up.name,
                .x = linear_axis(across.mean),
                .y = up.logarithmic ? log_axis(up.mean) : linear_axis(up.mean),
                .series = {},
                .levels = {}};
  XySeries rest{.name = "", .kinds = "mute", .line = "none", .points = {}}, best = rest;
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    const bool is_chosen = std::ranges::find(chosen, l) != chosen.end();
    (is_chosen ? best : rest)
        .points.push_back({.x = across.mean[l],
                           .y = up.mean[l],
                           .error = {},
                           .label = is_chosen ? std::to_string(l) : "",
                           .tip = layer_tip(scores, l),
                           .radius = radii[l],
                           .chosen = is_chosen});
  }
  chart.series = {std::move(rest), std::move(best)};
  return draw(chart);
}

/// 3 to 9 pixels by the logarithm of the perplexity drop; 4.5 where there is none.
std::vector<double> radii_of(const LayerScores& scores) {
  const auto size = [](const LayerScore& layer) {
    const double drop = layer.perplexity_drop.value_or(0);
    return drawable(drop) ? std::log1p(std::max(0.0, drop)) : 0.0;
  };
  double most = 0;
  for (const LayerScore& layer : scores.layers) most = std::max(most, size(layer));
  std::vector<double> radii;
  for (const LayerScore& layer : scores.layers) radii.push_back(most > 0 ? 3 + 6 * size(layer) / most : 4.5);
  return radii;
}

/// Spearman correlations as dots between -1 and 1, a row for each text and length.
std::optional<Panel> rho_panel(const LayerScores& scores) {
  std::vector<const CellScores*> cells;
  for (const CellScores& cell : scores.cells)
    if (cell.rho_compactness || cell.rho_energy_gain) cells.push_back(&cell);
  if (cells.empty()) return std::nullopt;
  constexpr double kWidth = 360, kLeft = 12, kRight = 348, kFirst = 62, kRow = 36;
  const auto x = [](double rho) { return kLeft + (kRight - kLeft) * (std::clamp(rho, -1.0, 1.0) + 1) / 2; };
  const double bottom = kFirst + kRow * static_cast<double>(cells.size());
  std::string body = svg_text({0, 14}, "metric", "start", "Spearman correlations");
  body += svg_text({0, 32}, "tick", "start", "of the perplexity drop with the others, over the layers");
  for (const double tick : {-1.0, -0.5, 0.0, 0.5, 1.0}) {
    body += svg_line(tick == 0 ? "zero" : "grid", {x(tick), kFirst - 18}, {x(tick), bottom});
    body += svg_text({x(tick), bottom + 17}, "tick", "middle", tick_label(tick));
  }
  body += svg_text({kWidth / 2, bottom + 35}, "tick", "middle", "ρ");
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const double y = kFirst + kRow * static_cast<double>(i);
    const std::string name = cell_name(*cells[i]);
    body += svg_text({kLeft, y}, "tick halo", "start", shortened(name, 44));
    const auto dot = [&](const std::optional<double>& rho, std::size_t look, const char* what) {
      if (rho && drawable(*rho))
        body += svg_mark(svg_marker(marker_of(look), "p " + colour_class(look), {x(*rho), y + 13}, 5),
                         fmt::format("{}\nρ(drop, {}) = {}", name, what, fixed(*rho, 2)));
    };
    dot(cells[i]->rho_compactness, 0, "compactness");
    dot(cells[i]->rho_energy_gain, 1, "energy gain");
  }
  const double legend = bottom + 52;
  body += svg_marker(marker_of(0), "p c0", {kLeft + 5, legend - 4}, 5) +
          svg_text({kLeft + 15, legend}, "tick", "start", "with compactness");
  body += svg_marker(marker_of(1), "p c1", {kLeft + 145, legend - 4}, 5) +
          svg_text({kLeft + 155, legend}, "tick", "start", "with energy gain");
  return Panel{kWidth, legend + 8, std::move(body),
               "Spearman correlations of the perplexity drop with the other metrics"};
}

Table rho_table(const LayerScores& scores) {
  Table table{.title = "Texts, and correlations over the layers",
              .head = {"text", "tokens each", "passages", "tokens", "perplexity", "ρ(drop, compactness)",
                       "ρ(drop, energy gain)"},
              .rows = {}};
  const auto optional = [](const std::optional<double>& value) { return value ? Cell(*value) : Cell("–"); };
  for (const CellScores& cell : scores.cells)
    table.rows.push_back({model_label(cell.corpus), cell.bucket, static_cast<std::size_t>(cell.passages),
                          static_cast<std::size_t>(cell.tokens), optional(cell.perplexity),
                          optional(cell.rho_compactness), optional(cell.rho_energy_gain)});
  return table;
}

}  // namespace

Figure depth_figure(const LayerScores& scores) {
  const std::string name = model_label(scores.model.name);
  Figure figure{
      .id = "depth",
      .menu = "Depth",
      .title = "How much each layer of " + name + " matters, by depth",
      .text =
          "A line for each text and length, the strong one their mean; the numbers name the four best layers by score.",
      .note = note_of(scores),
      .legend = {{LegendEntry::Kind::kLine, "ink bold", "mean"}},
      .panels = {},
      .narrow = {},
      .tables = {layer_table(scores), cell_table(scores)}};
  const std::vector<CellLook> looks = looks_of(scores);
  for (std::size_t c = 0; c < scores.cells.size(); ++c)
    figure.legend.push_back({looks[c].line == "thin" ? LegendEntry::Kind::kLine : LegendEntry::Kind::kDashed,
                             looks[c].kinds + " thin", cell_name(scores.cells[c])});
  figure.legend.push_back({LegendEntry::Kind::kMarker, "p hi", "ranks 1 to 4"});
  bool below = false;
  for (const Metric& metric : metrics_of(scores)) {
    figure.panels.push_back(depth_panel(scores, metric));
    const auto not_positive = [](double value) { return value <= 0; };
    below = below || (metric.logarithmic && (std::ranges::any_of(metric.mean, not_positive) ||
                                             std::ranges::any_of(metric.cells, [&](const auto* cell) {
                                               return std::ranges::any_of(*cell, not_positive);
                                             })));
  }
  if (below) figure.note += " Drops of zero or less lie on the lower edge.";
  if (auto panel = sensitivity_panel(scores)) figure.panels.push_back(std::move(*panel));
  return figure;
}

Figure taxonomy_figure(const LayerScores& scores, const std::vector<std::size_t>& chosen, const std::string& why) {
  const std::vector<Metric> metrics = metrics_of(scores);
  const std::vector<double> radii = radii_of(scores);
  Figure figure{
      .id = "taxonomy",
      .menu = "Kinds of layers",
      .title = "Kinds of layers of " + model_label(scores.model.name),
      .text =
          "A dot is a layer" + std::string(has_drop(scores) ? ", larger where leaving it out hurts more" : "") + ".",
      .note = "Means over texts and lengths.",
      .legend = {{LegendEntry::Kind::kMarker, "p hi", why}, {LegendEntry::Kind::kMarker, "p mute", "the others"}},
      .panels = {},
      .narrow = {},
      .tables = {rho_table(scores)}};
  const Metric &compactness = metrics[metrics.size() - 2], &energy = metrics.back();
  figure.panels.push_back(pair_panel(scores, compactness, energy, radii, chosen));
  if (metrics.size() > 2) {
    figure.panels.push_back(pair_panel(scores, compactness, metrics[0], radii, chosen));
    figure.panels.push_back(pair_panel(scores, energy, metrics[0], radii, chosen));
  }
  if (auto panel = rho_panel(scores)) figure.panels.push_back(std::move(*panel));
  return figure;
}

std::vector<Figure> diagnosis_figures(const Subject& subject) {
  std::vector<Figure> figures;
  for (std::size_t i = 0; i < subject.scores.size(); ++i) {
    const LayerScores& scores = *subject.scores[i].second;
    std::vector<std::size_t> chosen = best_layers(scores);
    std::string plan_name = "ranks 1 to 4";
    for (const auto& [name, plan] : subject.plans) {
      const auto bits = [](const LayerPlan& layer) { return layer.bits; };
      const int least = std::ranges::min(plan->layers, {}, bits).bits,
                most = std::ranges::max(plan->layers, {}, bits).bits;
      if (least == most || plan->layers.size() != scores.layers.size()) continue;
      if (!subject.scores[i].first.empty() && subject.scores[i].first != name) continue;  // that one's own plan
      chosen.clear();
      plan_name = fmt::format("more bits in {}", name.empty() ? "the plan" : name);
      for (std::size_t l = 0; l < plan->layers.size(); ++l)
        if (plan->layers[l].bits > least) chosen.push_back(l);
      break;
    }
    const std::string suffix = i == 0 ? "" : fmt::format("-{}", i + 1);
    for (Figure figure : {depth_figure(scores), taxonomy_figure(scores, chosen, plan_name)}) {
      figure.id += suffix;
      if (i > 0) figure.menu += fmt::format(" {}", i + 1);
      if (subject.scores.size() > 1 && !subject.scores[i].first.empty())
        figure.title += ", as measured for " + subject.scores[i].first;
      figures.push_back(std::move(figure));
    }
  }
  return figures;
}

}  // namespace lieq::report
