#pragma once
/// Fits the linears that read the same inputs: one Hessian, one factor, targets, codes, and what neighbours must
/// absorb.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/quantize/k_fitted.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quadratic.h"
#include "lieq/quantize/quantized_layer.h"

namespace lieq::quantize {

/// What calibration says about a set of inputs.
struct InputStatistics {
  std::vector<float> hessian;    ///< XᵀX over the quantised stream's inputs, [in, in]
  std::vector<float> magnitude;  ///< mean |X_j|, [in]; for AWQ, else empty
  /// (X_fp - X_q)ᵀ X_q, [in, in]; or, if `cross_is_output`, ((X_fp - X_q) Wᵀ + a (h_fp - h_q))ᵀ X_q of the one linear,
  /// [out, in], h the residual streams. Empty: the target is the weight itself.
  std::vector<float> cross;
  bool cross_is_output = false;
};

/// How gains per input channel can be folded into what comes before.
struct GainChannels {
  std::size_t count = 0;                ///< 0: no gains
  std::vector<std::size_t> channel_of;  ///< [in], the gain each input shares; empty: its own
};

struct SharedFit {
  std::vector<AnyFitted> fitted;  ///< one per weight
  std::vector<LinearReport> reports;
  std::vector<float> gains;  ///< [channels]; what the inputs are to be multiplied by; empty: none
};

/// weights: [out, in] each, same in; bits: the width of each. place: names the linears in messages, e.g. "layer 3:
/// q_proj, k_proj, v_proj". Errors: kNumerical naming `place` when the damped Hessian is singular and
/// Options::on_singular does not allow RTN. Ranks share the rows (all make the same call); each gets all of the result.
[[nodiscard]] Result<SharedFit> fit_shared(Threads& threads, std::span<const MatrixView<const float>> weights,
                                           InputStatistics statistics, const GainChannels& channels,
                                           const Options& options, std::span<const unsigned> bits,
                                           const std::string& place, Sink& sink);

/// After rounding that no Hessian decided: H = I.
[[nodiscard]] LinearReport rounding_report(MatrixView<const float> weight, const AnyFitted& fitted);

/// W + strength C (H + damping)⁻¹; at strength 1 the weights that on the quantised inputs come closest to the
/// unquantised output; C is W (X_fp - X_q)ᵀ X_q, or given (InputStatistics::cross). Source: GPTAQ, Li et al. 2025,
/// arXiv:2504.02692; differs: the whole correction is taken at once, before quantising, and for o_proj and down_proj
/// includes the residual stream's error.
[[nodiscard]] std::vector<float> corrected_target(Threads& threads, MatrixView<const float> weight, std::size_t first,
                                                  const InputStatistics& statistics, const Quadratic& quadratic,
                                                  float strength);

}  // namespace lieq::quantize
