#include "lieq/pipeline/prune.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "lieq/base/layer_scores.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/diagnose/perplexity_drop.h"
#include "lieq/eval/perplexity.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/calibration_sources.h"
#include "lieq/pipeline/sources.h"
#include "lieq/pipeline/verdict.h"
#include "lieq/save/compare.h"
#include "lieq/save/pruned_folder.h"
#include "lieq/save/temporary_path.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChoosingTokens = 4096, kChoosingWindow = 1024;

Result<void> check_options(const PruneOptions& options) {
  if (options.drop.has_value() == options.keep_perplexity.has_value())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("what goes: found {}, expected one of --drop and --keep-ppl",
                            options.drop ? "a number of layers and a perplexity" : "nothing"));
  if (options.drop && *options.drop == 0)
    return fail(ErrorCode::kInvalidArgument, "layers to drop: found 0, expected at least 1");
  std::error_code ignored;
  if (fs::exists(options.output, ignored))
    return fail(ErrorCode::kInvalidArgument, options.output + ": exists already, expected a new folder");
  return io::prepare_output(options.output);
}

/// Windows of one length, one after the other.
struct Windows {
  std::vector<text::TokenId> ids;
  std::size_t window = 0;

  [[nodiscard]] std::size_t predicted() const { return ids.size() / window * (window - 1); }
  [[nodiscard]] std::vector<std::vector<text::TokenId>> passages() const {
    std::vector<std::vector<text::TokenId>> all;
    for (auto at = ids.begin(); ids.end() - at >= static_cast<std::ptrdiff_t>(window);
         at += static_cast<std::ptrdiff_t>(window))
      all.emplace_back(at, at + static_cast<std::ptrdiff_t>(window));
    return all;
  }
};

/// As many windows as are chosen on, spread over all texts, unless a number was asked for.
Result<CalibrationOptions> choosing_options(const CalibrationOptions& asked, std::size_t limit) {
  CalibrationOptions options = asked;
  LIEQ_ASSIGN(const std::vector<std::string> sources, texts_in(asked.source));
  if (options.window == 0) options.window = std::min(kChoosingWindow, limit);
  if (options.windows == 0) options.windows = std::max(sources.size(), kChoosingTokens / options.window);
  return options;
}

/// The state of the search: which layers are left.
class Pruner {
 public:
  Pruner(const PruneOptions& options, const model::Model& model, Windows choosing, HeldOut held,
         std::optional<LayerScores> scores, Threads& threads, Sink& sink)
      : options_(options),
        model_(model),
        choosing_(std::move(choosing)),
        held_(std::move(held)),
        scores_(std::move(scores)),
        threads_(threads),
        sink_(sink),
        kept_(model.layers.size()) {
    std::iota(kept_.begin(), kept_.end(), std::size_t{0});
  }

  Result<void> run(PruneRecord& record) {
    LIEQ_ASSIGN(record.choosing_perplexity, perplexity(model_, choosing_.ids, choosing_.window));
    LIEQ_ASSIGN(record.perplexity, perplexity(model_, held_.ids, held_.window));
    const double limit = options_.keep_perplexity.value_or(INFINITY);
    if (record.perplexity > limit)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("perplexity to keep: found {}, expected at least the whole model's {:.4f} on {}", limit,
                              record.perplexity, held_.name));
    const std::size_t most = options_.drop.value_or(model_.layers.size() - 1);
    while (record.removals.size() < most) {
      LIEQ_TRY(check_cancelled(sink_));
      LIEQ_ASSIGN(const Removal removal, choose());
      if (!(removal.perplexity <= limit)) {
        if (!record.removals.empty()) break;
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("perplexity to keep: found {}, expected at least {:.4f}, that on {} without layer {}, "
                                "which costs least",
                                limit, removal.perplexity, held_.name, removal.layer));
      }
      std::erase(kept_, removal.layer);
      record.removals.push_back(removal);
      sink_.note(fmt::format("without layer {}: perplexity {:.4f} on {}, {} layers left", removal.layer,
                             removal.perplexity, held_.name, kept_.size()));
    }
    record.kept = kept_;
    return {};
  }

 private:
  Result<double> perplexity(const model::Model& model, const std::vector<text::TokenId>& ids, std::size_t window) {
    const model::Model* const models[] = {&model};
    LIEQ_ASSIGN(const auto scores, eval::score_windows(models, ids, window, threads_, kernels::Compute::kF32, sink_));
    EvalRecord record;
    eval::summarise(scores[0], record);
    return record.perplexity;
  }

  [[nodiscard]] std::vector<std::size_t> without(std::size_t layer) const {
    std::vector<std::size_t> rest = kept_;
    std::erase(rest, layer);
    return rest;
  }

  /// Those of the layers left that may go next.
  [[nodiscard]] std::vector<std::size_t> candidates() const {
    std::vector<std::size_t> some = kept_;
    if (!scores_) return some;
    std::ranges::stable_sort(some, {}, [&](std::size_t l) { return scores_->layers[l].score; });
    some.resize(std::min(some.size(), kPruneCandidates));
    return some;
  }

  /// Perplexity of the choosing text without each of `layers`, which are those of candidates().
  Result<std::vector<double>> measure(const std::vector<std::size_t>& layers) {
    std::vector<double> perplexities;
    if (scores_) {
      for (const std::size_t l : layers) {
        const model::Model rest = save::keep_layers(model_, without(l));
        LIEQ_ASSIGN(const double one, perplexity(rest, choosing_.ids, choosing_.window));
        perplexities.push_back(one);
      }
      return perplexities;
    }
    const model::Model left = save::keep_layers(model_, kept_);
    LIEQ_ASSIGN(const auto nll,
                diagnose::removal_nll(left, choosing_.passages(), {.memory = options_.memory}, threads_, sink_));
    for (const std::vector<double>& sums : nll.without)
      perplexities.push_back(
          std::exp(std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(choosing_.predicted())));
    return perplexities;
  }

  Result<Removal> choose() {
    const std::vector<std::size_t> layers = candidates();
    LIEQ_ASSIGN(const std::vector<double> perplexities, measure(layers));
    const auto best = static_cast<std::size_t>(std::ranges::min_element(perplexities) - perplexities.begin());
    Removal removal;
    removal.layer = layers[best];
    removal.choosing_perplexity = perplexities[best];
    if (scores_) removal.score = scores_->layers[removal.layer].score;
    const model::Model rest = save::keep_layers(model_, without(removal.layer));
    LIEQ_ASSIGN(removal.perplexity, perplexity(rest, held_.ids, held_.window));
    return removal;
  }

  const PruneOptions& options_;
  const model::Model& model_;
  Windows choosing_;
  HeldOut held_;
  std::optional<LayerScores> scores_;
  Threads& threads_;
  Sink& sink_;
  std::vector<std::size_t> kept_;
};

Result<std::optional<LayerScores>> read_scores(const PruneOptions& options, const model::Model& model) {
  if (options.scores_file.empty()) return std::optional<LayerScores>();
  LIEQ_ASSIGN(const Json json, read_json(options.scores_file));
  LIEQ_ASSIGN(LayerScores scores, layer_scores_from_json(json, options.scores_file));
  LIEQ_TRY(check_same_model(scores.model, diagnose::facts_of(model, options.model), options.scores_file));
  return std::optional(std::move(scores));
}

/// What was written must be what was measured; blocks of a GGUF file are rounded once, to half precision.
Result<void> check_written(const model::Model& model, const PruneRecord& record, const fs::path& path, Threads& threads,
                           Sink& sink) {
  LIEQ_ASSIGN(const model::Model written, model::Model::load(path, threads, sink, model::LoadOptions::as_stored()));
  LIEQ_ASSIGN(const auto differences, save::compare_models(save::keep_layers(model, record.kept), written, threads));
  if (model.format == "GGUF" || differences.empty()) return {};
  return fail(ErrorCode::kInvalidFormat,
              fmt::format("{}: tensor '{}': read back with other weights than were written, expected the source's",
                          path.string(), differences.front().name));
}

Result<void> write_at(const fs::path& path, const model::Model& model, PruneRecord& record, Threads& threads,
                      Sink& sink) {
  LIEQ_TRY(save::write_pruned_folder(model, record.kept, path, threads));
  LIEQ_TRY(check_written(model, record, path, threads, sink));
  LIEQ_TRY(io::write_json(path / "lieq.json", {{"pruned", to_json(record)}}));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) record.bytes += entry.file_size(error);
  return {};
}

Result<void> write(const model::Model& model, PruneRecord& record, Threads& threads, Sink& sink) {
  save::TemporaryPath temporary(record.output);
  LIEQ_TRY(temporary.make_folder());
  LIEQ_TRY(temporary.of_target(write_at(temporary.path(), model, record, threads, sink)));
  return temporary.rename();
}

}  // namespace

Json to_json(const PruneRecord& record) {
  Json removals = Json::array();
  for (const Removal& one : record.removals) {
    Json json = {
        {"layer", one.layer}, {"choosing_perplexity", one.choosing_perplexity}, {"perplexity", one.perplexity}};
    if (one.score) json["score"] = *one.score;
    removals.push_back(std::move(json));
  }
  return {{"source", record.source},
          {"text", record.text},
          {"tokens", record.tokens},
          {"perplexity", record.perplexity},
          {"choosing_text", record.choosing_text},
          {"choosing_tokens", record.choosing_tokens},
          {"choosing_perplexity", record.choosing_perplexity},
          {"removals", std::move(removals)},
          {"kept", record.kept},
          {"parameters_before", record.parameters_before},
          {"parameters", record.parameters}};
}

Result<PruneRecord> prune(const PruneOptions& asked, Threads& threads, Sink& sink) {
  PruneOptions options = asked;
  while (options.output.size() > 1 && options.output.back() == '/') options.output.pop_back();  // it is made beside it
  LIEQ_TRY(check_options(options));
  LIEQ_ASSIGN(const eval::Bundle bundle, load_bundle(options.model, threads, sink, model::LoadOptions::unrounded()));
  const model::Model& model = bundle.model;
  LIEQ_TRY(save::check_prunable(model));
  if (options.drop.value_or(0) >= model.layers.size())
    return fail(ErrorCode::kInvalidArgument, fmt::format("layers to drop: found {}, expected fewer than the {} of {}",
                                                         *options.drop, model.layers.size(), options.model));
  LIEQ_ASSIGN(auto scores, read_scores(options, model));
  LIEQ_ASSIGN(const CalibrationOptions choosing_text,
              choosing_options(options.calibration, model.config.max_position_embeddings));
  LIEQ_ASSIGN(const Calibration calibration, calibrate(bundle, choosing_text, threads, sink));
  const HeldOutRequest request{options.text, options.text_window, options.text_chunks};
  LIEQ_ASSIGN(HeldOut held, held_out_of(request, bundle, calibration, sink));
  Windows choosing{calibration.ids, calibration.window};

  PruneRecord record;
  record.source = options.model;
  record.output = options.output;
  record.choosing_text = calibration.source;
  record.choosing_tokens = choosing.predicted();
  record.text = held.name;
  record.tokens = held.ids.size() / held.window * (held.window - 1);
  record.parameters_before = model::parameter_count(model);
  LIEQ_TRY(Pruner(options, model, std::move(choosing), std::move(held), std::move(scores), threads, sink).run(record));
  record.parameters = model::parameter_count(save::keep_layers(model, record.kept));
  LIEQ_TRY(write(model, record, threads, sink));
  return record;
}

}  // namespace lieq::pipeline
