#include "lieq/tune/attribution.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/tune/check.h"
#include "lieq/tune/kl_gradient.h"

namespace lieq::tune {
namespace {

using model::LinearKind;

struct Scratch {
  ProductScratch products;
  kernels::Buffer<float> scaled, original, quantised;
  std::vector<double> of_tokens;
};

/// The gains of the norm that a linear reads from; empty: it reads from no norm whose gains quantising changes.
std::span<const float> gains_before(const model::Layer& layer, LinearKind kind) {
  if (kind == LinearKind::kO || kind == LinearKind::kDown) return {};
  const bool attention = kind == LinearKind::kQ || kind == LinearKind::kK || kind == LinearKind::kV;
  return attention ? layer.input_layernorm : layer.post_attention_layernorm;
}

class Observer : public GradientObserver {
 public:
  /// shares: of each sequence of `length` tokens.
  Observer(const model::Layer& original, const model::Layer& quantised, std::size_t length, Threads& threads,
           Scratch& scratch, std::span<LinearShares> shares)
      : original_(original),
        quantised_(quantised),
        length_(length),
        threads_(threads),
        scratch_(scratch),
        shares_(shares) {}

  /// The sums over tokens of d_output · (W_original x' - W x): x' is x with the original's gains.
  void linear(LinearKind kind, MatrixView<const float> input, MatrixView<const float> d_output) override {
    const std::size_t tokens = input.rows(), out = d_output.cols();
    const MatrixView<float> wanted = scratch_.original.matrix(tokens, out);
    const MatrixView<float> found = scratch_.quantised.matrix(tokens, out);
    product(threads_, rows_of(original_.linear(kind).weight), {}, with_original_gains(kind, input), scratch_.products,
            wanted);
    product(threads_, rows_of(quantised_.linear(kind).weight), {}, input, scratch_.products, found);
    scratch_.of_tokens.assign(tokens, 0);
    threads_.for_each(tokens, [&](std::size_t t, std::size_t) {
      double sum = 0;
      for (std::size_t j = 0; j < out; ++j)
        sum += static_cast<double>(d_output(t, j)) * static_cast<double>(wanted(t, j) - found(t, j));
      scratch_.of_tokens[t] = sum;
    });
    for (std::size_t t = 0; t < tokens; ++t)
      shares_[t / length_][static_cast<std::size_t>(kind)] -= scratch_.of_tokens[t];
  }
  void norm(model::Role /*role*/, std::span<const float> /*gradient*/) override {}

 private:
  MatrixView<const float> with_original_gains(LinearKind kind, MatrixView<const float> input) {
    const std::span<const float> from = gains_before(quantised_, kind), to = gains_before(original_, kind);
    if (from.empty() || std::ranges::equal(from, to)) return input;
    const MatrixView<float> scaled = scratch_.scaled.matrix(input.rows(), input.cols());
    threads_.for_each(input.rows(), [&](std::size_t t, std::size_t) {
      for (std::size_t j = 0; j < input.cols(); ++j) scaled(t, j) = from[j] == 0 ? 0 : input(t, j) * (to[j] / from[j]);
    });
    return scaled;
  }

  const model::Layer& original_;
  const model::Layer& quantised_;
  std::size_t length_;
  Threads& threads_;
  Scratch& scratch_;
  std::span<LinearShares> shares_;
};

/// Fills shares and errors of `found` from those of single sequences, [layers][sequences].
void average(const std::vector<std::vector<LinearShares>>& of_sequences, Attribution& found) {
  for (std::size_t l = 0; l < of_sequences.size(); ++l)
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      const auto n = static_cast<double>(of_sequences[l].size());
      double sum = 0, squares = 0;
      for (const LinearShares& one : of_sequences[l]) sum += one[k];
      const double mean = sum / n;
      for (const LinearShares& one : of_sequences[l]) squares += (one[k] - mean) * (one[k] - mean);
      found.shares[l][k] = mean;
      found.errors[l][k] = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
    }
}

}  // namespace

Result<Attribution> attribute_kl(const model::Model& original, const model::Model& quantised,
                                 std::span<const model::TokenId> tokens, std::size_t length, Threads& threads,
                                 Sink& sink) {
  LIEQ_TRY(check_tunable(quantised));
  const std::size_t sequences = tokens.size() / length;
  if (sequences == 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("found {} tokens, expected at least one sequence of {}", tokens.size(), length));
  KlGradient walk(original, length, threads);
  Scratch scratch;
  kernels::Buffer<float> hidden;
  const std::size_t layers = original.layers.size();
  Attribution found{0, std::vector<LinearShares>(layers), std::vector<LinearShares>(layers)};
  std::vector<std::vector<LinearShares>> shares(layers, std::vector<LinearShares>(sequences));
  const std::size_t step = std::max<std::size_t>(1, kAttributionTokens / length);
  for (std::size_t s = 0; s < sequences; s += step) {
    sink.progress("sharing out KL", s, sequences);
    const std::size_t taken = std::min(step, sequences - s), count = taken * length;
    const auto ids = tokens.subspan(s * length, count);
    const MatrixView<float> wanted = hidden.matrix(count, original.config.hidden_size);
    walk.run_original(ids, wanted);
    const auto observed = [&](std::size_t l) {
      return std::make_unique<Observer>(original.layers[l], quantised.layers[l], length, threads, scratch,
                                        std::span(shares[l]).subspan(s, taken));
    };
    LIEQ_ASSIGN(const double kl,
                walk.gradient(
                    ids, wanted, [&](std::size_t l) { return TunedLayer(quantised.layers[l]); }, observed, sink));
    found.kl += static_cast<double>(taken) / static_cast<double>(sequences) * kl;
    // The gradient is that of the mean over the tokens of this pass; a sequence is to stand for itself.
    for (std::vector<LinearShares>& of_layer : shares)
      for (std::size_t i = s; i < s + taken; ++i)
        for (double& one : of_layer[i]) one *= static_cast<double>(taken);
  }
  average(shares, found);
  sink.progress("sharing out KL", sequences, sequences);
  return found;
}

}  // namespace lieq::tune
