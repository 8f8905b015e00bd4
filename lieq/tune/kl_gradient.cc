#include "lieq/tune/kl_gradient.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lieq/tune/elementwise.h"

namespace lieq::tune {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

KlGradient::KlGradient(const model::Model& original, std::size_t length, Threads& threads)
    : original_(&original),
      length_(length),
      threads_(&threads),
      state_(original, threads, kernels::Compute::kF32),
      block_(original.config, length, threads) {}

void KlGradient::run_original(std::span<const model::TokenId> tokens, MatrixView<float> hidden) {
  LIEQ_CHECK(tokens.size() % length_ == 0);
  const std::vector<model::SequenceSpan> sequences(tokens.size() / length_, {length_, nullptr});
  model::forward(*original_, tokens, sequences, state_, hidden);
}

/// Room for what block l reads; block number `layers` is the final norm.
MatrixView<float> KlGradient::block_input(std::size_t l, std::size_t tokens) {
  const std::size_t hidden = original_->config.hidden_size;
  float* const all = inputs_.reserve((original_->layers.size() + 1) * tokens * hidden);
  return {all + l * tokens * hidden, tokens, hidden};
}

Result<double> KlGradient::kl(std::span<const model::TokenId> tokens, MatrixView<const float> original,
                              const Layers& layers, Sink& sink) {
  const MatrixView<float> x = hidden_.matrix(tokens.size(), original_->config.hidden_size);
  model::embed(*original_, tokens, *threads_, x);
  for (std::size_t l = 0; l < original_->layers.size(); ++l) {
    LIEQ_TRY(check_cancelled(sink));
    block_.forward(layers(l), x);
  }
  model::final_norm(*original_, *threads_, x);
  return mean(kl_of_head(*threads_, rows_of(original_->lm_head), original, x, head_, {}));
}

Result<double> KlGradient::gradient(std::span<const model::TokenId> tokens, MatrixView<const float> original,
                                    const Layers& layers, const Observers& observers, Sink& sink) {
  const std::size_t count = tokens.size(), end = original_->layers.size();
  const auto copy = [&](MatrixView<const float> from, MatrixView<float> to) {
    threads_->for_each(count, [&](std::size_t t, std::size_t) { std::ranges::copy(from.row(t), to.row(t).begin()); });
  };
  model::embed(*original_, tokens, *threads_, block_input(0, count));
  for (std::size_t l = 0; l < end; ++l) {
    LIEQ_TRY(check_cancelled(sink));
    sink.detail("blocks forward", l, end);
    const MatrixView<float> next = block_input(l + 1, count);
    copy(block_input(l, count), next);
    block_.forward(layers(l), next);
  }
  const MatrixView<float> last = block_input(end, count);
  const MatrixView<float> hidden = hidden_.matrix(count, last.cols()), d_hidden = d_hidden_.matrix(count, last.cols());
  copy(last, hidden);
  model::final_norm(*original_, *threads_, hidden);
  const double loss = mean(kl_of_head(*threads_, rows_of(original_->lm_head), original, hidden, head_, d_hidden));

  const MatrixView<float> dx = d_stream_.matrix(count, last.cols());
  threads_->for_each(count, [&](std::size_t t, std::size_t) {
    std::ranges::fill(dx.row(t), 0.0F);
    add_rms_norm_gradient(last.row(t), original_->norm, static_cast<float>(original_->config.rms_norm_eps),
                          d_hidden.row(t), dx.row(t));
  });
  for (std::size_t l = end; l-- > 0;) {
    LIEQ_TRY(check_cancelled(sink));
    sink.detail("blocks backward", end - 1 - l, end);
    const std::unique_ptr<GradientObserver> observer = observers(l);
    block_.gradient(layers(l), block_input(l, count), dx, *observer);
  }
  return loss;
}

}  // namespace lieq::tune
