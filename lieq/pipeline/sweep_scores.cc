#include "lieq/pipeline/sweep_scores.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/diagnose/score.h"
#include "lieq/pipeline/diagnose.h"
#include "lieq/pipeline/plan.h"

namespace lieq::pipeline {
namespace {

using allocate::Criterion;

bool has_drop(const LayerScores& scores) { return scores.layers.front().perplexity_drop.has_value(); }

bool has_widths(const LayerScores& scores, const std::vector<int>& widths, std::size_t group_size) {
  return scores.sensitivity && scores.sensitivity->group_size == group_size &&
         std::ranges::all_of(widths, [&](int bits) { return scores.layers.front().sensitivity.contains(bits); });
}

Result<std::optional<LayerScores>> kept_scores(const SweepFolder& folder) {
  LIEQ_ASSIGN(const auto found, folder.find("scores"));
  if (!found) return std::optional<LayerScores>();
  LIEQ_ASSIGN(LayerScores scores, layer_scores_from_json(*found, (folder.path() / "scores.json").string()));
  return std::optional<LayerScores>(std::move(scores));
}

Result<LayerScores> measure(const SweepOptions& options, const std::vector<Criterion>& criteria, const LayersJob& job,
                            const SweepFolder& folder, Threads& threads, Sink& sink) {
  const bool drop = std::ranges::any_of(criteria, &Criterion::needs_perplexity_drop);
  const bool sensitivity = std::ranges::any_of(criteria, &Criterion::needs_sensitivity);
  const auto [low, high] = std::ranges::minmax(options.choices);
  LIEQ_ASSIGN(auto scores, kept_scores(folder));
  if (!scores || (drop && !has_drop(*scores))) {
    diagnose::DiagnoseOptions diagnosis;
    diagnosis.score.per_bucket = options.per_bucket;
    diagnosis.score.normalize = options.normalize;
    diagnosis.perplexity_drop = drop;
    LIEQ_TRY(diagnose::set_weights(diagnosis.score, std::nullopt, std::nullopt, std::nullopt));
    LIEQ_ASSIGN(LayerScores fresh,
                diagnose_calibration(*job.bundle, job.source, *job.calibration, diagnosis, threads, sink));
    for (std::size_t l = 0; scores && l < fresh.layers.size(); ++l)
      fresh.layers[l].sensitivity = scores->layers[l].sensitivity;
    if (scores) fresh.sensitivity = scores->sensitivity;
    scores = std::move(fresh);
    LIEQ_TRY(folder.keep("scores", to_json(*scores)));
  }
  if (sensitivity && !has_widths(*scores, {low, high}, job.options.group_size)) {
    // All that were measured before again: one record says how all of them were.
    SensitivityRequest request{{low, high}, job.options.group_size};
    for (const auto& [bits, kl] : scores->layers.front().sensitivity)
      if (!std::ranges::count(request.widths, bits)) request.widths.push_back(bits);
    std::erase(request.widths, 16);
    LIEQ_TRY(add_sensitivities(request, *job.bundle, options.calibration, *job.calibration, threads, sink, *scores));
    LIEQ_TRY(folder.keep("scores", to_json(*scores)));
  }
  return std::move(*scores);
}

/// The same measurements under another score.
Result<LayerScores> rescore(LayerScores scores, const std::string& score) {
  scores.options.score = score;
  LIEQ_TRY(diagnose::set_weights(scores.options, std::nullopt, std::nullopt, std::nullopt));
  diagnose::score_layers(scores);
  return scores;
}

}  // namespace

Result<SweepScores> sweep_scores(const SweepOptions& options, const std::vector<Criterion>& criteria, bool compete,
                                 const LayersJob& job, const SweepFolder& folder, Threads& threads, Sink& sink) {
  SweepScores result;
  LayerScores& measured = result.scores["sizes"] = sizes_of(job.bundle->model, job.source);
  compete = compete && std::ranges::any_of(criteria, &Criterion::needs_diagnosis);
  if (compete) {
    LIEQ_ASSIGN(measured, measure(options, criteria, job, folder, threads, sink));
  }
  for (const Criterion& criterion : criteria) {
    const LayerScores* scores = &measured;
    if (compete && !criterion.score.empty()) {
      LIEQ_ASSIGN(result.scores[criterion.score], rescore(measured, criterion.score));
      scores = &result.scores[criterion.score];
    }
    result.ranked.push_back({criterion, scores});
  }
  return Result<SweepScores>(std::move(result));
}

}  // namespace lieq::pipeline
