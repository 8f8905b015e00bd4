#pragma once
/// A second look at a quantised model with the loss of the whole: gradients as statistics, nothing trained.
///
/// The layers were fitted one by one, each to outputs of its own. Here one backward pass of the finished model gives,
/// for every linear, the gradient G of KL(original || quantised) at its weights, [out, in], and the curvature
/// gamma_r H of that loss in its row r: H = XᵀX / tokens, gamma_r the mean square of the gradient at output r with labels
/// drawn from the model (Fisher). To second order the loss of changed weights W + D is least where
/// tr((T - W - D) H (T - W - D)ᵀ) is, with T = W - G (H + damping)⁻¹ / (caution gamma_r): the descent that fitted the
/// codes runs again with that target. Caution makes up for what linears of other layers change at the same time.
/// What does not lower the KL on validation text is undone.

#include <cstddef>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/pipeline/layers.h"

namespace lieq::pipeline {

struct LossAwareOptions {
  std::size_t rounds = 3;
  std::size_t tokens = 32768;   ///< of the calibration text, that the statistics of a round see
  std::size_t batch = 4096;     ///< of them at once
  std::size_t fisher_tokens = 4096;
  std::size_t length = 512;     ///< of a sequence, at most the calibration's window
  double caution = 4;
  double damping = 0.1;         ///< of diag(H), as a fraction of its mean
  std::size_t sweeps = 1;
  std::size_t tries = 3;        ///< of a round, caution doubled from one to the next
};

struct LossAwareRound {
  double caution = 0, kl = 0, share_of_codes = 0;
  bool kept = false;
};

struct LossAwareRecord {
  double start = 0, best = 0;
  std::vector<LossAwareRound> rounds;
};

struct SecondLook {
  LossAwareRecord record;
  std::vector<quantize::QuantizedLayer> layers;
};

[[nodiscard]] Result<SecondLook> look_again(const LayersJob& job, const LossAwareOptions& options,
                                            const LayerSource& layer, Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
