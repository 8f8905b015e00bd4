#pragma once
/// Job: how much each layer matters.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/calibrate.h"

namespace lieq::pipeline {

struct DiagnoseOptions {
  std::string model;                           ///< as load_bundle takes it
  std::vector<std::string> texts;              ///< a corpus each (hub::find_text); empty: the calibration text
  std::vector<std::string> fields = {"text"};  ///< of .jsonl records: one for all texts, or one for each
  /// The paper's weights of perplexity drop, compactness and energy gain; absent: diagnose::set_weights' defaults.
  std::optional<double> alpha, beta, gamma;
  diagnose::DiagnoseOptions diagnosis;
  std::vector<int> widths;      ///< also measure the sensitivity at 2, 3, 4 or 8 bits; empty: not
  std::size_t group_size = 64;  ///< of that quantisation; 0: a whole row
  std::string
      running;  ///< measure it in this quantised form of the model, as load_bundle takes it; empty: in the model
  /// Also measure shares of KL in a draft of so many bits (add_kl_shares), of the default recipe; absent: not.
  std::optional<unsigned> kl_share_bits;
  CalibrationOptions calibration;  ///< read only without texts, with widths or with kl_share_bits
};

/// Loads the model, cuts the texts into passages, scores every layer (diagnose::diagnose) and, if widths were asked
/// for, quantises each layer alone and measures the KL divergence it causes. Cost: diagnose::diagnose and
/// measure_sensitivity. Nothing of it resumes but text of "self" (options.calibration.cache). Errors: kInvalidArgument
/// (fields that do not match the texts, weights), kCancelled, those of load_bundle, hub::find_text and
/// diagnose::read_corpus, and those of the steps: calibrate, diagnose::cut_passages, diagnose::diagnose and
/// add_sensitivities.
[[nodiscard]] Result<LayerScores> diagnose(const DiagnoseOptions& options, Threads& threads, Sink& sink);

/// The same for a model that is loaded; options.model is its name in the record.
[[nodiscard]] Result<LayerScores> diagnose(const DiagnoseOptions& options, const eval::Bundle& bundle, Threads& threads,
                                           Sink& sink);

/// The part of it that needs no files: diagnoses on the calibration windows. name: the model as the user named it.
/// Errors: those of diagnose::cut_passages and diagnose::diagnose.
[[nodiscard]] Result<LayerScores> diagnose_calibration(const eval::Bundle& bundle, const std::string& name,
                                                       const Calibration& calibration,
                                                       const diagnose::DiagnoseOptions& options, Threads& threads,
                                                       Sink& sink);

struct SensitivityRequest {
  std::vector<int> widths;
  std::size_t group_size = 64;            ///< 0: a whole row
  const model::Model* running = nullptr;  ///< as quantize::measure_sensitivity takes it
  std::string running_name = {};          ///< as the user named it
};

/// Measures on the calibration text what each layer alone loses at each width (mean KL divergence, nats), or what
/// is left of a running model's loss with that layer at each width, into `scores`. Linears are fitted as quantising
/// fits them by default, but for what works across linears. `asked`: short windows and few of them are taken unless it
/// names others. Errors: those of quantize::measure_sensitivity.
[[nodiscard]] Result<void> add_sensitivities(const SensitivityRequest& request, const eval::Bundle& bundle,
                                             const CalibrationOptions& asked, const Calibration& calibration,
                                             Threads& threads, Sink& sink, LayerScores& scores);

}  // namespace lieq::pipeline
