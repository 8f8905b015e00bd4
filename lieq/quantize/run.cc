#include "lieq/quantize/run.h"

#include <bit>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/quantize/learnt_clipping.h"
#include "lieq/quantize/shared_fit.h"
#include "lieq/quantize/streams.h"
#include "lieq/tune/check.h"

namespace lieq::quantize {
namespace {

using model::LinearKind;

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
  const model::Model& model;
  const model::ModelConfig& config;
  Options options;
  Threads& threads;
  Sink& sink;
  std::optional<Streams> streams;           // all but Method::kRtn
  std::optional<ClippingScratch> clipping;  // Method::kOmniQuant
  std::size_t next_layer = 0;

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
  // Without a norm before them, q, k, v or gate and up have nothing that could take gains of their inputs.
  const auto channels_of = [](const std::vector<float>& norm) { return GainChannels{norm.size(), {}}; };
  const auto fold_into_norm = [&](std::vector<float>& norm, const std::vector<float>& gains) {
    for (std::size_t j = 0; j < gains.size(); ++j) norm[j] = model::storable_gain(config, norm[j] * gains[j]);
  };

  InputStatistics statistics = streams ? streams->of_normed(original, layer, true) : InputStatistics{};
  LIEQ_ASSIGN(std::vector<float> gains,
              fit(l, widths, kAttentionIn, std::move(statistics), channels_of(layer.input_layernorm), result, work));
  fold_into_norm(layer.input_layernorm, gains);

  LIEQ_TRY(check_cancelled(sink));
  statistics = streams ? streams->of_attended(original, layer, l) : InputStatistics{};
  LIEQ_ASSIGN(gains, fit(l, widths, kO, std::move(statistics), attended_channels(), result, work));
  fold_into_rows(LinearKind::kV, gains, result, work);
  if (streams) streams->finish_attention(layer, l, !gains.empty());

  LIEQ_TRY(check_cancelled(sink));
  statistics = streams ? streams->of_normed(original, layer, false) : InputStatistics{};
  LIEQ_ASSIGN(gains,
              fit(l, widths, kMlpIn, std::move(statistics), channels_of(layer.post_attention_layernorm), result, work));
  fold_into_norm(layer.post_attention_layernorm, gains);

  LIEQ_TRY(check_cancelled(sink));
  statistics = streams ? streams->of_gated(original, layer) : InputStatistics{};
  LIEQ_ASSIGN(gains, fit(l, widths, kDown, std::move(statistics), gated_channels(), result, work));
  fold_into_rows(LinearKind::kUp, gains, result, work);
  const bool last = l + 1 == model.layers.size();  // nobody reads what it gives
  if (streams && !last) streams->finish_mlp(layer, !gains.empty());

  result.input_layernorm = layer.input_layernorm;
  result.post_attention_layernorm = layer.post_attention_layernorm;
  return result;
}

/// All linears of a layer at once, by what the layer gives.
Result<QuantizedLayer> LayerWalk::Impl::quantize_clipped(std::size_t l, const LayerWidths& widths) {
  const model::Layer& original = model.layers[l];
  streams->run_plain(original, l);
  if (!clipping) clipping.emplace(config, streams->window(), threads);
  LIEQ_ASSIGN(QuantizedLayer result, learn_clipping(model, l, widths, options, streams->quantised(), streams->plain(),
                                                    streams->window(), *clipping, threads, sink));
  LIEQ_TRY(check_cancelled(sink));
  const bool last = l + 1 == model.layers.size();  // nobody reads what it gives
  if (!last) streams->run_quantised(PackedLayer(threads, original, result).layer(), l);
  return result;
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
  std::unique_ptr<Impl> impl(new Impl{.model = model,
                                      .config = model.config,
                                      .options = options,
                                      .threads = threads,
                                      .sink = sink,
                                      .streams = {},
                                      .clipping = {}});
  if (options.method == Method::kRtn) return LayerWalk(std::move(impl));
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
  impl->streams.emplace(model, ids, window, options, threads, sink);
  return LayerWalk(std::move(impl));
}

Result<QuantizedLayer> LayerWalk::quantize(std::size_t layer, const LayerWidths& widths) {
  LIEQ_CHECK(layer == impl_->next_layer && layer < impl_->model.layers.size());
  auto result = impl_->options.method == Method::kOmniQuant ? impl_->quantize_clipped(layer, widths)
                                                            : impl_->quantize(layer, widths);
  if (result) ++impl_->next_layer;
  return result;
}

Result<void> LayerWalk::resume_with(std::size_t layer, const QuantizedLayer& finished) {
  LIEQ_CHECK(layer == impl_->next_layer && layer < impl_->model.layers.size());
  if (auto& streams = impl_->streams) {
    const model::Layer& original = impl_->model.layers[layer];
    if (streams->has_plain()) streams->run_plain(original, layer);
    const PackedLayer packed(impl_->threads, original, finished);
    streams->run_quantised(packed.layer(), layer);
  }
  ++impl_->next_layer;
  return {};
}

}  // namespace lieq::quantize
