#include "lieq/model/block.h"

#include <algorithm>
#include <array>

#include "lieq/kernels/elementwise.h"

namespace lieq::model {
namespace {

using kernels::AttentionSequence;

/// Runs body(row) for every row. A few rows cost less than waking the other threads.
template <class Body>
void for_rows(Threads& threads, std::size_t rows, const Body& body) {
  constexpr std::size_t kFewRows = 4;
  if (rows <= kFewRows) {
    for (std::size_t t = 0; t < rows; ++t) body(t);
  } else {
    threads.for_each(rows, [&](std::size_t t, std::size_t) { body(t); });
  }
}

}  // namespace

BlockState::BlockState(const ModelConfig& config, Threads& threads, kernels::Arithmetic arithmetic)
    : config_(&config), threads_(&threads), arithmetic_(arithmetic) {}

void BlockState::apply(const Linear& linear, MatrixView<const float> x, MatrixView<float> y) {
  kernels::linear(*threads_, linear.weight, linear.bias, x, arithmetic_, linear_, y);
}

/// Makes room for keys and values, those of sequences without a cache in float32, and lists where each has its own.
void BlockState::place_sequences(std::size_t layer_index, std::span<const SequenceSpan> sequences) {
  const kernels::KeyValues shape{DType::kF32, config_->num_key_value_heads, config_->head_dim, 0, nullptr, nullptr};
  std::size_t first = 0, elements = 0;
  sequences_.clear();
  rows_.clear();
  pages_.clear();
  for (const SequenceSpan& sequence : sequences) {
    const std::size_t parent = sequence.parent;
    LIEQ_CHECK(parent == kNoParent || (parent < sequences_.size() && !sequence.cache && !sequences[parent].cache));
    AttentionSequence placed{first, sequence.tokens, 0, shape};
    if (sequence.cache) {
      placed.past = sequence.cache->length();
      LIEQ_CHECK(sequence.tokens <= sequence.cache->capacity() - placed.past);
      LIEQ_CHECK(sequence.cache->make_room(sequence.tokens));
      sequence.cache->append_layer(layer_index, pages_);
    } else {
      if (parent != kNoParent) placed.past = sequences_[parent].past + sequences_[parent].tokens;
      placed.cached.capacity = kernels::round_up_to_panel(placed.past + sequence.tokens);
      elements += placed.cached.elements();
    }
    for (std::size_t t = 0; t < sequence.tokens; ++t) rows_.push_back({sequences_.size(), placed.past + t, nullptr});
    sequences_.push_back(placed);
    first += sequence.tokens;
  }
  float* keys = keys_.reserve(elements);
  float* values = values_.reserve(elements);
  std::size_t page = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    AttentionSequence& placed = sequences_[s];
    if (sequences[s].cache) {
      placed.pages = std::span(pages_).subspan(page, sequences[s].cache->pages());
      placed.cached = placed.pages.empty() ? shape : placed.pages.front();
      page += placed.pages.size();
      continue;
    }
    placed.cached.keys = keys;
    placed.cached.values = values;
    keys += placed.cached.elements();
    values += placed.cached.elements();
  }
}

/// Copies the keys and values of a sequence's ancestors in front of its own: attention reads one piece of memory, and
/// the copies cost far less than running the ancestors' tokens again.
void BlockState::store_ancestors(std::span<const SequenceSpan> sequences, MatrixView<const float> k,
                                 MatrixView<const float> v) {
  if (std::ranges::all_of(sequences, [](const SequenceSpan& sequence) { return sequence.parent == kNoParent; })) return;
  threads_->for_each(sequences.size(), [&](std::size_t s, std::size_t) {
    for (std::size_t a = sequences[s].parent; a != kNoParent; a = sequences[a].parent) {
      const AttentionSequence& part = sequences_[a];
      kernels::store_key_values(sequences_[s].cached, part.past, k.rows(part.first_row, part.tokens),
                                v.rows(part.first_row, part.tokens));
    }
  });
}

/// Finds the table of each row. Where frequencies depend on the length of a sequence, one that others continue is
/// rotated like the longest of those: they read its keys.
void BlockState::choose_rotations(std::span<const SequenceSpan> sequences) {
  constexpr std::size_t kManyTables = 16;
  if (ropes_.size() > kManyTables) ropes_.clear();
  std::vector<std::size_t> root(sequences.size()), first(sequences.size()), length(sequences.size());
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    root[s] = sequences[s].parent == kNoParent ? s : root[sequences[s].parent];
    if (root[s] == s) first[s] = sequences_[s].past;
    length[root[s]] = std::max(length[root[s]], sequences_[s].past + sequences_[s].tokens);
  }
  std::vector<const kernels::RopeTable*> tables(sequences.size());
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    if (root[s] != s) continue;
    const RopeConfig& rope = config_->rope;
    const std::size_t key = rope.length_key(length[s]);
    auto found = ropes_.find(key);
    if (found == ropes_.end())
      found = ropes_
                  .try_emplace(key, inverse_frequencies(rope, config_->head_dim, length[s]),
                               static_cast<float>(rope.attention_factor))
                  .first;
    // A table for one length alone is used at few positions when tokens come one by one; the others grow.
    found->second.cover(rope.type == RopeType::kDynamic && key != 0 ? first[s] : 0, length[s]);
    tables[s] = &found->second;
  }
  for (Row& row : rows_) row.rope = tables[root[row.sequence]];
}

/// Normalises (Qwen3) and rotates every head of a row.
void BlockState::prepare_heads(std::span<const float> norm, const Row& place, std::span<float> row) const {
  for (std::size_t first = 0; first < row.size(); first += config_->head_dim) {
    const std::span<float> head = row.subspan(first, config_->head_dim);
    if (!norm.empty()) kernels::rms_norm(head, norm, static_cast<float>(config_->rms_norm_eps), head);
    place.rope->rotate(head, place.position);
  }
}

void BlockState::attend(const Layer& layer, std::size_t layer_index, std::span<const SequenceSpan> sequences,
                        MatrixView<const float> normed, MatrixView<float> attended) {
  const std::size_t tokens = normed.rows();
  place_sequences(layer_index, sequences);
  LIEQ_CHECK(rows_.size() == tokens && attended.rows() == tokens);
  choose_rotations(sequences);
  const MatrixView<float> q = q_.matrix(tokens, config_->q_size());
  const MatrixView<float> k = k_.matrix(tokens, config_->kv_size());
  const MatrixView<float> v = v_.matrix(tokens, config_->kv_size());
  const auto task = [&](LinearKind kind, MatrixView<float> y) {
    return kernels::LinearTask{&layer.linear(kind).weight, layer.linear(kind).bias, y};
  };
  kernels::linear_many(*threads_, std::array{task(LinearKind::kQ, q), task(LinearKind::kK, k), task(LinearKind::kV, v)},
                       normed, arithmetic_, linear_);
  for_rows(*threads_, tokens, [&](std::size_t t) {
    prepare_heads(layer.q_norm, rows_[t], q.row(t));
    prepare_heads(layer.k_norm, rows_[t], k.row(t));
    const AttentionSequence& sequence = sequences_[rows_[t].sequence];
    const kernels::KeyValues& page = sequence.page_of(rows_[t].position);
    kernels::store_key_values(page, rows_[t].position % page.capacity, k.rows(t, 1), v.rows(t, 1));
  });
  store_ancestors(sequences, k, v);
  kernels::attention(*threads_, config_->num_attention_heads, sequences_, q, attention_, attended);
}

void BlockState::mlp_gate(const Layer& layer, MatrixView<const float> normed, MatrixView<float> gated) {
  const MatrixView<float> up = up_.matrix(normed.rows(), config_->intermediate_size);
  const Linear &gate_linear = layer.linear(LinearKind::kGate), &up_linear = layer.linear(LinearKind::kUp);
  kernels::linear_many(*threads_,
                       std::array{kernels::LinearTask{&gate_linear.weight, gate_linear.bias, gated},
                                  kernels::LinearTask{&up_linear.weight, up_linear.bias, up}},
                       normed, arithmetic_, linear_);
  for_rows(*threads_, normed.rows(), [&](std::size_t t) { kernels::silu_multiply(gated.row(t), up.row(t)); });
}

void BlockState::add_linear(const Linear& linear, MatrixView<const float> input, MatrixView<float> x) {
  const MatrixView<float> delta = delta_.matrix(input.rows(), linear.weight.rows);
  apply(linear, input, delta);
  for_rows(*threads_, x.rows(), [&](std::size_t t) { kernels::add(x.row(t), delta.row(t)); });
}

void norm_rows(const ModelConfig& config, Threads& threads, MatrixView<const float> x, std::span<const float> weight,
               MatrixView<float> y) {
  for_rows(threads, x.rows(), [&](std::size_t t) {
    kernels::rms_norm(x.row(t), weight, static_cast<float>(config.rms_norm_eps), y.row(t));
  });
}

}  // namespace lieq::model
