#include "lieq/diagnose/score.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/diagnose/statistics.h"

namespace lieq::diagnose {
namespace {

constexpr double kWeightSlack = 1e-6;      // "0.333333" three times is meant to be 1
constexpr double kWeakCorrelation = 0.5;
constexpr double kSwallowed = 0.1;         // second-highest min-max value below this: one layer takes all

Unexpected invalid(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

/// One of the three metrics over the layers.
struct Metric {
  std::string_view name;
  double weight = 0;
  std::vector<double> values;      ///< empty when it was not measured
  std::vector<double> normalised;
};

/// Plain mean over the cells; empty when a cell lacks it.
std::vector<double> mean_over_cells(const LayerScores& scores, std::vector<double> CellScores::* metric) {
  std::vector<double> mean(scores.layers.size(), 0.0);
  for (const CellScores& cell : scores.cells) {
    if ((cell.*metric).empty()) return {};
    for (std::size_t l = 0; l < mean.size(); ++l)
      mean[l] += (cell.*metric)[l] / static_cast<double>(scores.cells.size());
  }
  return mean;
}

std::vector<double> normalise_metric(const Metric& metric, const std::string& how, bool is_perplexity) {
  if (how == "sum") return normalise(metric.values, Normalize::kSum);
  if (how == "zscore") return normalise(metric.values, Normalize::kZScore);
  if (how == "rank") return normalise(metric.values, Normalize::kRank);
  std::vector<double> values = metric.values;
  if (how == "log" && is_perplexity)
    for (double& v : values) v = std::copysign(std::log1p(std::abs(v)), v);
  return normalise(values, Normalize::kMinMax);
}

void warn_if_swallowed(const Metric& metric, const std::string& how, std::vector<std::string>& warnings) {
  if (metric.weight == 0 || metric.values.size() < 3 || (how != "minmax" && how != "sum")) return;
  const std::vector<double> scaled = normalise(metric.values, Normalize::kMinMax);
  std::vector<std::size_t> order(scaled.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t l) { return scaled[l]; });
  if (scaled[order[0]] == 0 || scaled[order[1]] >= kSwallowed) return;
  warnings.push_back(
      fmt::format("{}: layer {} ({:.4g}) dwarfs the next (layer {}, {:.4g}): after {} normalisation this metric hardly "
                  "tells the other layers apart; --normalize log or rank keeps its information",
                  metric.name, order[0], metric.values[order[0]], order[1], metric.values[order[1]], how));
}

void warn_of_disagreement(std::span<const Metric> metrics, std::vector<std::string>& warnings) {
  for (std::size_t a = 0; a < metrics.size(); ++a) {
    for (std::size_t b = a + 1; b < metrics.size(); ++b) {
      if (metrics[a].values.empty() || metrics[b].values.empty()) continue;
      const auto rho = spearman(metrics[a].values, metrics[b].values);
      if (!rho || *rho >= kWeakCorrelation) continue;
      warnings.push_back(
          fmt::format("{} and {} disagree on this model (Spearman {:.2f}): below its first layers the ranking is weak "
                      "evidence; compare it with a measured one",
                      metrics[a].name, metrics[b].name, *rho));
    }
  }
}

}  // namespace

void rank_by_score(std::vector<LayerScore>& layers) {
  std::vector<std::size_t> order(layers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t l) { return layers[l].score; });
  for (std::size_t r = 0; r < order.size(); ++r) layers[order[r]].rank = r + 1;
}

Result<void> set_weights(ScoreOptions& options, std::optional<double> alpha, std::optional<double> beta,
                         std::optional<double> gamma) {
  const bool lieq = options.score == "lieq";
  options.alpha = alpha.value_or(lieq ? 1.0 / 3 : 0);
  options.beta = beta.value_or(lieq ? 1.0 / 3 : 0.5);
  options.gamma = gamma.value_or(lieq ? 1.0 / 3 : 0.5);
  return check_options(options);
}

Result<void> check_options(const ScoreOptions& options) {
  if (!is_one_of(options.score, {"geometry", "lieq"}))
    return invalid(fmt::format("score: found '{}', expected geometry or lieq", options.score));
  if (!is_one_of(options.normalize, {"minmax", "sum", "zscore", "rank", "log"}))
    return invalid(fmt::format("normalize: found '{}', expected minmax, sum, zscore, rank or log", options.normalize));
  if (!is_one_of(options.geometry_input, {"normed", "residual"}))
    return invalid(fmt::format("geometry input: found '{}', expected normed or residual", options.geometry_input));
  if (!is_one_of(options.compute, {"fp32", "bf16"}))
    return invalid(fmt::format("compute: found '{}', expected fp32 or bf16", options.compute));
  const double sum = options.alpha + options.beta + options.gamma;
  if (!(options.alpha >= 0 && options.beta >= 0 && options.gamma >= 0 && std::abs(sum - 1) <= kWeightSlack))
    return invalid(fmt::format(
        "alpha + beta + gamma: found {:.6g} + {:.6g} + {:.6g}, expected weights of at least 0 that sum to 1",
        options.alpha, options.beta, options.gamma));
  if (options.score == "geometry" && options.alpha != 0)
    return invalid(fmt::format(
        "alpha: found {:.6g}, expected 0 with the geometry score, which uses no perplexity drop (lieq does)",
        options.alpha));
  for (const auto& [name, value] : {std::pair{"top-k", options.top_k},
                                    {"draws", options.draws},
                                    {"passages", options.passages},
                                    {"per-bucket", options.per_bucket}}) {
    if (value == 0) return invalid(fmt::format("{}: found 0, expected at least 1", name));
  }
  return {};
}

void score_layers(LayerScores& scores) {
  LIEQ_CHECK(!scores.cells.empty());
  const ScoreOptions& options = scores.options;
  std::array<Metric, 3> metrics = {
      Metric{"perplexity drop", options.alpha, mean_over_cells(scores, &CellScores::perplexity_drop), {}},
      Metric{"compactness", options.beta, mean_over_cells(scores, &CellScores::compactness), {}},
      Metric{"energy gain", options.gamma, mean_over_cells(scores, &CellScores::energy_gain), {}}};
  LIEQ_CHECK(options.alpha == 0 || !metrics[0].values.empty());
  scores.warnings.clear();
  for (Metric& metric : metrics) {
    metric.normalised = normalise_metric(metric, options.normalize, &metric == &metrics[0]);
    // "log" has changed the perplexity drop already; the other two are still min-max there.
    const bool changed = options.normalize == "log" && &metric == &metrics[0];
    if (!changed) warn_if_swallowed(metric, options.normalize == "log" ? "minmax" : options.normalize, scores.warnings);
  }
  warn_of_disagreement(metrics, scores.warnings);

  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    LayerScore& layer = scores.layers[l];
    layer.perplexity_drop = layer.perplexity_drop_normalised = std::nullopt;
    if (!metrics[0].values.empty()) {
      layer.perplexity_drop = metrics[0].values[l];
      layer.perplexity_drop_normalised = metrics[0].normalised[l];
    }
    layer.compactness = metrics[1].values[l];
    layer.energy_gain = metrics[2].values[l];
    layer.compactness_normalised = metrics[1].normalised[l];
    layer.energy_gain_normalised = metrics[2].normalised[l];
    layer.score = 0;
    for (const Metric& metric : metrics)
      if (metric.weight > 0) layer.score += metric.weight * metric.normalised[l];
  }
  rank_by_score(scores.layers);
  for (CellScores& cell : scores.cells) {
    cell.rho_compactness = cell.rho_energy_gain = std::nullopt;
    if (cell.perplexity_drop.empty()) continue;
    cell.rho_compactness = spearman(cell.perplexity_drop, cell.compactness);
    cell.rho_energy_gain = spearman(cell.perplexity_drop, cell.energy_gain);
  }
}

}  // namespace lieq::diagnose
