#pragma once
/// y = x Wᵀ + b straight from stored weights: rows are decoded in slabs that stay in cache-sized scratch,
/// so a matrix never exists whole in float32.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::kernels {

/// Arithmetic of dense products. kBF16 rounds weights and activations to bfloat16 and sums in float32;
/// on a CPU without a bfloat16 product the rounded values go through the float32 one.
enum class Compute { kF32, kBF16 };

/// Scratch of linear(), owned by the caller, reused between calls.
struct LinearScratch {
  Buffer<float> weights;                 // one slab, [slab rows, in]
  Buffer<std::uint16_t> bf16_weights;    // one slab, [slab rows, in]
  Buffer<float> inputs;                  // [tokens, in], rounded
  Buffer<std::uint16_t> bf16_inputs;     // [tokens, in]
};

/// Rows of one slab for `cols` inputs: about 16 MiB of float32, a multiple of 64.
[[nodiscard]] std::size_t slab_rows(std::size_t cols);

/// x: [tokens, in]; weight: [out, in]; bias: [out] or empty; y: [tokens, out], written.
/// The result does not depend on the number of threads. Cost: one pass over the stored bytes.
void linear(Threads& threads, const pack::StoredMatrix& weight, std::span<const float> bias,
            MatrixView<const float> x, Compute compute, LinearScratch& scratch, MatrixView<float> y);

/// Row `i` of `weight` as float32. target: [in].
void decode_row(const pack::StoredMatrix& weight, std::size_t i, float* target);

}  // namespace lieq::kernels
