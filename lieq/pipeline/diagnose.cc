#include "lieq/pipeline/diagnose.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "lieq/diagnose/passages.h"
#include "lieq/diagnose/score.h"
#include "lieq/hub/data_sets.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/kl_shares.h"
#include "lieq/pipeline/sources.h"
#include "lieq/quantize/sensitivity.h"

namespace lieq::pipeline {
namespace {

/// What sensitivity is measured with: every width costs about half a pass of the model over the scored windows for each
/// layer.
constexpr std::size_t kSensitivityWindows = 32, kSensitivityWindow = 512, kScoredWindows = 4;

/// Passages of the corpora, no longer than the model can read.
Result<std::vector<diagnose::Cell>> passages_of(const std::vector<diagnose::Corpus>& corpora,
                                                const eval::Bundle& bundle, std::size_t per_bucket, Threads& threads,
                                                Sink& sink) {
  diagnose::CutOptions cut;
  cut.per_bucket = per_bucket;
  cut.longest = std::min(cut.longest, bundle.model.config.max_position_embeddings);
  return diagnose::cut_passages(corpora, bundle.tokenizer, cut, threads, sink);
}

/// How layers are quantised to be measured: as quantize does by default, with little care.
quantize::Options trial_fit(std::size_t group_size) {
  quantize::Options recipe;
  recipe.grid = quantize::Grid::kSkew;
  recipe.group_size = group_size;
  return draft_of(recipe);
}

/// diagnose::diagnose; its stages are told of before if they take long.
Result<LayerScores> measure(const eval::Bundle& bundle, const std::string& name,
                            const std::vector<diagnose::Cell>& cells, const diagnose::DiagnoseOptions& options,
                            Threads& threads, Sink& sink) {
  std::size_t tokens = 0;
  for (const diagnose::Cell& cell : cells)
    for (const auto& passage : cell.passages) tokens += passage.size();
  const diagnose::GeometryLoad load = diagnose::geometry_load(cells, options.score);
  tell("the geometry", geometry_size(bundle.model, load, threads.count()), threads, sink);
  if (options.perplexity_drop || options.score.alpha > 0)
    tell("the perplexity drop", drop_size(bundle.model, tokens, options.memory), threads, sink);
  return diagnose::diagnose(bundle.model, name, cells, options, threads, sink);
}

/// Every corpus to be diagnosed on: one for each file, none without --text.
Result<std::vector<diagnose::Corpus>> read_corpora(const DiagnoseOptions& options, Sink& sink) {
  if (options.texts.empty()) return {};
  if (options.fields.size() != 1 && options.fields.size() != options.texts.size())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--field: found {} names, expected one, or one for each of the {} texts",
                            options.fields.size(), options.texts.size()));
  std::vector<diagnose::Corpus> corpora;
  for (std::size_t i = 0; i < options.texts.size(); ++i) {
    const std::string& field = options.fields[options.fields.size() == 1 ? 0 : i];
    LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options.texts[i], sink));
    LIEQ_ASSIGN(diagnose::Corpus corpus, diagnose::read_corpus(file, sink, field));
    corpora.push_back(std::move(corpus));
  }
  return corpora;
}

/// What is read and checked before a model is.
struct Request {
  diagnose::DiagnoseOptions diagnosis;
  std::vector<diagnose::Corpus> corpora;
};

Result<Request> request_of(const DiagnoseOptions& options, Sink& sink) {
  Request request{options.diagnosis, {}};
  if (!options.running.empty() && options.widths.empty())
    return fail(ErrorCode::kInvalidArgument, "running: found a model, expected widths to measure in it as well");
  LIEQ_TRY(diagnose::set_weights(request.diagnosis.score, options.alpha, options.beta, options.gamma));
  LIEQ_ASSIGN(request.corpora, read_corpora(options, sink));
  return request;
}

Result<LayerScores> answer(const DiagnoseOptions& options, Request request, const eval::Bundle& bundle,
                           Threads& threads, Sink& sink) {
  std::vector<diagnose::Corpus>& corpora = request.corpora;
  SensitivityRequest sensitivity{options.widths, options.group_size};
  std::optional<eval::Bundle> running;
  if (!options.running.empty()) {
    LIEQ_ASSIGN(running, load_bundle(options.running, threads, sink));
    LIEQ_TRY(quantize::check_running(bundle.model, running->model));
    sensitivity.running = &running->model;
    sensitivity.running_name = options.running;
  }
  Calibration calibration;
  if (corpora.empty() || !options.widths.empty() || options.kl_share_bits) {
    LIEQ_ASSIGN(calibration, calibrate(bundle, options.calibration, threads, sink));
  }
  if (corpora.empty()) corpora.push_back(corpus_of(calibration, bundle.tokenizer));
  LIEQ_ASSIGN(const auto cells, passages_of(corpora, bundle, request.diagnosis.score.per_bucket, threads, sink));
  LIEQ_ASSIGN(LayerScores scores, measure(bundle, options.model, cells, request.diagnosis, threads, sink));
  if (!options.widths.empty())
    LIEQ_TRY(add_sensitivities(sensitivity, bundle, options.calibration, calibration, threads, sink, scores));
  if (options.kl_share_bits)
    LIEQ_TRY(add_kl_shares(bundle, calibration, trial_fit(options.group_size), *options.kl_share_bits, threads, sink,
                           scores));
  LIEQ_TRY(bundle.model.files.unchanged());
  return scores;
}

}  // namespace

Result<LayerScores> diagnose_calibration(const eval::Bundle& bundle, const std::string& name,
                                         const Calibration& calibration, const diagnose::DiagnoseOptions& options,
                                         Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const auto cells,
              passages_of({corpus_of(calibration, bundle.tokenizer)}, bundle, options.score.per_bucket, threads, sink));
  return measure(bundle, name, cells, options, threads, sink);
}

Result<LayerScores> diagnose(const DiagnoseOptions& options, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(Request request, request_of(options, sink));
  LIEQ_ASSIGN(const eval::Bundle bundle, load_bundle(options.model, threads, sink));
  return answer(options, std::move(request), bundle, threads, sink);
}

Result<LayerScores> diagnose(const DiagnoseOptions& options, const eval::Bundle& bundle, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(Request request, request_of(options, sink));
  return answer(options, std::move(request), bundle, threads, sink);
}

Result<void> add_sensitivities(const SensitivityRequest& request, const eval::Bundle& bundle,
                               const CalibrationOptions& asked, const Calibration& calibration, Threads& threads,
                               Sink& sink, LayerScores& scores) {
  // Long windows are cut, as text goes on across the cut.
  const bool cuts = asked.window == 0 && calibration.window % kSensitivityWindow == 0;
  const std::size_t window = cuts ? kSensitivityWindow : calibration.window;
  const auto first = [&](const std::vector<text::TokenId>& ids, std::size_t windows) {
    return std::span(ids).first(std::min(ids.size(), windows * window));
  };
  const auto fit_ids = first(calibration.ids, asked.windows == 0 ? kSensitivityWindows : calibration.ids.size());
  const auto ids = first(calibration.held_out, kScoredWindows);
  const quantize::Options fit = trial_fit(request.group_size);
  LIEQ_ASSIGN(auto measured, quantize::measure_sensitivity(bundle.model, request.running, fit_ids, ids, window,
                                                           request.widths, fit, threads, sink));
  for (std::size_t l = 0; l < measured.size(); ++l) scores.layers[l].sensitivity = std::move(measured[l]);
  std::vector<text::TokenId> all(fit_ids.begin(), fit_ids.end());
  all.insert(all.end(), ids.begin(), ids.end());
  scores.sensitivity = SensitivityOptions{.text = calibration.source,
                                          .text_hash = hash_of(all),
                                          .window = window,
                                          .fit_tokens = fit_ids.size(),
                                          .tokens = ids.size(),
                                          .method = std::string(quantize::name(fit.method)),
                                          .grid = std::string(quantize::name(fit.grid)),
                                          .group_size = fit.group_size,
                                          .sweeps = fit.sweeps,
                                          .running = request.running_name};
  return {};
}

}  // namespace lieq::pipeline
