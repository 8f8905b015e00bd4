#pragma once
/// Row-wise operations of a transformer block, float32.

#include <span>

#include "lieq/base/view.h"

namespace lieq::kernels {

/// y = x / sqrt(mean(x²) + epsilon) * weight for one row; the mean is summed in float32 lanes. y may be x.
void rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> y);

/// gate = silu(gate) * up, silu(a) = a / (1 + exp(-a)).
void silu_multiply(std::span<float> gate, std::span<const float> up);

/// gate = gelu(gate) * up, gelu(a) = a / 2 (1 + tanh(sqrt(2 / pi) (a + 0.044715 a³))): the form that PyTorch calls
/// tanh.
void gelu_multiply(std::span<float> gate, std::span<const float> up);

/// x *= factor.
void scale(std::span<float> x, float factor);

/// x += y.
void add(std::span<float> x, std::span<const float> y);

/// Σ a·b in float32 lanes.
[[nodiscard]] float dot(const float* a, const float* b, std::size_t count);

}  // namespace lieq::kernels
