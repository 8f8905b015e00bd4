#pragma once
/// Causal grouped-query attention, computed in tiles with an online softmax.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/key_values.h"
#include "lieq/kernels/softmax.h"

namespace lieq::kernels {

/// One sequence of a batch. Its queries are rows [first_row, first_row + tokens) of q and out; query t sees keys
/// 0 ... past + t, of which those of the new tokens are stored as well.
struct AttentionSequence {
  std::size_t first_row = 0, tokens = 0;
  std::size_t past = 0;  ///< keys from earlier calls
  KeyValues cached;      ///< all keys; where they lie in pages, the first of these, or only the shape of one
  /// Page p holds keys [p * capacity, (p + 1) * capacity), the capacity being that of `cached` and a multiple of
  /// kPageTokens. Empty: all lie in `cached`.
  std::span<const KeyValues> pages = {};

  /// Where key `key` lies, at position key % cached.capacity.
  [[nodiscard]] const KeyValues& page_of(std::size_t key) const {
    return pages.empty() ? cached : pages[key / cached.capacity];
  }
};

/// Scratch of attention(), owned by the caller, reused between calls.
struct AttentionScratch {
  /// Queries [first, first + count) of one sequence under one key-value head, over keys [first_key, end_key).
  struct Tile {
    std::size_t sequence, kv_head, first, count, first_key, end_key;
    std::size_t partial;  ///< rows before this tile's in `sums`; only of tiles that see a part of the keys
  };
  struct PerThread {
    Buffer<float> queries, scores, sums, part_sums, keys, values;
    std::vector<RunningSoftmax> state, part_state;
  };
  std::vector<Tile> tiles;
  std::vector<PerThread> threads;
  Buffer<float> sums;                  ///< results of tiles over parts of the keys, [rows, head_dim padded]
  std::vector<RunningSoftmax> states;  ///< [rows]
};

/// q, out: [tokens, num_attention_heads x head_dim]; query head h reads key head h / (heads / kv heads). All sequences
/// have the same kv heads and head_dim. Scores are scaled by 1 / sqrt(head_dim), sums are float32 also where keys and
/// values are half precision. Each kPageTokens keys are summed alone and then put together in their order, whoever
/// computes them: all threads share the keys of a single query. The result of a query depends on nothing but itself and
/// the keys it sees, neither on its company nor on the number of threads. Scratch per thread: some 100 KiB, whatever
/// the length.
void attention(Threads& threads, std::size_t num_attention_heads, std::span<const AttentionSequence> sequences,
               MatrixView<const float> q, AttentionScratch& scratch, MatrixView<float> out);

}  // namespace lieq::kernels
