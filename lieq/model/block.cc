#include "lieq/model/block.h"

#include <algorithm>
#include <vector>

#include "lieq/kernels/attention.h"
#include "lieq/kernels/elementwise.h"

namespace lieq::model {
namespace {

using kernels::AttentionSequence;

/// The position of each row of the batch in its sequence.
std::vector<std::size_t> positions_of(std::span<const SequenceSpan> sequences) {
  std::vector<std::size_t> positions, ends(sequences.size());
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const SequenceSpan& sequence = sequences[s];
    LIEQ_CHECK(sequence.parent == kNoParent ||
               (sequence.parent < s && !sequence.cache && !sequences[sequence.parent].cache));
    const std::size_t past = sequence.cache                 ? sequence.cache->length()
                             : sequence.parent != kNoParent ? ends[sequence.parent]
                                                            : 0;
    ends[s] = past + sequence.tokens;
    for (std::size_t t = past; t < ends[s]; ++t) positions.push_back(t);
  }
  return positions;
}

/// Normalises (Qwen3) and rotates every head of every row.
void prepare_heads(Threads& threads, const ModelConfig& config, std::span<const float> norm,
                   std::span<const std::size_t> positions, const kernels::RopeTable& rope, MatrixView<float> x) {
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) {
    for (std::size_t first = 0; first < x.cols(); first += config.head_dim) {
      const std::span<float> head = x.row(t).subspan(first, config.head_dim);
      if (!norm.empty()) kernels::rms_norm(head, norm, static_cast<float>(config.rms_norm_eps), head);
      rope.rotate(head, positions[t]);
    }
  });
}

/// Views of each sequence's keys and values; with a cache, the new rows are copied behind its old ones first.
std::vector<AttentionSequence> gather_sequences(std::span<const SequenceSpan> sequences, std::size_t layer,
                                                MatrixView<const float> k, MatrixView<const float> v) {
  std::vector<AttentionSequence> gathered;
  std::size_t first = 0;
  for (const SequenceSpan& sequence : sequences) {
    MatrixView<const float> keys = k.rows(first, sequence.tokens), values = v.rows(first, sequence.tokens);
    std::size_t past = 0;
    if (KvCache* cache = sequence.cache) {
      past = cache->length();
      const MatrixView<float> all_keys = cache->keys(layer, past + sequence.tokens);
      const MatrixView<float> all_values = cache->values(layer, past + sequence.tokens);
      for (std::size_t t = 0; t < sequence.tokens; ++t) {
        std::ranges::copy(keys.row(t), all_keys.row(past + t).begin());
        std::ranges::copy(values.row(t), all_values.row(past + t).begin());
      }
      keys = all_keys;
      values = all_values;
    }
    gathered.push_back({first, past, keys, values});
    first += sequence.tokens;
  }
  return gathered;
}

/// Puts the keys and values of each sequence with a parent behind copies of those of its ancestors: attention reads one
/// piece of memory. The copies cost far less than running the ancestors' tokens again.
void join_ancestors(Threads& threads, std::span<const SequenceSpan> sequences, kernels::Buffer<float>& keys,
                    kernels::Buffer<float>& values, std::vector<AttentionSequence>& gathered) {
  std::vector<std::size_t> lengths(sequences.size()), offsets(sequences.size());
  std::size_t total = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    lengths[s] = gathered[s].keys.rows();
    if (sequences[s].parent == kNoParent) continue;
    lengths[s] += lengths[sequences[s].parent];
    offsets[s] = total;
    total += lengths[s];
  }
  if (total == 0) return;
  const std::size_t width = gathered[0].keys.cols();
  const MatrixView<float> all_keys = keys.matrix(total, width), all_values = values.matrix(total, width);
  const auto copy_chain = [&](std::size_t s, std::size_t) {
    if (sequences[s].parent == kNoParent) return;
    for (std::size_t ancestor = s; ancestor != kNoParent; ancestor = sequences[ancestor].parent) {
      const AttentionSequence& part = gathered[ancestor];
      const std::size_t first = offsets[s] + lengths[ancestor] - part.keys.rows();
      std::copy_n(part.keys.data(), part.keys.rows() * width, all_keys.rows(first, part.keys.rows()).data());
      std::copy_n(part.values.data(), part.keys.rows() * width, all_values.rows(first, part.keys.rows()).data());
    }
  };
  threads.for_each(sequences.size(), copy_chain);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    if (sequences[s].parent == kNoParent) continue;
    gathered[s].past = lengths[sequences[s].parent];
    gathered[s].keys = all_keys.rows(offsets[s], lengths[s]);
    gathered[s].values = all_values.rows(offsets[s], lengths[s]);
  }
}

}  // namespace

BlockState::BlockState(const ModelConfig& config, Threads& threads, kernels::Compute compute)
    : config_(&config), threads_(&threads), compute_(compute), rope_(inverse_frequencies(config)) {}

void BlockState::apply(const Linear& linear, MatrixView<const float> x, MatrixView<float> y) {
  kernels::linear(*threads_, linear.weight, linear.bias, x, compute_, linear_, y);
}

void BlockState::attend(const Layer& layer, std::size_t layer_index, std::span<const SequenceSpan> sequences,
                        MatrixView<const float> normed, MatrixView<float> attended) {
  const std::size_t tokens = normed.rows();
  const std::vector<std::size_t> positions = positions_of(sequences);
  LIEQ_CHECK(positions.size() == tokens && attended.rows() == tokens);
  rope_.extend(1 + *std::ranges::max_element(positions));
  const MatrixView<float> q = q_.matrix(tokens, config_->q_size());
  const MatrixView<float> k = k_.matrix(tokens, config_->kv_size());
  const MatrixView<float> v = v_.matrix(tokens, config_->kv_size());
  apply(layer.linear(LinearKind::kQ), normed, q);
  apply(layer.linear(LinearKind::kK), normed, k);
  apply(layer.linear(LinearKind::kV), normed, v);
  prepare_heads(*threads_, *config_, layer.q_norm, positions, rope_, q);
  prepare_heads(*threads_, *config_, layer.k_norm, positions, rope_, k);
  std::vector<AttentionSequence> gathered = gather_sequences(sequences, layer_index, k, v);
  join_ancestors(*threads_, sequences, joined_keys_, joined_values_, gathered);
  kernels::attention(*threads_, {config_->num_attention_heads, config_->num_key_value_heads, config_->head_dim},
                     gathered, q, attended);
}

void BlockState::mlp_gate(const Layer& layer, MatrixView<const float> normed, MatrixView<float> gated) {
  const MatrixView<float> up = up_.matrix(normed.rows(), config_->intermediate_size);
  apply(layer.linear(LinearKind::kGate), normed, gated);
  apply(layer.linear(LinearKind::kUp), normed, up);
  threads_->for_each(normed.rows(), [&](std::size_t t, std::size_t) { kernels::silu_multiply(gated.row(t), up.row(t)); });
}

void BlockState::add_linear(const Linear& linear, MatrixView<const float> input, MatrixView<float> x) {
  const MatrixView<float> delta = delta_.matrix(input.rows(), linear.weight.rows);
  apply(linear, input, delta);
  threads_->for_each(x.rows(), [&](std::size_t t, std::size_t) { kernels::add(x.row(t), delta.row(t)); });
}

void norm_rows(const ModelConfig& config, Threads& threads, MatrixView<const float> x, std::span<const float> weight,
               MatrixView<float> y) {
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) {
    kernels::rms_norm(x.row(t), weight, static_cast<float>(config.rms_norm_eps), y.row(t));
  });
}

}  // namespace lieq::model
