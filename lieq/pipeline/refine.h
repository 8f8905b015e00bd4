#pragma once
/// A step of quantize that trains what the paper leaves as it was fitted: scales and norm gains, codes fixed.

#include <cstddef>
#include <utility>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/layers.h"
#include "lieq/quantize/quantized_layer.h"
#include "lieq/save/run_folder.h"
#include "lieq/tune/tuned_model.h"

namespace lieq::pipeline {

struct RefineOptions {
  std::size_t steps = 40;       ///< of Adam
  std::size_t tokens = 1536;    ///< of the calibration text that a step sees, in whole sequences
  std::size_t length = 512;     ///< of a sequence, at most the calibration's window
  double rate = 3e-3;           ///< at most, of the logarithms of scales; a cosine ends at 0
  double gain_share = 0.25;     ///< of the rate, that gains take
  std::size_t warm_up = 8;      ///< steps
  std::size_t judge_every = 5;  ///< steps between two looks at the validation text
  std::size_t patience = 4;     ///< looks without a new best after which it ends
  std::size_t validation_tokens = 4096;
};

[[nodiscard]] Json to_json(const RefineOptions& options);
/// Errors: kInvalidArgument naming what is out of range.
[[nodiscard]] Result<void> check(const RefineOptions& options);

/// KL(original || quantised) on the validation text in nats a token, scales rounded as they are stored.
struct RefineRecord {
  double start = 0, best = 0;
  std::size_t best_step = 0, steps = 0;                   ///< steps that the best and the last state had seen
  std::size_t validation_tokens = 0, trained_tokens = 0;  ///< the second: seen in all steps
  std::vector<std::pair<std::size_t, double>> history;    ///< step and KL
};
[[nodiscard]] Json to_json(const RefineRecord& record);

/// What came out of it. Never worse on the validation text than the start: then it is the start.
struct Refinement {
  RefineRecord record;
  std::vector<tune::TunedModel::Values> layers;

  /// Puts the values of layer l into it.
  void apply(std::size_t l, quantize::QuantizedLayer& layer) const;
};

/// Whether the model and the recipe can be refined, said before the work starts; runs a window of the calibration
/// through each block. Errors: kInvalidArgument (K blocks, groups that act-order forms), kUnsupported (a feature of the
/// model), kCancelled.
[[nodiscard]] Result<void> check_refinable(const LayersJob& job, const RefineOptions& options, Threads& threads,
                                           Sink& sink);

/// Tunes the finished layers of `folder` on the calibration text. Its state lies there as refine.safetensors, written
/// at every look and each minute; cancelled or killed, the same call goes on from there with the same bytes as the
/// result. A KL that is no number ends it with a warning and what was best before.
/// Embedding, head and final norm are the source's.
/// Memory: packed layers, five float32 numbers for each group of weights, the inputs of all blocks for the tokens of a
/// step, one block's activations, two slices of logits; the source stays in its mapped file.
/// Cost: size_of(). Bitwise the same for any number of threads.
/// Errors: those of check_refinable() and of the files; kNumerical when the KL is no number at the start; kCancelled.
[[nodiscard]] Result<Refinement> refine(const LayersJob& job, const RefineOptions& options,
                                        const save::RunFolder& folder, Threads& threads, Sink& sink);

/// Of all steps and looks.
[[nodiscard]] StageSize size_of(const RefineOptions& options, const LayersJob& job);

}  // namespace lieq::pipeline
