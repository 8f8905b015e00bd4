#pragma once
/// Adjoints of the row-wise steps of a block, float32. `d` before a name means the gradient of the loss there.

#include <span>

namespace lieq::tune {

/// Of y = x r weight with r = 1 / sqrt(mean(x²) + epsilon), one row: dx += r (w dy - x r² mean(w dy x)); returns r.
/// That at the weight is Σ over rows of dy x r.
float add_rms_norm_gradient(std::span<const float> x, std::span<const float> weight, float epsilon,
                            std::span<const float> dy, std::span<float> dx);

/// Of y = silu(gate) * up: gate and up are replaced by their gradients, dy by y (what the down projection read).
void silu_multiply_gradient(std::span<float> gate, std::span<float> up, std::span<float> dy);

/// q[i] = factor (exp(q[i] - q_log_sum) - exp(p[i] - p_log_sum)): the gradient at the logits q of KL(p || q), given the
/// log_sum_exp of both.
void kl_gradient(std::span<const float> p, double p_log_sum, std::span<float> q, double q_log_sum, float factor);

/// dp[i] = p[i] (dp[i] - Σ p dp) factor: from the gradient at a softmax's results to that at its inputs.
void softmax_gradient(std::span<const float> p, float factor, std::span<float> dp);

}  // namespace lieq::tune
