#pragma once
/// Causal grouped-query attention over whole sequences, and its adjoint. Scores exist for a block of queries at a time:
/// the adjoint computes them again instead of keeping them.

#include <cstddef>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"

namespace lieq::tune {

/// Sequences of `length` tokens each, one after the other; query head h reads key head h / (heads / kv_heads).
struct AttentionShape {
  std::size_t heads = 0, kv_heads = 0, head_dim = 0, length = 0;
  float scale = 1;  ///< of the scores
};

/// Scratch of both functions: two blocks of scores for each thread, owned by the caller, reused between calls.
struct AttentionScratch {
  struct PerThread {
    kernels::Buffer<float> weights, gradients;  // [block of queries, length]
  };
  std::vector<PerThread> threads;
};

/// q, k, v as attention reads them: [tokens, heads x head_dim], [tokens, kv_heads x head_dim].
struct AttentionInputs {
  MatrixView<const float> q, k, v;
};

/// out = softmax(scale q kᵀ) v, key t seen from queries t and on. out: as q, written.
/// The result does not depend on the number of threads.
void attention(Threads& threads, const AttentionShape& shape, const AttentionInputs& inputs, AttentionScratch& scratch,
               MatrixView<float> out);

/// Gradients at q, k and v, written, from d_out at the result. A key head's gradient is summed over its query heads and
/// blocks of queries in order, so it does not depend on the number of threads.
void attention_gradient(Threads& threads, const AttentionShape& shape, const AttentionInputs& inputs,
                        MatrixView<const float> d_out, AttentionScratch& scratch, MatrixView<float> dq,
                        MatrixView<float> dk, MatrixView<float> dv);

}  // namespace lieq::tune
