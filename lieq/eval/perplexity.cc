#include "lieq/eval/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"

namespace lieq::eval {
namespace {

using model::Model;
using model::SequenceSpan;
using model::TokenId;

/// Scratch and results of one of the models.
struct Lane {
  const Model* model;
  model::RunState state;
  kernels::Buffer<float> hidden, logits;
  TokenScores scores;

  Lane(const Model& m, Threads& threads, kernels::Compute compute) : model(&m), state(m, threads, compute) {}
};

/// Scores the rows [first, first + count) of a batch: row t predicts targets[t].
void score_slice(std::vector<std::unique_ptr<Lane>>& lanes, std::size_t first, std::size_t count,
                 std::span<const TokenId> targets, std::size_t batch_tokens, Threads& threads) {
  std::vector<MatrixView<float>> logits;
  for (const auto& lane : lanes) {
    const MatrixView<float> hidden = lane->hidden.matrix(batch_tokens, lane->model->config.hidden_size);
    logits.push_back(lane->logits.matrix(count, lane->model->config.vocab_size));
    model::logits(*lane->model, hidden.rows(first, count), lane->state, logits.back());
  }
  // Rows write to their own places first, and move to the results in order.
  std::vector<std::vector<float>> nll(lanes.size(), std::vector<float>(count)), kl = nll;
  std::vector<std::vector<char>> top1(lanes.size(), std::vector<char>(count));
  threads.for_each(count, [&](std::size_t t, std::size_t) {
    const TokenId target = targets[first + t];
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
    for (std::size_t m = 0; m < lanes.size(); ++m) {
      lanes[m]->scores.nll.push_back(nll[m][t]);
      if (m == 0) continue;
      lanes[m]->scores.kl.push_back(kl[m][t]);
      lanes[m]->scores.top1.push_back(top1[m][t]);
    }
  }
}

Unexpected refusal(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

Result<void> check_arguments(std::span<const Model* const> models, const WindowPlan& plan) {
  LIEQ_CHECK(!models.empty());
  if (plan.windows.empty()) return refusal("text: found no token to score, expected some");
  std::size_t longest = 0;
  for (const Window& window : plan.windows) {
    LIEQ_CHECK(window.first_scored >= 1 && window.first_scored < window.size &&
               window.begin + window.size <= plan.ids.size());
    longest = std::max(longest, window.size - 1);
  }
  for (const Model* model : models) {
    const std::size_t vocab = model->config.vocab_size;
    if (vocab != models.front()->config.vocab_size)
      return refusal(fmt::format("{}: field 'vocab_size': found {}, expected {} as in {}", model->path.string(), vocab,
                                 models.front()->config.vocab_size, models.front()->path.string()));
    if (longest > model->config.max_position_embeddings)
      return refusal(fmt::format("window: found {}, expected at most max_position_embeddings = {} of {}", longest,
                                 model->config.max_position_embeddings, model->path.string()));
    for (const TokenId id : plan.ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= vocab)
        return refusal(fmt::format("{}: token id {}, expected below vocab_size = {}", model->path.string(), id, vocab));
    }
  }
  return {};
}

/// Windows that run together: their tokens, one after the other, and which rows predict what.
struct Batch {
  std::vector<TokenId> tokens, targets;
  std::vector<SequenceSpan> sequences;
  std::vector<std::size_t> rows;  ///< rows[i] of the batch predicts targets[i]
};

/// The windows of each batch: those of one are no more than kForwardTokens together, unless it is a single one.
std::vector<Share> batches_of(const WindowPlan& plan) {
  std::vector<Share> batches;
  std::size_t tokens = 0;
  for (std::size_t w = 0; w < plan.windows.size(); ++w) {
    const std::size_t size = plan.windows[w].size;
    if (batches.empty() || tokens + size > kForwardTokens + 1) {
      batches.push_back({w, w});
      tokens = 0;
    }
    batches.back().last = w + 1;
    tokens += size - 1;
  }
  return batches;
}

/// Where the scored tokens of each rank's batches begin among all.
std::vector<std::size_t> token_borders(const WindowPlan& plan, const std::vector<Share>& batches, std::size_t ranks) {
  std::vector<std::size_t> borders = {0};
  for (std::size_t r = 0; r < ranks; ++r) {
    const Share own = share_of(batches.size(), r, ranks);
    borders.push_back(borders.back());
    for (std::size_t b = own.first; b < own.last; ++b)
      for (std::size_t w = batches[b].first; w < batches[b].last; ++w)
        borders.back() += plan.windows[w].size - plan.windows[w].first_scored;
  }
  return borders;
}

/// values: this rank's, which become those of all.
template <class T>
void gather(Ranks& ranks, const std::vector<std::size_t>& borders, std::vector<T>& values) {
  if (ranks.size() == 1) return;
  LIEQ_CHECK(values.size() == borders[ranks.rank() + 1] - borders[ranks.rank()]);
  std::vector<T> all(borders.back());
  std::ranges::copy(values, all.begin() + static_cast<std::ptrdiff_t>(borders[ranks.rank()]));
  std::vector<std::size_t> bytes;
  for (const std::size_t border : borders) bytes.push_back(border * sizeof(T));
  ranks.all_gather(std::as_writable_bytes(std::span(all)), bytes);
  values = std::move(all);
}

/// The last token of a window is predicted only, so it is not run.
Batch take_batch(const WindowPlan& plan, Share windows) {
  Batch batch;
  for (std::size_t w = windows.first; w < windows.last; ++w) {
    const Window& window = plan.windows[w];
    const auto first = plan.ids.begin() + static_cast<std::ptrdiff_t>(window.begin);
    const std::size_t before = batch.tokens.size();
    batch.tokens.insert(batch.tokens.end(), first, first + static_cast<std::ptrdiff_t>(window.size - 1));
    batch.sequences.push_back({window.size - 1, nullptr});
    for (std::size_t t = window.first_scored; t < window.size; ++t) {
      batch.rows.push_back(before + t - 1);
      batch.targets.push_back(plan.ids[window.begin + t]);
    }
  }
  return batch;
}

}  // namespace

Result<std::vector<TokenScores>> score_plan(std::span<const Model* const> models, const WindowPlan& plan,
                                            Threads& threads, kernels::Compute compute, Sink& sink) {
  LIEQ_TRY(check_arguments(models, plan));
  std::vector<std::unique_ptr<Lane>> lanes;
  for (const Model* model : models) lanes.push_back(std::make_unique<Lane>(*model, threads, compute));

  const std::size_t slice = model::logit_slice_rows(models.front()->config);
  const std::vector<Share> batches = batches_of(plan);
  Ranks& ranks = threads.ranks();
  const Share own = share_of(batches.size(), ranks.rank(), ranks.size());
  sink.progress("perplexity", 0, plan.windows.size());
  for (std::size_t b = own.first; b < own.last; ++b) {
    LIEQ_TRY(check_cancelled(sink));
    const Batch batch = take_batch(plan, batches[b]);
    for (const auto& lane : lanes) {
      const MatrixView<float> hidden = lane->hidden.matrix(batch.tokens.size(), lane->model->config.hidden_size);
      model::forward(*lane->model, batch.tokens, batch.sequences, lane->state, hidden);
      // Rows that predict nothing make room for those that do: the head reads only these.
      for (std::size_t i = 0; i < batch.rows.size(); ++i)
        if (batch.rows[i] != i) std::ranges::copy(hidden.row(batch.rows[i]), hidden.row(i).begin());
    }
    for (std::size_t row = 0; row < batch.rows.size(); row += slice)
      score_slice(lanes, row, std::min(slice, batch.rows.size() - row), batch.targets, batch.tokens.size(), threads);
    for (const auto& lane : lanes) {
      if (!std::isfinite(std::accumulate(lane->scores.nll.begin(), lane->scores.nll.end(), 0.0)))
        return fail(ErrorCode::kNumerical,
                    fmt::format("{}: logits: found NaN or infinity in windows {} to {}, expected finite values",
                                lane->model->path.string(), batches[b].first, batches[b].last - 1));
    }
    sink.progress("perplexity", plan.windows.size() * (b + 1 - own.first) / own.count(), plan.windows.size());
  }
  const std::vector<std::size_t> borders = token_borders(plan, batches, ranks.size());
  std::vector<TokenScores> scores;
  for (const auto& lane : lanes) {
    TokenScores& all = scores.emplace_back(std::move(lane->scores));
    gather(ranks, borders, all.nll);
    if (scores.size() == 1) continue;  // nothing is compared with the first model but the others
    gather(ranks, borders, all.kl);
    gather(ranks, borders, all.top1);
  }
  return scores;
}

Result<std::vector<TokenScores>> score_windows(std::span<const Model* const> models, std::span<const TokenId> ids,
                                               std::size_t window, Threads& threads, kernels::Compute compute,
                                               Sink& sink) {
  if (window < 2) return refusal(fmt::format("window: found {}, expected at least 2 tokens", window));
  if (ids.size() < window)
    return refusal(fmt::format("text: found {} tokens, expected at least one window of {}", ids.size(), window));
  return score_plan(models, gptq_windows({ids.begin(), ids.end()}, window, window), threads, compute, sink);
}

namespace {

template <class T>
double mean(const std::vector<T>& values) {
  double sum = 0;
  for (const T value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

/// Standard error of the mean of independent values.
template <class T>
double standard_error(const std::vector<T>& values, double mean_value) {
  const auto n = static_cast<double>(values.size());
  double squares = 0;
  for (const T value : values)
    squares += (static_cast<double>(value) - mean_value) * (static_cast<double>(value) - mean_value);
  return n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
}

/// The smallest value that at least `share` of them do not exceed.
double percentile(std::vector<float> values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::ranges::nth_element(values, nth);
  return static_cast<double>(*nth);
}

}  // namespace

void summarise(const TokenScores& scores, EvalRecord& record) {
  LIEQ_CHECK(!scores.nll.empty());
  record.num_tokens = scores.nll.size();
  record.nll = mean(scores.nll);
  record.perplexity = std::exp(record.nll);
  record.perplexity_stderr = record.perplexity * standard_error(scores.nll, record.nll);
  if (scores.kl.empty()) return;
  record.kl = mean(scores.kl);
  record.kl_stderr = standard_error(scores.kl, *record.kl);
  record.kl_p99 = percentile(scores.kl, 0.99);
  record.top1 = mean(scores.top1);
  record.top1_stderr = standard_error(scores.top1, *record.top1);
}

}  // namespace lieq::eval
