#pragma once
/// Causal grouped-query attention, computed in tiles with an online softmax.

#include <cstddef>
#include <span>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"

namespace lieq::kernels {

/// One sequence of a batch. Its queries are rows [first_row, first_row + keys.rows() - past) of q and out;
/// query t sees keys 0 ... past + t.
struct AttentionSequence {
  std::size_t first_row = 0;
  std::size_t past = 0;               ///< keys from earlier calls (the cache)
  MatrixView<const float> keys;       ///< [past + new tokens, num_key_value_heads x head_dim]
  MatrixView<const float> values;     ///< the same shape
};

struct AttentionShape {
  std::size_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
};

/// q, out: [tokens, num_attention_heads x head_dim]; query head h reads key head h / (heads / kv heads).
/// Scores are scaled by 1 / sqrt(head_dim). Scratch: about 64 x group x 256 scores per thread, whatever the length.
/// The result does not depend on the number of threads.
void attention(Threads& threads, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               MatrixView<const float> q, MatrixView<float> out);

}  // namespace lieq::kernels
