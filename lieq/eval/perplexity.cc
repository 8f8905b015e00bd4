#include "lieq/eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"

namespace lieq::eval {
namespace {

using model::Model;
using model::SequenceSpan;
using model::TokenId;

constexpr std::size_t kBatchTokens = 2048;

/// Scratch and results of one of the models.
struct Lane {
  const Model* model;
  model::RunState state;
  kernels::Buffer<float> hidden, logits;
  TokenScores scores;

  Lane(const Model& m, Threads& threads, kernels::Compute compute) : model(&m), state(m, threads, compute) {}
};

/// Scores the rows [first, first + count) of a batch. targets[t] < 0: row t predicts nothing.
void score_slice(std::vector<std::unique_ptr<Lane>>& lanes, std::size_t first, std::size_t count,
                 std::span<const TokenId> targets, std::size_t batch_tokens, Threads& threads) {
  std::vector<MatrixView<float>> logits;
  for (const auto& lane : lanes) {
    const MatrixView<float> hidden = lane->hidden.matrix(batch_tokens, lane->model->config.hidden_size);
    logits.push_back(lane->logits.matrix(count, lane->model->config.vocab_size));
    model::logits(*lane->model, hidden.rows(first, count), lane->state, logits.back());
  }
  // Rows write to their own places first; only then do the predicting ones move to the results, in order.
  std::vector<std::vector<float>> nll(lanes.size(), std::vector<float>(count)), kl = nll;
  std::vector<std::vector<char>> top1(lanes.size(), std::vector<char>(count));
  threads.for_each(count, [&](std::size_t t, std::size_t) {
    const TokenId target = targets[first + t];
    if (target < 0) return;
    double reference_sum = 0;
    std::size_t reference_top = 0;
    for (std::size_t m = 0; m < lanes.size(); ++m) {
      const std::span<const float> row = logits[m].row(t);
      const double log_sum = kernels::log_sum_exp(row);
      nll[m][t] = static_cast<float>(log_sum - static_cast<double>(row[static_cast<std::size_t>(target)]));
      const std::size_t top = lanes.size() > 1 ? kernels::arg_max(row) : 0;
      if (m == 0) {
        reference_sum = log_sum;
        reference_top = top;
      } else {
        kl[m][t] = static_cast<float>(kernels::kl_divergence(logits[0].row(t), reference_sum, row, log_sum));
        top1[m][t] = top == reference_top;
      }
    }
  });
  for (std::size_t t = 0; t < count; ++t) {
    if (targets[first + t] < 0) continue;
    for (std::size_t m = 0; m < lanes.size(); ++m) {
      lanes[m]->scores.nll.push_back(nll[m][t]);
      if (m == 0) continue;
      lanes[m]->scores.kl.push_back(kl[m][t]);
      lanes[m]->scores.top1.push_back(top1[m][t]);
    }
  }
}

Result<void> check_arguments(std::span<const Model* const> models, std::span<const TokenId> ids, std::size_t window) {
  const auto invalid = [](std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); };
  LIEQ_CHECK(!models.empty());
  if (window < 2) return invalid(fmt::format("window: found {}, expected at least 2 tokens", window));
  if (ids.size() < window)
    return invalid(fmt::format("text: found {} tokens, expected at least one window of {}", ids.size(), window));
  for (const Model* model : models) {
    const std::size_t vocab = model->config.vocab_size;
    if (vocab != models.front()->config.vocab_size)
      return invalid(fmt::format("{}: field 'vocab_size': found {}, expected {} as in {}", model->path.string(), vocab,
                                 models.front()->config.vocab_size, models.front()->path.string()));
    if (window > model->config.max_position_embeddings)
      return invalid(fmt::format("window: found {}, expected at most max_position_embeddings = {} of {}", window,
                                 model->config.max_position_embeddings, model->path.string()));
    for (const TokenId id : ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= vocab)
        return invalid(fmt::format("{}: token id {}, expected below vocab_size = {}", model->path.string(), id, vocab));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<TokenScores>> score_windows(std::span<const Model* const> models, std::span<const TokenId> ids,
                                               std::size_t window, Threads& threads, kernels::Compute compute, Sink& sink) {
  LIEQ_TRY(check_arguments(models, ids, window));
  std::vector<std::unique_ptr<Lane>> lanes;
  for (const Model* model : models) lanes.push_back(std::make_unique<Lane>(*model, threads, compute));

  const std::size_t num_windows = ids.size() / window;
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / window);
  const std::size_t slice = model::logit_slice_rows(models.front()->config);
  for (std::size_t first = 0; first < num_windows; first += per_batch) {
    const std::size_t count = std::min(per_batch, num_windows - first);
    const std::span<const TokenId> batch = ids.subspan(first * window, count * window);
    const std::vector<SequenceSpan> sequences(count, {window, nullptr});
    std::vector<TokenId> targets(batch.begin() + 1, batch.end());
    targets.push_back(-1);
    for (std::size_t w = 1; w < count; ++w) targets[w * window - 1] = -1;

    for (const auto& lane : lanes) {
      const MatrixView<float> hidden = lane->hidden.matrix(batch.size(), lane->model->config.hidden_size);
      model::forward(*lane->model, batch, sequences, lane->state, hidden);
    }
    for (std::size_t row = 0; row < batch.size(); row += slice)
      score_slice(lanes, row, std::min(slice, batch.size() - row), targets, batch.size(), threads);
    for (const auto& lane : lanes) {
      if (!std::isfinite(std::accumulate(lane->scores.nll.begin(), lane->scores.nll.end(), 0.0)))
        return fail(ErrorCode::kNumerical, fmt::format("{}: logits: found NaN or infinity in windows {} to {}, expected finite values",
                                                       lane->model->path.string(), first, first + count - 1));
    }
    sink.progress("perplexity", first + count, num_windows);
  }
  std::vector<TokenScores> scores;
  for (const auto& lane : lanes) scores.push_back(std::move(lane->scores));
  return scores;
}

namespace {

template <class T>
double mean(const std::vector<T>& values) {
  double sum = 0;
  for (const T value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

}  // namespace

void summarise(const TokenScores& scores, EvalRecord& record) {
  const auto n = static_cast<double>(scores.nll.size());
  LIEQ_CHECK(!scores.nll.empty());
  record.num_tokens = scores.nll.size();
  record.nll = mean(scores.nll);
  double squares = 0;
  for (const float value : scores.nll) squares += (static_cast<double>(value) - record.nll) * (static_cast<double>(value) - record.nll);
  record.perplexity = std::exp(record.nll);
  record.perplexity_stderr = n > 1 ? record.perplexity * std::sqrt(squares / (n - 1) / n) : 0;
  if (!scores.kl.empty()) record.kl = mean(scores.kl);
  if (!scores.top1.empty()) record.top1 = mean(scores.top1);
}

}  // namespace lieq::eval
