#include "lieq/quantize/run.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/quantize/activations.h"
#include "lieq/quantize/learnt_clipping.h"
#include "lieq/quantize/shared_fit.h"
#include "lieq/quantize/window_tree.h"
#include "lieq/tune/check.h"

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

/// Says which steps of the recipe a family's norms leave no room for.
void tell_left_out(const model::ModelConfig& config, const Options& options, Sink& sink) {
  if (options.method == Method::kRtn) return;
  if (config.norms == model::NormPlacement::kAfter && (options.refit_gains || options.method == Method::kAwq))
    sink.note("gains of the inputs of q, k, v and of gate, up are left out: no norm is before them");
  if (config.norms != model::NormPlacement::kBefore && options.corrected_target && options.residual_weight != 0)
    sink.note("the residual stream's error is left out of the targets of o and down: a norm is behind them");
}

}  // namespace

struct LayerWalk::Impl {
  Impl(const model::Model& m, const Options& o, std::size_t w, std::size_t windows, Threads& t, Sink& s)
      : model(m),
        config(m.config),
        options(o),
        window(w),
        tree(windows, w, t.ranks()),
        tokens(tree.own_windows().count() * w),
        threads(t),
        sink(s),
        block(m.config, t, kernels::Compute::kF32) {}

  const model::Model& model;
  const model::ModelConfig& config;
  Options options;
  std::size_t window;
  WindowTree tree;
  std::size_t tokens;  // of this rank's windows
  Threads& threads;
  Sink& sink;
  std::size_t next_layer = 0;
  model::BlockState block;
  std::vector<float> plain, quantised;      // the residual streams, [tokens, hidden_size]
  std::optional<ClippingScratch> clipping;  // Method::kOmniQuant
  kernels::Buffer<float> plain_inputs, inputs, difference, output, kept;

  [[nodiscard]] bool uses_activations() const { return options.method != Method::kRtn; }
  [[nodiscard]] bool uses_magnitudes() const { return options.method == Method::kAwq; }
  [[nodiscard]] bool learns() const { return options.method == Method::kOmniQuant; }
  [[nodiscard]] bool uses_plain() const { return learns() || (uses_activations() && options.corrected_target); }
  [[nodiscard]] MatrixView<float> stream(std::vector<float>& x) const { return {x.data(), tokens, config.hidden_size}; }

  /// Calls step(first token, tokens) for chunks of whole windows of this rank, told as windows of `what`, and
  /// end_leaf(leaf) after those of a leaf. Borders depend on the text alone, so that a resumed walk and one on more
  /// ranks make the same products.
  template <class Step, class EndLeaf>
  void in_leaves(std::string_view what, const Step& step, const EndLeaf& end_leaf) {
    const std::size_t chunk = chunk_windows(window);
    const Share own = tree.own_windows();
    for (std::size_t leaf = tree.own_leaves().first; leaf < tree.own_leaves().last; ++leaf) {
      const Share windows = tree.windows_of(leaf);
      for (std::size_t first = windows.first; first < windows.last; first += chunk) {
        sink.detail(what, first - own.first, own.count());
        step((first - own.first) * window, std::min(chunk, windows.last - first) * window);
      }
      if (windows.count() > 0) end_leaf(leaf);
    }
  }
  template <class Step>
  void in_chunks(std::string_view what, const Step& step) {
    in_leaves(what, step, [](std::size_t) {});
  }

  MatrixView<float> normed(std::vector<float>& x, std::size_t first, std::size_t count,
                           const std::vector<float>& weight, kernels::Buffer<float>& buffer) {
    const MatrixView<float> y = buffer.matrix(count, config.hidden_size);
    norm_rows(config, threads, stream(x).rows(first, count), weight, y);
    return y;
  }
  void attend(const model::Layer& layer, std::size_t l, MatrixView<const float> x, MatrixView<float> y) {
    const std::vector<model::SequenceSpan> sequences(x.rows() / window, {window, nullptr});
    block.attend(layer, l, sequences, x, y);
  }

  /// The sums over all inputs of `in` numbers that step(first token, tokens, sums) adds to, for chunks of this rank.
  struct Sums {
    ProductSum square, cross;
    MagnitudeSum magnitudes;
  };
  template <class Step>
  InputStatistics gather(std::string_view what, std::size_t in, std::size_t cross_rows, const Step& step);
  InputStatistics gather_normed(const model::Layer& original, const model::Layer& layer, bool attention);
  InputStatistics gather_attended(const model::Layer& original, const model::Layer& layer, std::size_t l);
  InputStatistics gather_gated(const model::Layer& original, const model::Layer& layer);
  void add_output_error(const model::Layer& original, LinearKind kind, MatrixView<const float> plain_x,
                        MatrixView<const float> x, std::size_t first, ProductSum& cross);
  void finish_attention(const model::Layer& layer, std::size_t l, bool have_attended);
  void finish_mlp(const model::Layer& layer, bool have_gated);
  void run_layer(std::vector<float>& x, const model::Layer& layer, std::size_t l);
  [[nodiscard]] bool keeps_gated() const { return tokens * config.intermediate_size * sizeof(float) <= kKeptBytes; }

  [[nodiscard]] GainChannels attended_channels() const;
  [[nodiscard]] GainChannels gated_channels() const;
  /// Fits and stores; returns the gains for the caller to fold in.
  Result<std::vector<float>> fit(std::size_t l, const LayerWidths& widths, std::span<const LinearKind> kinds,
                                 InputStatistics statistics, const GainChannels& channels, QuantizedLayer& result,
                                 PackedLayer& work);
  void fold_into_rows(LinearKind kind, std::span<const float> gains, QuantizedLayer& result, PackedLayer& work);
  Result<QuantizedLayer> quantize(std::size_t l, const LayerWidths& widths);
  Result<QuantizedLayer> quantize_clipped(std::size_t l, const LayerWidths& widths);
};

template <class Step>
InputStatistics LayerWalk::Impl::gather(std::string_view what, std::size_t in, std::size_t cross_rows,
                                        const Step& step) {
  Sums sums{ProductSum::symmetric(in), ProductSum(uses_plain() ? cross_rows : 0, uses_plain() ? in : 0),
            MagnitudeSum(uses_magnitudes() ? in : 0)};
  const auto end_leaf = [&](std::size_t leaf) {
    sums.square.end_leaf(threads, leaf);
    sums.cross.end_leaf(threads, leaf);
    sums.magnitudes.end_leaf(threads, leaf);
  };
  in_leaves(
      what, [&](std::size_t first, std::size_t count) { step(first, count, sums); }, end_leaf);
  sums.square.join_leaves(threads);
  sums.cross.join_leaves(threads);
  sums.magnitudes.join_leaves(threads);
  return {sums.square.take_symmetric(threads), sums.magnitudes.take(tree.windows() * window), sums.cross.take(), false};
}

/// Statistics of what q, k and v read, or gate and up: the normed streams.
InputStatistics LayerWalk::Impl::gather_normed(const model::Layer& original, const model::Layer& layer,
                                               bool attention) {
  const auto norm_of = [&](const model::Layer& one) -> const std::vector<float>& {
    return attention ? one.input_layernorm : one.post_attention_layernorm;
  };
  const std::size_t in = config.hidden_size;
  return gather(attention ? "inputs of q, k, v: windows" : "inputs of gate, up: windows", in, in,
                [&](std::size_t first, std::size_t count, Sums& sums) {
                  const MatrixView<float> x = normed(quantised, first, count, norm_of(layer), inputs);
                  sums.square.add_square(threads, x);
                  sums.magnitudes.add(threads, x);
                  if (!uses_plain()) return;
                  const MatrixView<float> plain_x = normed(plain, first, count, norm_of(original), plain_inputs);
                  subtract(threads, plain_x, x, plain_x);
                  sums.cross.add(threads, plain_x, x);
                });
}

/// cross += (W (x_fp - x_q) + a / r (h_fp - h_q))ᵀ x_q, the residual streams as they were before the linear, r the
/// residual multiplier. A norm behind the linear would divide what it adds for the streams: then a is 0.
void LayerWalk::Impl::add_output_error(const model::Layer& original, LinearKind kind, MatrixView<const float> plain_x,
                                       MatrixView<const float> x, std::size_t first, ProductSum& cross) {
  const model::Linear& linear = original.linear(kind);
  const std::size_t count = x.rows(), out = linear.weight.rows;
  const MatrixView<float> delta = difference.matrix(count, x.cols()), error = output.matrix(count, out);
  subtract(threads, plain_x, x, delta);
  block.apply({linear.weight, {}}, delta, error);
  const float share =
      norm_behind(original, kind) ? 0 : static_cast<float>(options.residual_weight) / config.residual_multiplier;
  const MatrixView<const float> h = stream(plain).rows(first, count), g = stream(quantised).rows(first, count);
  threads.for_each(count, [&](std::size_t t, std::size_t) {
    for (std::size_t j = 0; j < out; ++j) error(t, j) += share * (h(t, j) - g(t, j));
  });
  cross.add(threads, error, x);
}

/// Statistics of what o reads; also advances the plain stream past attention and keeps what the quantised one attended.
InputStatistics LayerWalk::Impl::gather_attended(const model::Layer& original, const model::Layer& layer,
                                                 std::size_t l) {
  const std::size_t in = config.q_size();
  const MatrixView<float> attended = kept.matrix(tokens, in);
  const auto step = [&](std::size_t first, std::size_t count, Sums& sums) {
    const MatrixView<float> x = attended.rows(first, count);
    attend(layer, l, normed(quantised, first, count, layer.input_layernorm, inputs), x);
    sums.square.add_square(threads, x);
    sums.magnitudes.add(threads, x);
    if (!uses_plain()) return;
    const MatrixView<float> plain_x = plain_inputs.matrix(count, in);
    attend(original, l, normed(plain, first, count, original.input_layernorm, inputs), plain_x);
    add_output_error(original, LinearKind::kO, plain_x, x, first, sums.cross);
    block.add_output(original, LinearKind::kO, plain_x, stream(plain).rows(first, count));
  };
  InputStatistics statistics = gather("inputs of o: windows", in, config.hidden_size, step);
  statistics.cross_is_output = true;
  return statistics;
}

/// Statistics of what down reads; also advances the plain stream past the layer.
InputStatistics LayerWalk::Impl::gather_gated(const model::Layer& original, const model::Layer& layer) {
  const std::size_t in = config.intermediate_size;
  const std::size_t chunk = chunk_windows(window) * window;
  const MatrixView<float> all = kept.matrix(keeps_gated() ? tokens : chunk, in);
  const auto step = [&](std::size_t first, std::size_t count, Sums& sums) {
    const MatrixView<float> x = all.rows(keeps_gated() ? first : 0, count);
    block.mlp_gate(layer, normed(quantised, first, count, layer.post_attention_layernorm, inputs), x);
    sums.square.add_square(threads, x);
    sums.magnitudes.add(threads, x);
    if (!uses_plain()) return;
    const MatrixView<float> plain_x = plain_inputs.matrix(count, in);
    block.mlp_gate(original, normed(plain, first, count, original.post_attention_layernorm, inputs), plain_x);
    add_output_error(original, LinearKind::kDown, plain_x, x, first, sums.cross);
    block.add_output(original, LinearKind::kDown, plain_x, stream(plain).rows(first, count));
  };
  InputStatistics statistics = gather("inputs of down: windows", in, config.hidden_size, step);
  statistics.cross_is_output = true;
  return statistics;
}

void LayerWalk::Impl::finish_attention(const model::Layer& layer, std::size_t l, bool have_attended) {
  const MatrixView<float> attended = kept.matrix(tokens, config.q_size());
  in_chunks("outputs of o: windows", [&](std::size_t first, std::size_t count) {
    const MatrixView<float> x = attended.rows(first, count);
    if (!have_attended) attend(layer, l, normed(quantised, first, count, layer.input_layernorm, inputs), x);
    block.add_output(layer, LinearKind::kO, x, stream(quantised).rows(first, count));
  });
}

void LayerWalk::Impl::finish_mlp(const model::Layer& layer, bool have_gated) {
  const std::size_t in = config.intermediate_size;
  in_chunks("outputs of down: windows", [&](std::size_t first, std::size_t count) {
    const MatrixView<float> x =
        have_gated ? kept.matrix(tokens, in).rows(first, count) : plain_inputs.matrix(count, in);
    if (!have_gated) block.mlp_gate(layer, normed(quantised, first, count, layer.post_attention_layernorm, inputs), x);
    block.add_output(layer, LinearKind::kDown, x, stream(quantised).rows(first, count));
  });
}

/// The steps of one block in the chunks that quantising takes them in.
void LayerWalk::Impl::run_layer(std::vector<float>& x, const model::Layer& layer, std::size_t l) {
  in_chunks("outputs of the layer: windows", [&](std::size_t first, std::size_t count) {
    const MatrixView<float> rows = stream(x).rows(first, count);
    const MatrixView<float> attended = plain_inputs.matrix(count, config.q_size());
    attend(layer, l, normed(x, first, count, layer.input_layernorm, inputs), attended);
    block.add_output(layer, LinearKind::kO, attended, rows);
    const MatrixView<float> gated = plain_inputs.matrix(count, config.intermediate_size);
    block.mlp_gate(layer, normed(x, first, count, layer.post_attention_layernorm, inputs), gated);
    block.add_output(layer, LinearKind::kDown, gated, rows);
  });
}

/// Inputs of o share a row of v between the query heads of a group; AWQ, which scales each alone, needs one head each.
GainChannels LayerWalk::Impl::attended_channels() const {
  const bool awq = options.method == Method::kAwq;
  if (!options.inner_gains && !awq) return {};
  if (config.num_attention_heads == config.num_key_value_heads) return {config.q_size(), {}};
  if (awq) return {};
  GainChannels channels{config.kv_size(), {}};
  const std::size_t sharing = config.num_attention_heads / config.num_key_value_heads;
  for (std::size_t j = 0; j < config.q_size(); ++j)
    channels.channel_of.push_back(j / config.head_dim / sharing * config.head_dim + j % config.head_dim);
  return channels;
}

GainChannels LayerWalk::Impl::gated_channels() const {
  if (!options.inner_gains && options.method != Method::kAwq) return {};
  return {config.intermediate_size, {}};
}

Result<std::vector<float>> LayerWalk::Impl::fit(std::size_t l, const LayerWidths& widths,
                                                std::span<const LinearKind> kinds, InputStatistics statistics,
                                                const GainChannels& channels, QuantizedLayer& result,
                                                PackedLayer& work) {
  const model::Layer& original = model.layers[l];
  std::vector<kernels::Buffer<float>> decoded(kinds.size());
  std::vector<MatrixView<const float>> weights;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const pack::StoredMatrix& stored = original.linear(kinds[k]).weight;
    const MatrixView<float> w = decoded[k].matrix(stored.rows, stored.cols);
    threads.for_each(stored.rows, [&](std::size_t i, std::size_t) { kernels::decode_row(stored, i, w.row(i).data()); });
    weights.push_back(w);
  }
  const std::string place = names_of(l, kinds);
  std::vector<unsigned> bits;
  for (const LinearKind kind : kinds) {
    bits.push_back(width_of(widths, kind));
    LIEQ_TRY(check_options(options, bits.back(), weights.front().cols(), place));
  }
  Options fit_options = options;
  if (l % options.compare_every != 0) fit_options.compare_grid.reset();
  LIEQ_ASSIGN(SharedFit fitted,
              fit_shared(threads, weights, std::move(statistics), channels, fit_options, bits, place, sink));
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    QuantizedLinear linear = to_linear(fitted.fitted[k], options.grid);
    work.replace(threads, kinds[k], linear);
    result.set(kinds[k], std::move(linear));
    result.reports[static_cast<std::size_t>(kinds[k])] = fitted.reports[k];
  }
  return std::move(fitted.gains);
}

/// Multiplies the rows, and so the outputs, of a linear that is quantised already.
void LayerWalk::Impl::fold_into_rows(LinearKind kind, std::span<const float> gains, QuantizedLayer& result,
                                     PackedLayer& work) {
  const auto k = static_cast<std::size_t>(kind);
  if (gains.empty()) return;
  const bool blocks = result.is_blocks(kind);
  for (std::size_t i = 0; i < gains.size(); ++i) {
    if (blocks) {
      scale_row(result.blocks[k], i, gains[i]);
    } else {
      scale_row(result.linears[k], i, gains[i]);
    }
    if (!result.biases[k].empty()) result.biases[k][i] *= gains[i];
  }
  work.layer().linears[k].bias = result.biases[k];
  if (blocks) {
    work.replace(threads, kind, result.blocks[k]);
  } else {
    work.replace(threads, kind, result.linears[k]);
  }
}

Result<QuantizedLayer> LayerWalk::Impl::quantize(std::size_t l, const LayerWidths& widths) {
  static constexpr LinearKind kAttentionIn[] = {LinearKind::kQ, LinearKind::kK, LinearKind::kV};
  static constexpr LinearKind kMlpIn[] = {LinearKind::kGate, LinearKind::kUp};
  static constexpr LinearKind kO[] = {LinearKind::kO}, kDown[] = {LinearKind::kDown};
  const model::Layer& original = model.layers[l];
  PackedLayer work(original);
  model::Layer& layer = work.layer();
  QuantizedLayer result;
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) result.biases[k] = original.linears[k].bias;
  const bool calibrated = uses_activations();
  // Without a norm before them, q, k, v or gate and up have nothing that could take gains of their inputs.
  const auto channels_of = [](const std::vector<float>& norm) { return GainChannels{norm.size(), {}}; };
  const auto fold_into_norm = [&](std::vector<float>& norm, const std::vector<float>& gains) {
    for (std::size_t j = 0; j < gains.size(); ++j) norm[j] = model::storable_gain(config, norm[j] * gains[j]);
  };

  InputStatistics statistics = calibrated ? gather_normed(original, layer, true) : InputStatistics{};
  LIEQ_ASSIGN(std::vector<float> gains,
              fit(l, widths, kAttentionIn, std::move(statistics), channels_of(layer.input_layernorm), result, work));
  fold_into_norm(layer.input_layernorm, gains);

  LIEQ_TRY(check_cancelled(sink));
  statistics = calibrated ? gather_attended(original, layer, l) : InputStatistics{};
  LIEQ_ASSIGN(gains, fit(l, widths, kO, std::move(statistics), attended_channels(), result, work));
  fold_into_rows(LinearKind::kV, gains, result, work);
  if (calibrated) finish_attention(layer, l, gains.empty());

  LIEQ_TRY(check_cancelled(sink));
  statistics = calibrated ? gather_normed(original, layer, false) : InputStatistics{};
  LIEQ_ASSIGN(gains,
              fit(l, widths, kMlpIn, std::move(statistics), channels_of(layer.post_attention_layernorm), result, work));
  fold_into_norm(layer.post_attention_layernorm, gains);

  LIEQ_TRY(check_cancelled(sink));
  statistics = calibrated ? gather_gated(original, layer) : InputStatistics{};
  LIEQ_ASSIGN(gains, fit(l, widths, kDown, std::move(statistics), gated_channels(), result, work));
  fold_into_rows(LinearKind::kUp, gains, result, work);
  const bool last = l + 1 == model.layers.size();  // nobody reads what it gives
  if (calibrated && !last) finish_mlp(layer, keeps_gated() && gains.empty());

  result.input_layernorm = layer.input_layernorm;
  result.post_attention_layernorm = layer.post_attention_layernorm;
  return result;
}

/// All linears of a layer at once, by what the layer gives.
Result<QuantizedLayer> LayerWalk::Impl::quantize_clipped(std::size_t l, const LayerWidths& widths) {
  const model::Layer& original = model.layers[l];
  run_layer(plain, original, l);
  if (!clipping) clipping.emplace(config, window, threads);
  LIEQ_ASSIGN(QuantizedLayer result, learn_clipping(model, l, widths, options, stream(quantised), stream(plain), window,
                                                    *clipping, threads, sink));
  LIEQ_TRY(check_cancelled(sink));
  const bool last = l + 1 == model.layers.size();  // nobody reads what it gives
  if (!last) run_layer(quantised, PackedLayer(threads, original, result).layer(), l);
  return result;
}

std::size_t chunk_windows(std::size_t window) {
  constexpr std::size_t kChunkTokens = 2048;
  return std::max<std::size_t>(1, kChunkTokens / window);
}

Result<void> check_ranks(const Ranks& ranks, const Options& options) {
  if (options.method == Method::kOmniQuant && ranks.size() > 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("method omniquant: found {} ranks, expected one", ranks.size()));
  if (std::has_single_bit(ranks.size())) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("quantising: found {} ranks, expected a power of two of them: 1, 2, 4, 8, ...", ranks.size()));
}

Result<void> check_method(const model::Model& model, const Options& options) {
  return options.method == Method::kOmniQuant ? tune::check_tunable(model) : Result<void>();
}

LayerWalk::LayerWalk(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LayerWalk::LayerWalk(LayerWalk&&) noexcept = default;
LayerWalk& LayerWalk::operator=(LayerWalk&&) noexcept = default;
LayerWalk::~LayerWalk() = default;

Result<LayerWalk> LayerWalk::create(const model::Model& model, std::span<const model::TokenId> ids, std::size_t window,
                                    const Options& options, Threads& threads, Sink& sink) {
  const auto invalid = [](std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); };
  for (const std::size_t in : {model.config.hidden_size, model.config.q_size(), model.config.intermediate_size})
    LIEQ_TRY(check_options(options, 2, in, model.path.string()));
  if (options.method == Method::kRtn) return LayerWalk(std::make_unique<Impl>(model, options, 1, 0, threads, sink));
  LIEQ_TRY(check_ranks(threads.ranks(), options));
  LIEQ_TRY(check_method(model, options));
  if (window < 2 || window > model.config.max_position_embeddings)
    return invalid(fmt::format("calibration window: found {}, expected 2 to max_position_embeddings = {} tokens",
                               window, model.config.max_position_embeddings));
  if (ids.size() < window)
    return invalid(
        fmt::format("calibration text: found {} tokens, expected at least one window of {}", ids.size(), window));
  for (const model::TokenId id : ids)
    if (id < 0 || static_cast<std::size_t>(id) >= model.config.vocab_size)
      return invalid(fmt::format("calibration text: found token id {}, expected below vocab_size = {}", id,
                                 model.config.vocab_size));
  tell_left_out(model.config, options, sink);
  auto impl = std::make_unique<Impl>(model, options, window, ids.size() / window, threads, sink);
  impl->quantised.resize(impl->tokens * model.config.hidden_size);
  model::embed(model, ids.subspan(impl->tree.own_windows().first * window, impl->tokens), threads,
               impl->stream(impl->quantised));
  if (impl->uses_plain()) impl->plain = impl->quantised;
  return LayerWalk(std::move(impl));
}

Result<QuantizedLayer> LayerWalk::quantize(std::size_t layer, const LayerWidths& widths) {
  LIEQ_CHECK(layer == impl_->next_layer && layer < impl_->model.layers.size());
  auto result = impl_->learns() ? impl_->quantize_clipped(layer, widths) : impl_->quantize(layer, widths);
  if (result) ++impl_->next_layer;
  return result;
}

Result<void> LayerWalk::resume_with(std::size_t layer, const QuantizedLayer& finished) {
  LIEQ_CHECK(layer == impl_->next_layer && layer < impl_->model.layers.size());
  if (impl_->uses_activations()) {
    const model::Layer& original = impl_->model.layers[layer];
    if (impl_->uses_plain()) impl_->run_layer(impl_->plain, original, layer);
    const PackedLayer packed(impl_->threads, original, finished);
    impl_->run_layer(impl_->quantised, packed.layer(), layer);
  }
  ++impl_->next_layer;
  return {};
}

}  // namespace lieq::quantize
