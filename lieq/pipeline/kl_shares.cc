#include "lieq/pipeline/kl_shares.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/base/version.h"
#include "lieq/diagnose/score.h"
#include "lieq/io/atomic_file.h"
#include "lieq/model/fingerprint.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/plan.h"
#include "lieq/quantize/run.h"
#include "lieq/tune/attribution.h"
#include "lieq/tune/check.h"

namespace lieq::pipeline {
namespace {

constexpr std::size_t kFitTokens = 16384, kTokens = 4096, kLength = 512;
constexpr int kSharesVersion = 2;  // to be raised where anything changes what shares come out: old ones lie in caches

/// The model with quantised layers, on the first `tokens` of the calibration text.
Result<model::Model> draft_model(const model::Model& model, std::span<const text::TokenId> ids, std::size_t window,
                                 const quantize::Options& draft, unsigned bits, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(auto walk, quantize::LayerWalk::create(model, ids, window, draft, threads, sink));
  model::Model made = model;
  for (std::size_t l = 0; l < model.layers.size(); ++l) {
    LIEQ_TRY(check_cancelled(sink));
    sink.progress("draft: quantising layers", l, model.layers.size());
    LIEQ_ASSIGN(const quantize::QuantizedLayer layer, walk.quantize(l, bits));
    made.layers[l] = quantize::PackedLayer(threads, model.layers[l], layer).layer();
  }
  sink.progress("draft: quantising layers", model.layers.size(), model.layers.size());
  return made;
}

/// Where scores are kept: the name says all that decides them.
std::filesystem::path cached_file(const eval::Bundle& bundle, const Calibration& calibration,
                                  const quantize::Options& draft, unsigned bits, const std::filesystem::path& cache,
                                  Threads& threads) {
  if (cache.empty() || threads.ranks().size() > 1) return {};
  const Json decides = {{"lieq", {kVersion, kSharesVersion}},
                        {"model", bundle.fingerprint(threads)},
                        {"text", hash_of(calibration.ids)},
                        {"window", calibration.window},
                        {"draft", to_json(draft)},
                        {"bits", bits}};
  const std::string text = decides.dump();
  return cache / fmt::format("kl-shares-{}.json", model::fingerprint(text.data(), text.size()));
}

std::optional<LayerScores> read_cached(const std::filesystem::path& file, const ModelFacts& model) {
  std::error_code ignored;
  if (file.empty() || !std::filesystem::exists(file, ignored)) return std::nullopt;
  const auto json = read_json(file);
  if (!json) return std::nullopt;
  auto scores = layer_scores_from_json(*json, file.string());
  if (!scores || !check_same_model(scores->model, model, file.string()) || !scores->kl_shares) return std::nullopt;
  return std::move(scores).value();
}

}  // namespace

quantize::Options draft_of(const quantize::Options& recipe) {
  quantize::Options draft = recipe;
  draft.sweeps = std::min<std::size_t>(recipe.sweeps, 1);
  draft.compare_grid.reset();
  draft.inner_gains = false;  // would show as rounding
  draft.on_singular = quantize::OnSingular::kRtn;
  if (draft.method == quantize::Method::kAwq || draft.method == quantize::Method::kOmniQuant)
    draft.method = quantize::Method::kGptq;  // scales would show as rounding too, and learning takes long
  return draft;
}

Result<void> add_kl_shares(const eval::Bundle& bundle, const Calibration& calibration, const quantize::Options& draft,
                           unsigned bits, Threads& threads, Sink& sink, LayerScores& scores) {
  const model::Model& model = bundle.model;
  LIEQ_TRY(tune::check_tunable(model));
  const std::span<const text::TokenId> all(calibration.ids);
  const std::size_t window = calibration.window;
  // On text that the draft was fitted to, KL is a fraction of what it is elsewhere, and its shares are others.
  const std::size_t windows = all.size() / window, apart = windows == 1 ? 0 : std::max<std::size_t>(1, windows / 5);
  const std::size_t fitted = std::min(std::max<std::size_t>(1, kFitTokens / window), windows - apart) * window;
  const auto judged = apart == 0 ? all : all.subspan(fitted, std::min(kTokens, all.size() - fitted));
  const SharesSize size{.fitted = fitted,
                        .window = window,
                        .judged = judged.size(),
                        .length = std::min(kLength, window),
                        .threads = threads.count()};
  tell("sharing out KL", shares_size(model, draft, bits, size), threads, sink);
  LIEQ_ASSIGN(const model::Model quantised, draft_model(model, all.first(fitted), window, draft, bits, threads, sink));
  LIEQ_ASSIGN(const tune::Attribution found, tune::attribute_kl(model, quantised, judged, size.length, threads, sink));
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (const model::LinearModule& module : linear_modules(model.config)) {
      LinearShare& share = scores.layers[l].linears[name_in_layer(module)];
      share = {};
      for (const model::LinearKind kind : module.linears) {
        const pack::StoredMatrix& weight = model.layers[l].linear(kind).weight;
        share.weights += weight.rows * weight.cols;
        share.kl_share += found.shares[l][static_cast<std::size_t>(kind)];
        share.kl_share_error = std::hypot(share.kl_share_error, found.errors[l][static_cast<std::size_t>(kind)]);
      }
    }
  std::vector<text::TokenId> seen(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(fitted));
  seen.insert(seen.end(), judged.begin(), judged.end());
  scores.kl_shares = KlShareOptions{.text = calibration.source,
                                    .text_hash = hash_of(seen),
                                    .fit_tokens = fitted,
                                    .tokens = judged.size(),
                                    .method = std::string(quantize::name(draft.method)),
                                    .grid = std::string(quantize::name(draft.grid)),
                                    .bits = bits,
                                    .group_size = draft.group_size,
                                    .sweeps = draft.sweeps,
                                    .kl = found.kl};
  return {};
}

Result<LayerScores> score_by_kl_shares(const eval::Bundle& bundle, const std::string& name,
                                       const Calibration& calibration, const quantize::Options& draft, unsigned bits,
                                       const std::filesystem::path& cache, Threads& threads, Sink& sink) {
  LayerScores scores = sizes_of(bundle.model, name);
  const std::filesystem::path file = cached_file(bundle, calibration, draft, bits, cache, threads);
  if (std::optional<LayerScores> kept = read_cached(file, scores.model)) {
    sink.note("shares of KL as measured before (" + file.string() + ")");
    kept->model.name = name;
    kept->kl_shares->text = calibration.source;
    return std::move(*kept);
  }
  LIEQ_TRY(add_kl_shares(bundle, calibration, draft, bits, threads, sink, scores));
  scores.options.score = "kl-share";
  for (LayerScore& layer : scores.layers) layer.score = layer.kl_share() / static_cast<double>(layer.weights);
  diagnose::rank_by_score(scores.layers);
  if (!file.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(cache, ignored);
    (void)io::write_json(file, to_json(scores));  // what cannot be kept costs time, nothing else
  }
  return scores;
}

}  // namespace lieq::pipeline
