#include "lieq/model/forward.h"

#include <algorithm>
#include <cmath>

#include "lieq/kernels/elementwise.h"

namespace lieq::model {

void embed(const Model& model, std::span<const TokenId> tokens, Threads& threads, MatrixView<float> x) {
  LIEQ_CHECK(x.rows() == tokens.size() && x.cols() == model.config.hidden_size);
  threads.for_each(tokens.size(), [&](std::size_t t, std::size_t) {
    LIEQ_CHECK(tokens[t] >= 0 && static_cast<std::size_t>(tokens[t]) < model.config.vocab_size);
    kernels::decode_row(model.embed_tokens, static_cast<std::size_t>(tokens[t]), x.row(t).data());
    if (model.config.embedding_multiplier != 1) kernels::scale(x.row(t), model.config.embedding_multiplier);
  });
}

void run_block(const Model& model, std::size_t l, std::span<const SequenceSpan> sequences, MatrixView<float> x,
               RunState& state, Observer* observer) {
  const ModelConfig& config = model.config;
  const Layer& layer = model.layers[l];
  const std::size_t tokens = x.rows();
  if (tokens == 0) return;
  const auto observe = [&](std::initializer_list<LinearKind> kinds, MatrixView<const float> input) {
    if (observer) observer->linear_input(l, std::span(kinds.begin(), kinds.size()), input);
  };
  if (observer) observer->block_input(l, x);

  const MatrixView<float> normed = state.normed.matrix(tokens, config.hidden_size);
  norm_rows(config, state.threads(), x, layer.input_layernorm, normed);
  observe({LinearKind::kQ, LinearKind::kK, LinearKind::kV}, normed);
  const MatrixView<float> attended = state.attended.matrix(tokens, config.q_size());
  state.block.attend(layer, l, sequences, normed, attended);
  observe({LinearKind::kO}, attended);
  state.block.add_output(layer, LinearKind::kO, attended, x);

  norm_rows(config, state.threads(), x, layer.post_attention_layernorm, normed);
  observe({LinearKind::kGate, LinearKind::kUp}, normed);
  const MatrixView<float> gated = state.gated.matrix(tokens, config.intermediate_size);
  state.block.mlp_gate(layer, normed, gated);
  observe({LinearKind::kDown}, gated);
  state.block.add_output(layer, LinearKind::kDown, gated, x);
  if (observer) observer->block_output(l, x);
}

void final_norm(const Model& model, Threads& threads, MatrixView<float> x) {
  norm_rows(model.config, threads, x, model.norm, x);
}

void forward(const Model& model, std::span<const TokenId> tokens, std::span<const SequenceSpan> sequences,
             RunState& state, MatrixView<float> hidden, const ForwardOptions& options) {
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
  state.block.apply({model.lm_head, {}}, hidden, out);
  const float divisor = model.config.logits_scaling, cap = model.config.final_logit_softcap;
  if (divisor == 1 && cap == 0) return;
  state.threads().for_each(out.rows(), [&](std::size_t t, std::size_t) {
    for (float& logit : out.row(t)) {
      logit /= divisor;
      if (cap != 0) logit = cap * std::tanh(logit / cap);
    }
  });
}

std::size_t logit_slice_rows(const ModelConfig& config) {
  return std::max<std::size_t>(1, kLogitSliceBytes / sizeof(float) / config.vocab_size);
}

}  // namespace lieq::model
