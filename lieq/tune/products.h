#pragma once
/// A linear, y = x Wᵀ + b, and its adjoints: what a change of y says of x, of the weights and of their scales. Weights
/// are decoded in slabs of about 16 MiB, so that no matrix exists whole in float32. All float32; tiles do not depend on
/// the number of threads, so results do not either.

#include <cstddef>
#include <span>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/tune/weight_rows.h"

namespace lieq::tune {

/// Scratch of these functions, owned by the caller, reused between calls.
struct ProductScratch {
  kernels::Buffer<float> slab;    // [slab rows, in]
  kernels::Buffer<float> turned;  // [out, tokens]
};

/// y = x Wᵀ + bias. x: [tokens, in]; bias: [out] or empty; y: [tokens, out], written.
void product(Threads& threads, const WeightRows& weight, std::span<const float> bias, MatrixView<const float> x,
             ProductScratch& scratch, MatrixView<float> y);

/// dx += dy W, the gradient at the input. dy: [tokens, out]; dx: [tokens, in].
void add_input_gradient(Threads& threads, const WeightRows& weight, MatrixView<const float> dy, ProductScratch& scratch,
                        MatrixView<float> dx);

/// gradient = dyᵀ x, the gradient at the weights. x: [tokens, in]; dy: [tokens, out]; gradient: [out, in], written.
void weight_gradient(Threads& threads, MatrixView<const float> x, MatrixView<const float> dy, ProductScratch& scratch,
                     MatrixView<float> gradient);

/// gradient[i, g] += Σ_j in group g of (dyᵀ x)[i, j] W[i, j]: the gradient at the logarithm of a group's scale, since
/// a group's weights (its minimum included) are proportional to it. x: [tokens, in]; dy: [tokens, out]; gradient:
/// [out, in / group_size].
void add_scale_gradient(Threads& threads, const WeightRows& weight, std::size_t group_size, MatrixView<const float> x,
                        MatrixView<const float> dy, ProductScratch& scratch, MatrixView<float> gradient);

}  // namespace lieq::tune
