#pragma once
/// y = x Wᵀ + b straight from packed codes, or from stored weights: rows are decoded in slabs that stay in cache-sized
/// scratch, so a matrix never exists whole in float32.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/packed_int8.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::kernels {

/// Arithmetic of products. kBF16 rounds weights and activations to bfloat16 and sums in float32;
/// on a CPU without a bfloat16 product the rounded values go through the float32 one.
/// kInt8 rounds the inputs of packed weights to 8 bits, one scale for each token and group of at most 64 inputs, and
/// sums integers inside a group; weights that are not packed run as with kF32.
enum class Compute { kF32, kBF16, kInt8 };

/// How products are computed. A Compute alone is the fastest way for any number of rows.
struct Arithmetic {
  Compute compute;
  /// The result of a row depends on nothing but the row and the weights, bit for bit; otherwise many rows are summed in
  /// another order than few where that is faster. Packed weights are so anyway. Not with kBF16.
  bool rows_alone;

  Arithmetic(Compute c, bool alone = false) : compute(c), rows_alone(alone) {  // NOLINT: a Compute is one
    LIEQ_CHECK(!alone || c != Compute::kBF16);
  }
};

/// Scratch of linear(), owned by the caller, reused between calls.
struct LinearScratch {
  Buffer<float> weights;               // one slab, [slab rows, in]
  Buffer<std::uint16_t> bf16_weights;  // one slab, [slab rows, in]
  Buffer<float> inputs;                // [tokens, in], rounded
  Buffer<std::uint16_t> bf16_inputs;   // [tokens, in]
  Int8Inputs int8_inputs;
};

/// Decoded weights of one slab, about.
inline constexpr std::size_t kSlabBytes = std::size_t{16} << 20;
/// Rows of one slab for `cols` inputs: about kSlabBytes of float32, a multiple of 64.
[[nodiscard]] std::size_t slab_rows(std::size_t cols);

/// x: [tokens, in]; weight: [out, in]; bias: [out] or empty; y: [tokens, out], written.
/// The result does not depend on the number of threads. Cost: one pass over the stored bytes.
void linear(Threads& threads, const pack::StoredMatrix& weight, std::span<const float> bias, MatrixView<const float> x,
            Arithmetic arithmetic, LinearScratch& scratch, MatrixView<float> y);

/// One of several products with the same input.
struct LinearTask {
  const pack::StoredMatrix* weight;  ///< [out, in]
  std::span<const float> bias;       ///< [out] or empty
  MatrixView<float> y;               ///< [tokens, out], written
};

/// linear() for each task, with the same results; packed weights share one rounding of the input and one parallel loop,
/// which is what q, k, v or gate and up of a small model spend their time on when one token is decoded.
void linear_many(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x, Arithmetic arithmetic,
                 LinearScratch& scratch);

/// Row `i` of `weight` as float32. target: [in].
void decode_row(const pack::StoredMatrix& weight, std::size_t i, float* target);

}  // namespace lieq::kernels
