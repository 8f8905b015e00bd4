#include "lieq/model/forward.h"

#include <algorithm>

#include "lieq/kernels/attention.h"
#include "lieq/kernels/elementwise.h"

namespace lieq::model {
namespace {

using kernels::AttentionSequence;

void norm_rows(Threads& threads, MatrixView<const float> x, std::span<const float> weight, double epsilon,
               MatrixView<float> y) {
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) {
    kernels::rms_norm(x.row(t), weight, static_cast<float>(epsilon), y.row(t));
  });
}

void add_rows(Threads& threads, MatrixView<float> x, MatrixView<const float> y) {
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) { kernels::add(x.row(t), y.row(t)); });
}

/// The sequence a row of the batch belongs to, as its position.
std::vector<std::size_t> positions_of(std::span<const SequenceSpan> sequences) {
  std::vector<std::size_t> positions;
  for (const SequenceSpan& sequence : sequences) {
    const std::size_t past = sequence.cache ? sequence.cache->length() : 0;
    for (std::size_t t = 0; t < sequence.tokens; ++t) positions.push_back(past + t);
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

}  // namespace

RunState::RunState(const Model& model, Threads& threads, kernels::Compute compute)
    : threads_(&threads), compute_(compute), rope_(inverse_frequencies(model.config)) {}

void embed(const Model& model, std::span<const TokenId> tokens, Threads& threads, MatrixView<float> x) {
  LIEQ_CHECK(x.rows() == tokens.size() && x.cols() == model.config.hidden_size);
  threads.for_each(tokens.size(), [&](std::size_t t, std::size_t) {
    LIEQ_CHECK(tokens[t] >= 0 && static_cast<std::size_t>(tokens[t]) < model.config.vocab_size);
    kernels::decode_row(model.embed_tokens, static_cast<std::size_t>(tokens[t]), x.row(t).data());
  });
}

void run_block(const Model& model, std::size_t l, std::span<const SequenceSpan> sequences, MatrixView<float> x,
               RunState& state, Observer* observer) {
  const ModelConfig& config = model.config;
  const Layer& layer = model.layers[l];
  Threads& threads = state.threads();
  const std::size_t tokens = x.rows();
  const std::vector<std::size_t> positions = positions_of(sequences);
  LIEQ_CHECK(positions.size() == tokens);
  if (tokens == 0) return;
  state.rope_.extend(1 + *std::ranges::max_element(positions));

  const auto apply = [&](LinearKind kind, MatrixView<const float> input, MatrixView<float> output) {
    const Linear& linear = layer.linear(kind);
    kernels::linear(threads, linear.weight, linear.bias, input, state.compute_, state.linear_, output);
  };
  const auto observe = [&](std::initializer_list<LinearKind> kinds, MatrixView<const float> input) {
    if (observer) observer->linear_input(l, std::span(kinds.begin(), kinds.size()), input);
  };
  if (observer) observer->block_input(l, x);

  // Attention: x += o_proj(attention(q, k, v)).
  const MatrixView<float> normed = state.normed_.matrix(tokens, config.hidden_size);
  const MatrixView<float> delta = state.delta_.matrix(tokens, config.hidden_size);
  norm_rows(threads, x, layer.input_layernorm, config.rms_norm_eps, normed);
  observe({LinearKind::kQ, LinearKind::kK, LinearKind::kV}, normed);
  const MatrixView<float> q = state.q_.matrix(tokens, config.q_size());
  const MatrixView<float> k = state.k_.matrix(tokens, config.kv_size());
  const MatrixView<float> v = state.v_.matrix(tokens, config.kv_size());
  apply(LinearKind::kQ, normed, q);
  apply(LinearKind::kK, normed, k);
  apply(LinearKind::kV, normed, v);
  prepare_heads(threads, config, layer.q_norm, positions, state.rope_, q);
  prepare_heads(threads, config, layer.k_norm, positions, state.rope_, k);
  const MatrixView<float> attended = state.attended_.matrix(tokens, config.q_size());
  kernels::attention(threads, {config.num_attention_heads, config.num_key_value_heads, config.head_dim},
                     gather_sequences(sequences, l, k, v), q, attended);
  observe({LinearKind::kO}, attended);
  apply(LinearKind::kO, attended, delta);
  add_rows(threads, x, delta);

  // MLP: x += down_proj(silu(gate_proj) * up_proj).
  norm_rows(threads, x, layer.post_attention_layernorm, config.rms_norm_eps, normed);
  observe({LinearKind::kGate, LinearKind::kUp}, normed);
  const MatrixView<float> gate = state.gate_.matrix(tokens, config.intermediate_size);
  const MatrixView<float> up = state.up_.matrix(tokens, config.intermediate_size);
  apply(LinearKind::kGate, normed, gate);
  apply(LinearKind::kUp, normed, up);
  threads.for_each(tokens, [&](std::size_t t, std::size_t) { kernels::silu_multiply(gate.row(t), up.row(t)); });
  observe({LinearKind::kDown}, gate);
  apply(LinearKind::kDown, gate, delta);
  add_rows(threads, x, delta);
  if (observer) observer->block_output(l, x);
}

void final_norm(const Model& model, Threads& threads, MatrixView<float> x) {
  norm_rows(threads, x, model.norm, model.config.rms_norm_eps, x);
}

void forward(const Model& model, std::span<const TokenId> tokens, std::span<const SequenceSpan> sequences, RunState& state,
             MatrixView<float> hidden, const ForwardOptions& options) {
  embed(model, tokens, state.threads(), hidden);
  for (std::size_t l = 0; l < model.layers.size(); ++l) {
    if (options.skip_layer == l) continue;
    run_block(model, l, sequences, hidden, state, options.observer);
  }
  for (const SequenceSpan& sequence : sequences)
    if (sequence.cache) sequence.cache->advance(sequence.tokens);
  final_norm(model, state.threads(), hidden);
}

void logits(const Model& model, MatrixView<const float> hidden, RunState& state, MatrixView<float> out) {
  kernels::linear(state.threads(), model.lm_head, {}, hidden, state.compute_, state.linear_, out);
}

std::size_t logit_slice_rows(const ModelConfig& config) {
  constexpr std::size_t kSliceBytes = std::size_t{64} << 20;
  return std::max<std::size_t>(1, kSliceBytes / sizeof(float) / config.vocab_size);
}

}  // namespace lieq::model
