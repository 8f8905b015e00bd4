#include "lieq/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "lieq/kernels/attention_tile.h"
#include "lieq/kernels/dequantize.h"

namespace lieq::kernels {
namespace {

using Tile = AttentionScratch::Tile;
using PerThread = AttentionScratch::PerThread;

constexpr std::size_t kQueryTile = 32;
constexpr std::size_t kFewRows = 12;  // up to here half-precision panels are read as they are, else widened once

/// The first key that the query at `position` sees.
std::size_t first_seen(std::size_t position, std::size_t window) {
  return window == 0 || position < window ? 0 : position + 1 - window;
}

/// Fills scratch.tiles; returns the rows that need a place in scratch.sums.
std::size_t make_tiles(std::span<const AttentionSequence> sequences, std::size_t group, std::size_t window,
                       std::vector<Tile>& tiles) {
  tiles.clear();
  std::size_t partial_rows = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const AttentionSequence& sequence = sequences[s];
    const std::size_t heads = sequence.cached.heads, keys = sequence.past + sequence.tokens;
    const auto range_of = [&](std::size_t query) {
      return first_seen(sequence.past + query, window) / kPageTokens * kPageTokens;
    };
    if (const std::size_t range = range_of(0); sequence.tokens == 1 && keys - range > kPageTokens) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t key = range; key < keys; key += kPageTokens) {
          tiles.push_back({s, h, 0, 1, key, std::min(keys, key + kPageTokens), range, partial_rows});
          partial_rows += group;
        }
      }
      continue;
    }
    // The last tiles see the most keys: they go first, so that no thread is left with a long one at the end.
    for (std::size_t end = (sequence.tokens + kQueryTile - 1) / kQueryTile; end > 0; --end) {
      const std::size_t first = (end - 1) * kQueryTile, count = std::min(kQueryTile, sequence.tokens - first);
      for (std::size_t h = 0; h < heads; ++h)
        tiles.push_back({s, h, first, count, range_of(first), sequence.past + first + count, range_of(first), 0});
    }
  }
  return partial_rows;
}

bool is_partial(const AttentionSequence& sequence, const Tile& tile) {
  return tile.count == 1 && tile.end_key - tile.first_key < sequence.past + sequence.tokens - tile.range_key;
}

/// What one tile works on: rows are t * group + g for query t and the g-th head of the group.
struct Work {
  const AttentionSequence& sequence;
  const Tile& tile;
  std::size_t group, head_dim, padded;
  AttentionRule rule;
  [[nodiscard]] std::size_t rows() const { return tile.count * group; }
};

void load_queries(const Work& work, MatrixView<const float> q, float* queries) {
  const float scale = work.rule.scale != 0 ? work.rule.scale : 1.0F / std::sqrt(static_cast<float>(work.head_dim));
  const std::size_t width = work.group * work.head_dim;
  for (std::size_t t = 0; t < work.tile.count; ++t) {
    const float* source = q.row(work.sequence.first_row + work.tile.first + t).data() + work.tile.kv_head * width;
    std::transform(source, source + width, queries + t * width, [&](float v) { return v * scale; });
  }
}

/// Turns scores of keys [key, key + count) into weights.
void soften(const Work& work, std::size_t key, std::size_t count, MatrixView<float> scores,
            std::span<RunningSoftmax> state) {
  for (std::size_t r = 0; r < work.rows(); ++r) {
    const std::size_t last = work.sequence.past + work.tile.first + r / work.group;  // the newest key this query sees
    const std::size_t oldest = first_seen(last, work.rule.window);
    const std::size_t seen = last < key ? 0 : std::min(count, last - key + 1);
    const std::size_t unseen = oldest <= key ? 0 : std::min(seen, oldest - key);
    const std::span<float> row = scores.row(r);
    std::fill_n(row.begin(), unseen, 0.0F);
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(seen), row.end(), 0.0F);
    state[r] = {-std::numeric_limits<float>::infinity(), 0.0F};
    if (seen > unseen) (void)online_softmax(row.subspan(unseen, seen - unseen), state[r]);
  }
}

/// Adds the part (state, sums) of a row to another of the same row. sums: [padded].
void merge_row(const RunningSoftmax& part, const float* part_sums, std::size_t padded, RunningSoftmax& state,
               float* sums) {
  const float max = std::max(state.max, part.max);
  const float keep = std::exp(state.max - max), take = std::exp(part.max - max);
  state = {max, state.sum * keep + part.sum * take};
  for (std::size_t j = 0; j < padded; ++j) sums[j] = sums[j] * keep + part_sums[j] * take;
}

/// Panels of keys from `key`, a multiple of kPanel, on.
template <class T>
Panels<T> key_panels(const KeyValues& cached, std::size_t head, std::size_t key, std::size_t count) {
  return {static_cast<const T*>(cached.keys) + (head * cached.capacity + key) * cached.head_dim,
          kPanel * cached.head_dim, round_up_to_panel(count) / kPanel};
}

template <class T>
Panels<T> value_panels(const KeyValues& cached, std::size_t head, std::size_t key) {
  const std::size_t padded = round_up_to_panel(cached.head_dim);
  return {static_cast<const T*>(cached.values) + head * cached.capacity * padded + key * kPanel,
          kPanel * cached.capacity, padded / kPanel};
}

void widen(const std::uint16_t* source, std::size_t count, float* target) {
  dequantize(DType::kF16, reinterpret_cast<const std::byte*>(source), count, target);
}

/// Half precision to float32 in scratch, for tiles of so many rows that doing it once is cheaper.
Panels<float> widen_keys(const KeyValues& cached, std::size_t head, std::size_t key, std::size_t count,
                         Buffer<float>& buffer) {
  const auto half = key_panels<std::uint16_t>(cached, head, key, count);
  float* target = buffer.reserve(half.count * half.panel_stride);
  widen(half.data, half.count * half.panel_stride, target);
  return {target, half.panel_stride, half.count};
}

Panels<float> widen_values(const KeyValues& cached, std::size_t head, std::size_t key, std::size_t count,
                           Buffer<float>& buffer) {
  const auto half = value_panels<std::uint16_t>(cached, head, key);
  float* target = buffer.reserve(half.count * count * kPanel);
  for (std::size_t p = 0; p < half.count; ++p)
    widen(half.data + p * half.panel_stride, count * kPanel, target + p * count * kPanel);
  return {target, count * kPanel, half.count};
}

/// The softmax over the tile's keys, page by page: `keys_at` and `values_at` give the panels of a run of keys.
template <class KeysAt, class ValuesAt>
void gather(const Work& work, const float* queries, PerThread& scratch, float* sums, const KeysAt& keys_at,
            const ValuesAt& values_at) {
  const std::size_t rows = work.rows();
  scratch.state.resize(rows);
  scratch.part_state.resize(rows);
  for (std::size_t key = work.tile.first_key; key < work.tile.end_key; key += kPageTokens) {
    const std::size_t count = std::min(kPageTokens, work.tile.end_key - key);
    const std::size_t stride = round_up_to_panel(count);
    const KeyValues& page = work.sequence.page_of(key);
    const std::size_t place = key % page.capacity;
    float* scores = scratch.scores.reserve(rows * stride);
    panel_product(queries, work.head_dim, rows, keys_at(page, place, count), work.head_dim, false, scores, stride);
    const bool first = key == work.tile.first_key;
    soften(work, key, count, {scores, rows, count, stride}, first ? scratch.state : scratch.part_state);
    float* target = first ? sums : scratch.part_sums.reserve(rows * work.padded);
    panel_product(scores, stride, rows, values_at(page, place, count), count, false, target, work.padded);
    if (first) continue;
    for (std::size_t r = 0; r < rows; ++r)
      if (scratch.part_state[r].sum != 0)  // else this query sees none of the keys
        merge_row(scratch.part_state[r], target + r * work.padded, work.padded, scratch.state[r],
                  sums + r * work.padded);
  }
}

/// sums: [rows, padded], written, unnormalised; scratch.state: the maxima and sums of weights.
void attend(const Work& work, MatrixView<const float> q, PerThread& scratch, float* sums) {
  float* queries = scratch.queries.reserve(work.rows() * work.head_dim);
  load_queries(work, q, queries);
  const std::size_t head = work.tile.kv_head;
  if (work.sequence.cached.type == DType::kF32) {
    gather(
        work, queries, scratch, sums,
        [&](const KeyValues& page, auto key, auto count) { return key_panels<float>(page, head, key, count); },
        [&](const KeyValues& page, auto key, auto) { return value_panels<float>(page, head, key); });
  } else if (work.rows() <= kFewRows) {
    gather(
        work, queries, scratch, sums,
        [&](const KeyValues& page, auto key, auto count) { return key_panels<std::uint16_t>(page, head, key, count); },
        [&](const KeyValues& page, auto key, auto) { return value_panels<std::uint16_t>(page, head, key); });
  } else {
    gather(
        work, queries, scratch, sums,
        [&](const KeyValues& page, auto key, auto count) { return widen_keys(page, head, key, count, scratch.keys); },
        [&](const KeyValues& page, auto key, auto count) {
          return widen_values(page, head, key, count, scratch.values);
        });
  }
}

/// out = sums / sum of weights. sums: [rows, padded].
void normalise(const Work& work, const float* sums, std::span<const RunningSoftmax> state, MatrixView<float> out) {
  const std::size_t first_column = work.tile.kv_head * work.group * work.head_dim;
  for (std::size_t t = 0; t < work.tile.count; ++t) {
    float* target = out.row(work.sequence.first_row + work.tile.first + t).data() + first_column;
    for (std::size_t g = 0; g < work.group; ++g) {
      const std::size_t r = t * work.group + g;
      const float inverse = 1.0F / state[r].sum;
      for (std::size_t j = 0; j < work.head_dim; ++j)
        target[g * work.head_dim + j] = sums[r * work.padded + j] * inverse;
    }
  }
}

/// Brings the parts of each split query together, in the order of the keys.
void merge_parts(std::span<const AttentionSequence> sequences, std::size_t group, AttentionScratch& scratch,
                 float* sums, MatrixView<float> out) {
  for (std::size_t i = 0; i < scratch.tiles.size();) {
    const Tile& tile = scratch.tiles[i++];
    const AttentionSequence& sequence = sequences[tile.sequence];
    if (!is_partial(sequence, tile)) continue;
    const Work work{sequence, tile, group, sequence.cached.head_dim, round_up_to_panel(sequence.cached.head_dim), {}};
    float* first = sums + tile.partial * work.padded;
    for (; i < scratch.tiles.size() && scratch.tiles[i].first_key > scratch.tiles[i].range_key; ++i) {
      const std::size_t part = scratch.tiles[i].partial;
      for (std::size_t g = 0; g < group; ++g)
        merge_row(scratch.states[part + g], sums + (part + g) * work.padded, work.padded,
                  scratch.states[tile.partial + g], first + g * work.padded);
    }
    normalise(work, first, std::span(scratch.states).subspan(tile.partial, group), out);
  }
}

}  // namespace

void attention(Threads& threads, std::size_t num_attention_heads, std::span<const AttentionSequence> sequences,
               MatrixView<const float> q, AttentionScratch& scratch, MatrixView<float> out, const AttentionRule& rule) {
  if (sequences.empty()) return;
  const KeyValues& shape = sequences.front().cached;
  LIEQ_CHECK(q.cols() == num_attention_heads * shape.head_dim && out.cols() == q.cols());
  LIEQ_CHECK(num_attention_heads % shape.heads == 0);
  const std::size_t group = num_attention_heads / shape.heads, padded = round_up_to_panel(shape.head_dim);
  const std::size_t partial_rows = make_tiles(sequences, group, rule.window, scratch.tiles);
  scratch.threads.resize(std::max(scratch.threads.size(), threads.count()));
  scratch.states.resize(std::max(scratch.states.size(), partial_rows));
  float* partial_sums = scratch.sums.reserve(partial_rows * padded);
  threads.for_each(scratch.tiles.size(), [&](std::size_t item, std::size_t thread) {
    const Tile& tile = scratch.tiles[item];
    PerThread& own = scratch.threads[thread];
    const Work work{sequences[tile.sequence], tile, group, shape.head_dim, padded, rule};
    if (is_partial(work.sequence, tile)) {
      attend(work, q, own, partial_sums + tile.partial * padded);
      std::ranges::copy(own.state, scratch.states.begin() + static_cast<std::ptrdiff_t>(tile.partial));
    } else {
      float* sums = own.sums.reserve(work.rows() * padded);
      attend(work, q, own, sums);
      normalise(work, sums, own.state, out);
    }
  });
  if (partial_rows > 0) merge_parts(sequences, group, scratch, partial_sums, out);
}

}  // namespace lieq::kernels
