#include "lieq/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/gemm.h"
#include "lieq/kernels/softmax.h"

namespace lieq::kernels {
namespace {

constexpr std::size_t kQueryTile = 64;
constexpr std::size_t kKeyTile = 256;

/// Queries [first, first + count) of one sequence under one key-value head.
struct Tile {
  std::size_t sequence, kv_head, first, count;
};

/// Reused between tiles; one per thread.
struct TileScratch {
  Buffer<float> queries, scores, gathered;
  std::vector<RunningSoftmax> state;
};

std::vector<Tile> tiles_of(std::span<const AttentionSequence> sequences, std::size_t kv_heads) {
  std::vector<Tile> tiles;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::size_t tokens = sequences[s].keys.rows() - sequences[s].past;
    // The last tiles see the most keys: they go first, so that no thread is left with a long one at the end.
    for (std::size_t end = (tokens + kQueryTile - 1) / kQueryTile; end > 0; --end) {
      const std::size_t first = (end - 1) * kQueryTile;
      for (std::size_t h = 0; h < kv_heads; ++h) tiles.push_back({s, h, first, std::min(kQueryTile, tokens - first)});
    }
  }
  return tiles;
}

void attend(const AttentionShape& shape, const AttentionSequence& sequence, const Tile& tile, MatrixView<const float> q,
            MatrixView<float> out, TileScratch& scratch) {
  const std::size_t head_dim = shape.head_dim;
  const std::size_t group = shape.num_attention_heads / shape.num_key_value_heads;
  const std::size_t rows = tile.count * group;  // row t * group + g: query t, g-th head of the group
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  const std::size_t first_column = tile.kv_head * group * head_dim;

  const MatrixView<float> queries = scratch.queries.matrix(rows, head_dim);
  const MatrixView<float> gathered = scratch.gathered.matrix(rows, head_dim);
  for (std::size_t t = 0; t < tile.count; ++t) {
    const float* source = q.row(sequence.first_row + tile.first + t).data() + first_column;
    std::transform(source, source + group * head_dim, queries.row(t * group).data(), [&](float v) { return v * scale; });
  }
  std::fill_n(gathered.data(), rows * head_dim, 0.0F);
  scratch.state.assign(rows, {-std::numeric_limits<float>::infinity(), 0.0F});

  const std::size_t visible = sequence.past + tile.first + tile.count;  // keys the last query sees
  const MatrixView<const float> keys = sequence.keys.columns(tile.kv_head * head_dim, head_dim);
  const MatrixView<const float> values = sequence.values.columns(tile.kv_head * head_dim, head_dim);
  for (std::size_t key = 0; key < visible; key += kKeyTile) {
    const std::size_t count = std::min(kKeyTile, visible - key);
    const MatrixView<float> scores = scratch.scores.matrix(rows, count);
    gemm_nt(queries, keys.rows(key, count), scores);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t last = sequence.past + tile.first + r / group;  // the newest key this query sees
      const std::size_t seen = last < key ? 0 : std::min(count, last - key + 1);
      const std::span<float> row = scores.row(r);
      std::fill(row.begin() + static_cast<std::ptrdiff_t>(seen), row.end(), 0.0F);
      if (seen == 0) continue;
      const float shrink = online_softmax(row.first(seen), scratch.state[r]);
      if (shrink != 1.0F)
        for (float& v : gathered.row(r)) v *= shrink;
    }
    gemm_nn_add(scores, values.rows(key, count), gathered);
  }

  for (std::size_t t = 0; t < tile.count; ++t) {
    float* target = out.row(sequence.first_row + tile.first + t).data() + first_column;
    for (std::size_t g = 0; g < group; ++g) {
      const std::span<const float> source = gathered.row(t * group + g);
      const float inverse = 1.0F / scratch.state[t * group + g].sum;
      for (std::size_t j = 0; j < head_dim; ++j) target[g * head_dim + j] = source[j] * inverse;
    }
  }
}

}  // namespace

void attention(Threads& threads, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               MatrixView<const float> q, MatrixView<float> out) {
  LIEQ_CHECK(q.cols() == shape.num_attention_heads * shape.head_dim && out.cols() == q.cols());
  LIEQ_CHECK(shape.num_attention_heads % shape.num_key_value_heads == 0);
  const std::vector<Tile> tiles = tiles_of(sequences, shape.num_key_value_heads);
  std::vector<TileScratch> scratch(threads.count());
  threads.for_each(tiles.size(), [&](std::size_t item, std::size_t thread) {
    attend(shape, sequences[tiles[item].sequence], tiles[item], q, out, scratch[thread]);
  });
}

}  // namespace lieq::kernels
