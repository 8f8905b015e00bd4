#include "lieq/quantize/sensitivity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/kernels/softmax.h"
#include "lieq/model/observer.h"
#include "lieq/quantize/activations.h"
#include "lieq/quantize/shared_fit.h"

namespace lieq::quantize {
namespace {

using model::LinearKind;
constexpr std::size_t kProbeTokens = 2048;  // tokens of the fit that run at once
using QuantizedLinears = std::array<QuantizedLinear, model::kLinearsPerLayer>;

/// Fits the linears of each layer in turn to what they read in the running model.
class Fitter : public model::Observer {
 public:
  /// fit_ids: whole windows; not looked at for Method::kRtn.
  Fitter(const model::Model& model, const model::Model& running, std::span<const model::TokenId> fit_ids,
         std::size_t window, std::span<const int> widths, const Options& options, Threads& threads, Sink& sink)
      : model_(model),
        running_(running),
        widths_(widths),
        options_(options),
        threads_(threads),
        sink_(sink),
        window_(window),
        tokens_(options.method == Method::kRtn ? 0 : fit_ids.size()),
        run_(running, threads, kernels::Compute::kF32) {
    if (tokens_ > 0) model::embed(running, fit_ids, threads, stream_.matrix(tokens_, model.config.hidden_size));
  }

  /// The layer at each of those widths that `wanted` names by their places; moves the stream past it. Layers are taken
  /// in order.
  Result<std::vector<QuantizedLinears>> fit(std::size_t layer, const std::vector<std::size_t>& wanted) {
    static constexpr LinearKind kAttentionIn[] = {LinearKind::kQ, LinearKind::kK, LinearKind::kV};
    static constexpr LinearKind kMlpIn[] = {LinearKind::kGate, LinearKind::kUp};
    static constexpr LinearKind kO[] = {LinearKind::kO}, kDown[] = {LinearKind::kDown};
    const MatrixView<float> x = stream_.matrix(tokens_, model_.config.hidden_size);
    const std::size_t chunk = std::max<std::size_t>(1, kProbeTokens / window_) * window_;
    for (std::size_t first = 0; first < tokens_; first += chunk) {
      const std::size_t count = std::min(chunk, tokens_ - first);
      const std::vector<model::SequenceSpan> sequences(count / window_, {window_, nullptr});
      model::run_block(running_, layer, sequences, x.rows(first, count), run_, wanted.empty() ? nullptr : this);
    }
    std::vector<QuantizedLinears> fitted(wanted.size());
    if (wanted.empty()) return fitted;
    const Threads::Apart apart(threads_);
    for (const std::span<const LinearKind> kinds :
         {std::span<const LinearKind>(kAttentionIn), std::span<const LinearKind>(kO),
          std::span<const LinearKind>(kMlpIn), std::span<const LinearKind>(kDown)})
      LIEQ_TRY(fit_set(layer, kinds, wanted, fitted));
    return fitted;
  }

  void linear_input(std::size_t /*layer*/, std::span<const LinearKind> kinds, MatrixView<const float> x) override {
    sums_.try_emplace(kinds.front(), x.cols(), x.cols()).first->second.add_square(threads_, x);
  }

 private:
  /// Linears that read the same inputs share a Hessian.
  Result<void> fit_set(std::size_t layer, std::span<const LinearKind> kinds, const std::vector<std::size_t>& wanted,
                       std::vector<QuantizedLinears>& fitted) {
    std::vector<kernels::Buffer<float>> decoded(kinds.size());
    std::vector<MatrixView<const float>> weights;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const pack::StoredMatrix& stored = model_.layers[layer].linear(kinds[k]).weight;
      const MatrixView<float> w = decoded[k].matrix(stored.rows, stored.cols);
      threads_.for_each(stored.rows,
                        [&](std::size_t i, std::size_t) { kernels::decode_row(stored, i, w.row(i).data()); });
      weights.push_back(w);
    }
    InputStatistics statistics;
    if (auto sum = sums_.extract(kinds.front())) statistics.hessian = sum.mapped().take_symmetric(threads_);
    for (std::size_t w = 0; w < wanted.size(); ++w) {
      const std::vector<unsigned> bits(weights.size(), static_cast<unsigned>(widths_[wanted[w]]));
      LIEQ_ASSIGN(const SharedFit shared,
                  fit_shared(threads_, weights, statistics, {}, options_, bits, names_of(layer, kinds), sink_));
      for (std::size_t k = 0; k < kinds.size(); ++k)
        fitted[w][static_cast<std::size_t>(kinds[k])] = to_linear(shared.fitted[k], options_.grid);
    }
    return {};
  }

  const model::Model &model_, &running_;
  std::span<const int> widths_;
  const Options& options_;
  Threads& threads_;
  Sink& sink_;
  std::size_t window_, tokens_;
  model::RunState run_;
  kernels::Buffer<float> stream_;          // [tokens, hidden_size]
  std::map<LinearKind, ProductSum> sums_;  // of the layer at hand, by the first linear that reads those inputs
};

/// Runs the original, and the running model with one layer of the original's in another rounding, on the same tokens.
class Comparison {
 public:
  /// ids: whole windows.
  Comparison(const model::Model& model, const model::Model& running, std::span<const model::TokenId> ids,
             std::size_t window, std::size_t variants, Threads& threads)
      : model_(model),
        running_(running),
        threads_(threads),
        sequences_(ids.size() / window, {window, nullptr}),
        tokens_(ids.size()),
        run_(model, threads, kernels::Compute::kF32),
        variants_(variants) {
    model::forward(model, ids, sequences_, run_, view(reference_));
    model::embed(running, ids, threads, view(stream_));
  }

  /// KL(original || running model) as it is.
  double divergence() {
    const std::size_t count = tokens_ * model_.config.hidden_size;
    std::copy_n(view(stream_).data(), count, view(variants_.front()).data());
    for (std::size_t l = 0; l < running_.layers.size(); ++l)
      model::run_block(running_, l, sequences_, view(variants_.front()), run_);
    model::final_norm(running_, threads_, view(variants_.front()));
    return divergences(1).front();
  }

  /// Takes the running model's stream through `layer`; every variant keeps what it was before.
  void advance(std::size_t layer) {
    const std::size_t count = tokens_ * model_.config.hidden_size;
    for (kernels::Buffer<float>& variant : variants_) std::copy_n(view(stream_).data(), count, view(variant).data());
    model::run_block(running_, layer, sequences_, view(stream_), run_);
  }

  /// Takes variant v, as advance(layer) left it, through `layer` with other linears, and through the rest of the model.
  void finish(std::size_t v, std::size_t layer, const QuantizedLinears& linears) {
    {
      PackedLayer replaced(model_.layers[layer]);
      for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k)
        replaced.replace(threads_, static_cast<LinearKind>(k), linears[k]);
      model::Model one;  // a block runs as part of a model
      one.config = model_.config;
      one.layers.push_back(replaced.layer());
      model::run_block(one, 0, sequences_, view(variants_[v]), run_);
    }
    for (std::size_t l = layer + 1; l < running_.layers.size(); ++l)
      model::run_block(running_, l, sequences_, view(variants_[v]), run_);
    model::final_norm(running_, threads_, view(variants_[v]));
  }

  /// Mean KL(original || variant) of each of the first `variants`, which are finished.
  std::vector<double> divergences(std::size_t variants) {
    if (variants == 0) return {};
    const std::size_t vocab = model_.config.vocab_size, slice = model::logit_slice_rows(model_.config);
    std::vector<std::vector<double>> kl(variants, std::vector<double>(tokens_));
    std::vector<double> log_sums(tokens_);
    for (std::size_t first = 0; first < tokens_; first += slice) {
      const std::size_t count = std::min(slice, tokens_ - first);
      const MatrixView<float> p = p_.matrix(count, vocab), q = q_.matrix(count, vocab);
      // Keeping the original's logits would take gigabytes with large vocabularies; once per layer they are cheap.
      model::logits(model_, view(reference_).rows(first, count), run_, p);
      threads_.for_each(count,
                        [&](std::size_t t, std::size_t) { log_sums[first + t] = kernels::log_sum_exp(p.row(t)); });
      for (std::size_t v = 0; v < variants; ++v) {
        model::logits(running_, view(variants_[v]).rows(first, count), run_, q);
        threads_.for_each(count, [&](std::size_t t, std::size_t) {
          kl[v][first + t] =
              kernels::kl_divergence(p.row(t), log_sums[first + t], q.row(t), kernels::log_sum_exp(q.row(t)));
        });
      }
    }
    std::vector<double> means;
    for (const std::vector<double>& one : kl)
      means.push_back(std::accumulate(one.begin(), one.end(), 0.0) / static_cast<double>(tokens_));
    return means;
  }

 private:
  MatrixView<float> view(kernels::Buffer<float>& buffer) const {
    return buffer.matrix(tokens_, model_.config.hidden_size);
  }

  const model::Model &model_, &running_;
  Threads& threads_;
  std::vector<model::SequenceSpan> sequences_;
  std::size_t tokens_;
  model::RunState run_;
  kernels::Buffer<float> reference_, stream_;     // final hidden states of the original, its residual stream
  std::vector<kernels::Buffer<float>> variants_;  // residual streams, then final hidden states
  kernels::Buffer<float> p_, q_;                  // logits of a slice
};

Unexpected invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, "sensitivity: " + std::move(message));
}

Result<void> check_ids(const model::Model& model, std::span<const model::TokenId> ids, std::size_t window,
                       std::string_view what) {
  if (ids.size() < window)
    return invalid(fmt::format("{}: found {} tokens, expected at least one window of {}", what, ids.size(), window));
  for (const model::TokenId id : ids)
    if (id < 0 || static_cast<std::size_t>(id) >= model.config.vocab_size)
      return invalid(
          fmt::format("{}: found token id {}, expected below vocab_size = {}", what, id, model.config.vocab_size));
  return {};
}

/// The width of a layer's packed linears; 0: they differ, or are not packed.
int width_of(const model::Layer& layer) {
  int width = 0;
  for (const model::Linear& linear : layer.linears) {
    if (!linear.weight.packed) return 0;
    const int bits = static_cast<int>(linear.weight.packed->bits());
    if (width != 0 && bits != width) return 0;
    width = bits;
  }
  return width;
}

Result<void> check(const model::Model& model, std::size_t window, std::span<const int> widths, const Options& options) {
  const model::ModelConfig& config = model.config;
  if (options.method == Method::kAwq)
    return invalid("method: found awq, expected gptq or rtn: it scales linears together");
  if (widths.empty()) return invalid("widths: found none, expected some of 2, 3, 4 and 8 bits");
  for (const int width : widths)
    for (const std::size_t in : {config.hidden_size, config.q_size(), config.intermediate_size})
      LIEQ_TRY(check_options(options, static_cast<unsigned>(std::max(width, 0)), in, model.path.string()));
  if (window < 1 || window > config.max_position_embeddings)
    return invalid(fmt::format("window: found {}, expected 1 to max_position_embeddings = {} tokens", window,
                               config.max_position_embeddings));
  return {};
}

}  // namespace

Result<void> check_running(const model::Model& model, const model::Model& running) {
  const model::ModelConfig &a = model.config, &b = running.config;
  if (a.num_hidden_layers == b.num_hidden_layers && a.hidden_size == b.hidden_size && a.vocab_size == b.vocab_size &&
      a.intermediate_size == b.intermediate_size && a.q_size() == b.q_size() && a.kv_size() == b.kv_size())
    return {};
  return invalid(fmt::format("{}: found {} layers of {}, expected a quantised form of {} ({} layers of {})",
                             running.path.string(), b.num_hidden_layers, b.hidden_size, model.path.string(),
                             a.num_hidden_layers, a.hidden_size));
}

Result<std::vector<std::map<int, double>>> measure_sensitivity(const model::Model& model, const model::Model* running,
                                                               std::span<const model::TokenId> fit_ids,
                                                               std::span<const model::TokenId> ids, std::size_t window,
                                                               std::span<const int> widths, const Options& options,
                                                               Threads& threads, Sink& sink) {
  LIEQ_TRY(check(model, window, widths, options));
  LIEQ_TRY(check_ids(model, ids, window, "text"));
  if (options.method != Method::kRtn) LIEQ_TRY(check_ids(model, fit_ids, window, "text to fit to"));
  if (running) LIEQ_TRY(check_running(model, *running));
  const model::Model& others = running ? *running : model;
  const std::size_t total = model.layers.size() * widths.size();
  Fitter fitter(model, others, fit_ids.first(fit_ids.size() / window * window), window, widths, options, threads, sink);
  Comparison comparison(model, others, ids.first(ids.size() / window * window), window, widths.size(), threads);
  std::vector<std::map<int, double>> sensitivities(model.layers.size());
  std::vector<double> measured(total);  // what other ranks try stays 0 here
  sink.progress("measuring sensitivity", 0, total);
  const double as_it_is = running ? std::max(comparison.divergence(), 0.0) : 0;
  for (std::size_t l = 0; l < model.layers.size(); ++l) {
    LIEQ_TRY(check_cancelled(sink));
    const int present = running ? width_of(running->layers[l]) : 0;
    std::vector<std::size_t> own;  // widths that this rank tries
    for (std::size_t w = 0; w < widths.size(); ++w) {
      const std::size_t place = l * widths.size() + w;
      if (place % threads.ranks().size() != threads.ranks().rank()) continue;
      if (widths[w] == present) {
        measured[place] = as_it_is;
      } else {
        own.push_back(w);
      }
    }
    LIEQ_ASSIGN(const std::vector<QuantizedLinears> fitted, fitter.fit(l, own));
    comparison.advance(l);
    for (std::size_t v = 0; v < own.size(); ++v) {
      comparison.finish(v, l, fitted[v]);
      sink.progress("measuring sensitivity", l * widths.size() + own[v] + 1, total);
    }
    const std::vector<double> kl = comparison.divergences(own.size());
    for (std::size_t v = 0; v < own.size(); ++v) {
      if (!std::isfinite(kl[v]))
        return fail(ErrorCode::kNumerical, fmt::format("{}: layer {} at {} bits: found NaN or infinity in the logits, "
                                                       "expected finite values",
                                                       model.path.string(), l, widths[own[v]]));
      measured[l * widths.size() + own[v]] = std::max(kl[v], 0.0);  // rounding may leave -1e-9 where nothing changed
    }
  }
  sink.progress("measuring sensitivity", total, total);
  threads.ranks().add_up(std::span(measured));
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (std::size_t w = 0; w < widths.size(); ++w) sensitivities[l][widths[w]] = measured[l * widths.size() + w];
  return sensitivities;
}

}  // namespace lieq::quantize
