#include "lieq/quantize/streams.h"

#include <algorithm>

namespace lieq::quantize {
namespace {

using model::LinearKind;

/// target = a - b
void subtract(Threads& threads, MatrixView<const float> a, MatrixView<const float> b, MatrixView<float> target) {
  threads.for_each(a.rows(), [&](std::size_t t, std::size_t) {
    for (std::size_t j = 0; j < a.cols(); ++j) target(t, j) = a(t, j) - b(t, j);
  });
}

bool norm_behind(const model::Layer& layer, LinearKind kind) {
  return !(kind == LinearKind::kO ? layer.attention_output_norm : layer.mlp_output_norm).empty();
}

}  // namespace

std::size_t chunk_windows(std::size_t window) {
  constexpr std::size_t kChunkTokens = 2048;
  return std::max<std::size_t>(1, kChunkTokens / window);
}

Streams::Streams(const model::Model& model, std::span<const model::TokenId> ids, std::size_t window,
                 const Options& options, Threads& threads, Sink& sink)
    : config_(model.config),
      window_(window),
      has_plain_(options.corrected_target || options.method == Method::kOmniQuant),
      magnitudes_(options.method == Method::kAwq),
      residual_weight_(options.residual_weight),
      tree_(ids.size() / window, window, threads.ranks()),
      tokens_(tree_.own_windows().count() * window),
      threads_(threads),
      sink_(sink),
      block_(model.config, threads, kernels::Compute::kF32),
      quantised_(tokens_ * model.config.hidden_size) {
  model::embed(model, ids.subspan(tree_.own_windows().first * window, tokens_), threads, quantised());
  if (has_plain_) plain_ = quantised_;
}

/// Calls step(first token, tokens) for chunks of whole windows of this rank, told as windows of `what`, and
/// end_leaf(leaf) after those of a leaf. Borders depend on the text alone, so that a resumed walk and one on more
/// ranks make the same products.
template <class Step, class EndLeaf>
void Streams::in_leaves(std::string_view what, const Step& step, const EndLeaf& end_leaf) {
  const std::size_t chunk = chunk_windows(window_);
  const Share own = tree_.own_windows();
  for (std::size_t leaf = tree_.own_leaves().first; leaf < tree_.own_leaves().last; ++leaf) {
    const Share windows = tree_.windows_of(leaf);
    for (std::size_t first = windows.first; first < windows.last; first += chunk) {
      sink_.detail(what, first - own.first, own.count());
      step((first - own.first) * window_, std::min(chunk, windows.last - first) * window_);
    }
    if (windows.count() > 0) end_leaf(leaf);
  }
}

template <class Step>
void Streams::in_chunks(std::string_view what, const Step& step) {
  in_leaves(what, step, [](std::size_t) {});
}

template <class Step>
InputStatistics Streams::gather(std::string_view what, std::size_t in, std::size_t cross_rows, const Step& step) {
  Sums sums{ProductSum::symmetric(in), ProductSum(has_plain() ? cross_rows : 0, has_plain() ? in : 0),
            MagnitudeSum(magnitudes_ ? in : 0)};
  const auto end_leaf = [&](std::size_t leaf) {
    sums.square.end_leaf(threads_, leaf);
    sums.cross.end_leaf(threads_, leaf);
    sums.magnitudes.end_leaf(threads_, leaf);
  };
  in_leaves(
      what, [&](std::size_t first, std::size_t count) { step(first, count, sums); }, end_leaf);
  sums.square.join_leaves(threads_);
  sums.cross.join_leaves(threads_);
  sums.magnitudes.join_leaves(threads_);
  return {sums.square.take_symmetric(threads_), sums.magnitudes.take(tree_.windows() * window_), sums.cross.take(),
          false};
}

MatrixView<float> Streams::normed(std::vector<float>& x, std::size_t first, std::size_t count,
                                  const std::vector<float>& weight, kernels::Buffer<float>& buffer) {
  const MatrixView<float> y = buffer.matrix(count, config_.hidden_size);
  norm_rows(config_, threads_, stream(x).rows(first, count), weight, y);
  return y;
}

void Streams::attend(const model::Layer& layer, std::size_t l, MatrixView<const float> x, MatrixView<float> y) {
  const std::vector<model::SequenceSpan> sequences(x.rows() / window_, {window_, nullptr});
  block_.attend(layer, l, sequences, x, y);
}

InputStatistics Streams::of_normed(const model::Layer& original, const model::Layer& layer, bool attention) {
  const auto norm_of = [&](const model::Layer& one) -> const std::vector<float>& {
    return attention ? one.input_layernorm : one.post_attention_layernorm;
  };
  const std::size_t in = config_.hidden_size;
  return gather(attention ? "inputs of q, k, v: windows" : "inputs of gate, up: windows", in, in,
                [&](std::size_t first, std::size_t count, Sums& sums) {
                  const MatrixView<float> x = normed(quantised_, first, count, norm_of(layer), inputs_);
                  sums.square.add_square(threads_, x);
                  sums.magnitudes.add(threads_, x);
                  if (!has_plain()) return;
                  const MatrixView<float> plain_x = normed(plain_, first, count, norm_of(original), plain_inputs_);
                  subtract(threads_, plain_x, x, plain_x);
                  sums.cross.add(threads_, plain_x, x);
                });
}

/// cross += (W (x_fp - x_q) + a / r (h_fp - h_q))ᵀ x_q, the residual streams as they were before the linear, r the
/// residual multiplier. A norm behind the linear would divide what it adds for the streams: then a is 0.
void Streams::add_output_error(const model::Layer& original, LinearKind kind, MatrixView<const float> plain_x,
                               MatrixView<const float> x, std::size_t first, ProductSum& cross) {
  const model::Linear& linear = original.linear(kind);
  const std::size_t count = x.rows(), out = linear.weight.rows;
  const MatrixView<float> delta = difference_.matrix(count, x.cols()), error = output_.matrix(count, out);
  subtract(threads_, plain_x, x, delta);
  block_.apply({linear.weight, {}}, delta, error);
  const float share =
      norm_behind(original, kind) ? 0 : static_cast<float>(residual_weight_) / config_.residual_multiplier;
  const MatrixView<const float> h = plain().rows(first, count), g = quantised().rows(first, count);
  threads_.for_each(count, [&](std::size_t t, std::size_t) {
    for (std::size_t j = 0; j < out; ++j) error(t, j) += share * (h(t, j) - g(t, j));
  });
  cross.add(threads_, error, x);
}

InputStatistics Streams::of_attended(const model::Layer& original, const model::Layer& layer, std::size_t l) {
  const std::size_t in = config_.q_size();
  const MatrixView<float> attended = kept_.matrix(tokens_, in);
  const auto step = [&](std::size_t first, std::size_t count, Sums& sums) {
    const MatrixView<float> x = attended.rows(first, count);
    attend(layer, l, normed(quantised_, first, count, layer.input_layernorm, inputs_), x);
    sums.square.add_square(threads_, x);
    sums.magnitudes.add(threads_, x);
    if (!has_plain()) return;
    const MatrixView<float> plain_x = plain_inputs_.matrix(count, in);
    attend(original, l, normed(plain_, first, count, original.input_layernorm, inputs_), plain_x);
    add_output_error(original, LinearKind::kO, plain_x, x, first, sums.cross);
    block_.add_output(original, LinearKind::kO, plain_x, plain().rows(first, count));
  };
  InputStatistics statistics = gather("inputs of o: windows", in, config_.hidden_size, step);
  statistics.cross_is_output = true;
  return statistics;
}

void Streams::finish_attention(const model::Layer& layer, std::size_t l, bool changed) {
  const MatrixView<float> attended = kept_.matrix(tokens_, config_.q_size());
  in_chunks("outputs of o: windows", [&](std::size_t first, std::size_t count) {
    const MatrixView<float> x = attended.rows(first, count);
    if (changed) attend(layer, l, normed(quantised_, first, count, layer.input_layernorm, inputs_), x);
    block_.add_output(layer, LinearKind::kO, x, quantised().rows(first, count));
  });
}

InputStatistics Streams::of_gated(const model::Layer& original, const model::Layer& layer) {
  const std::size_t in = config_.intermediate_size;
  const std::size_t chunk = chunk_windows(window_) * window_;
  const MatrixView<float> all = kept_.matrix(keeps_gated() ? tokens_ : chunk, in);
  const auto step = [&](std::size_t first, std::size_t count, Sums& sums) {
    const MatrixView<float> x = all.rows(keeps_gated() ? first : 0, count);
    block_.mlp_gate(layer, normed(quantised_, first, count, layer.post_attention_layernorm, inputs_), x);
    sums.square.add_square(threads_, x);
    sums.magnitudes.add(threads_, x);
    if (!has_plain()) return;
    const MatrixView<float> plain_x = plain_inputs_.matrix(count, in);
    block_.mlp_gate(original, normed(plain_, first, count, original.post_attention_layernorm, inputs_), plain_x);
    add_output_error(original, LinearKind::kDown, plain_x, x, first, sums.cross);
    block_.add_output(original, LinearKind::kDown, plain_x, plain().rows(first, count));
  };
  InputStatistics statistics = gather("inputs of down: windows", in, config_.hidden_size, step);
  statistics.cross_is_output = true;
  return statistics;
}

void Streams::finish_mlp(const model::Layer& layer, bool changed) {
  const std::size_t in = config_.intermediate_size;
  const bool again = changed || !keeps_gated();
  in_chunks("outputs of down: windows", [&](std::size_t first, std::size_t count) {
    const MatrixView<float> x = again ? plain_inputs_.matrix(count, in) : kept_.matrix(tokens_, in).rows(first, count);
    if (again) block_.mlp_gate(layer, normed(quantised_, first, count, layer.post_attention_layernorm, inputs_), x);
    block_.add_output(layer, LinearKind::kDown, x, quantised().rows(first, count));
  });
}

/// The steps of one block in the chunks that quantising takes them in.
void Streams::run(std::vector<float>& x, const model::Layer& layer, std::size_t l) {
  in_chunks("outputs of the layer: windows", [&](std::size_t first, std::size_t count) {
    const MatrixView<float> rows = stream(x).rows(first, count);
    const MatrixView<float> attended = plain_inputs_.matrix(count, config_.q_size());
    attend(layer, l, normed(x, first, count, layer.input_layernorm, inputs_), attended);
    block_.add_output(layer, LinearKind::kO, attended, rows);
    const MatrixView<float> gated = plain_inputs_.matrix(count, config_.intermediate_size);
    block_.mlp_gate(layer, normed(x, first, count, layer.post_attention_layernorm, inputs_), gated);
    block_.add_output(layer, LinearKind::kDown, gated, rows);
  });
}

}  // namespace lieq::quantize
