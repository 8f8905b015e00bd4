#include "lieq/cli/calibrated_scores.h"

#include <algorithm>
#include <span>

#include "lieq/diagnose/passages.h"
#include "lieq/quantize/sensitivity.h"

namespace lieq::cli {
namespace {

/// What sensitivity is measured with: every width costs about half a pass of the model over the scored windows for each
/// layer.
constexpr std::size_t kSensitivityWindows = 32, kSensitivityWindow = 512, kScoredWindows = 4;

}  // namespace

Result<LayerScores> diagnose_calibration(const eval::Bundle& bundle, const std::string& name,
                                         const Calibration& calibration, const diagnose::DiagnoseOptions& options,
                                         Threads& threads, Sink& sink) {
  diagnose::CutOptions cut;
  cut.per_bucket = options.score.per_bucket;
  cut.longest = std::min(cut.longest, bundle.model.config.max_position_embeddings);
  const diagnose::Corpus corpus = corpus_of(calibration, bundle.tokenizer);
  LIEQ_ASSIGN(const auto cells, diagnose::cut_passages({&corpus, 1}, bundle.tokenizer, cut, threads, sink));
  return diagnose::diagnose(bundle.model, name, cells, options, threads, sink);
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
  quantize::Options fit;
  fit.grid = quantize::Grid::kSkew;
  fit.group_size = request.group_size;
  fit.sweeps = 1;
  fit.on_singular = quantize::OnSingular::kRtn;
  LIEQ_ASSIGN(auto measured,
              quantize::measure_sensitivity(bundle.model, fit_ids, ids, window, request.widths, fit, threads, sink));
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
                                          .sweeps = fit.sweeps};
  return {};
}

}  // namespace lieq::cli
