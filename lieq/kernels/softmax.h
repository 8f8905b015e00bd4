#pragma once
/// Exponentials over rows: the softmax of attention tiles and the log-partition of logits.

#include <cstddef>
#include <span>

namespace lieq::kernels {

struct RunningSoftmax {
  float max;  ///< largest score so far, -infinity before the first
  float sum;  ///< Σ exp(score - max) so far
};

/// One step of the online softmax: replaces `scores` by exp(score - new max), updates `state`, and returns
/// the factor by which results gathered under the old max shrink.
float online_softmax(std::span<float> scores, RunningSoftmax& state);

/// log Σ exp(x): float32 exponentials, the sum in float64.
[[nodiscard]] double log_sum_exp(std::span<const float> x);

/// The index of the largest element, the first of equals.
[[nodiscard]] std::size_t arg_max(std::span<const float> x);

/// KL(p || q) in nats of the distributions with logits `p` and `q`, given their log_sum_exp.
[[nodiscard]] double kl_divergence(std::span<const float> p, double p_log_sum, std::span<const float> q,
                                   double q_log_sum);

}  // namespace lieq::kernels
