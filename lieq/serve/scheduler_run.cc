/// The part of Scheduler that runs the model.

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "lieq/kernels/softmax.h"
#include "lieq/serve/scheduler.h"
#include "lieq/serve/sequence.h"

namespace lieq::serve {

void Scheduler::run() {
  const double start = options_.seconds();
  std::vector<TokenId> tokens;
  std::vector<model::SequenceSpan> spans;
  rows_.clear();
  std::size_t prompt_tokens = 0;
  for (const Pick& pick : picks_) {
    Sequence& sequence = *pick.sequence;
    const std::size_t done = sequence.cache.length(), end = done + pick.count;
    // After its last token a text goes on; inside a prompt logits only matter where they were asked for.
    const std::size_t told_before = sequence.work.prompt_logprobs ? sequence.work.prompt.size() : 0;
    for (std::size_t place = done + 1; place <= end; ++place)
      if (place < told_before || (place == sequence.ids.size() && sequence.work.max_new_tokens > 0))
        rows_.push_back({&sequence, place, tokens.size() + place - done - 1});
    if (!sequence.decoding()) prompt_tokens += pick.count;
    tokens.insert(tokens.end(), sequence.ids.begin() + static_cast<std::ptrdiff_t>(done),
                  sequence.ids.begin() + static_cast<std::ptrdiff_t>(end));
    spans.push_back({pick.count, &sequence.cache});
  }
  const MatrixView<float> hidden = hidden_.matrix(tokens.size(), model_.config.hidden_size);
  model::forward(model_, tokens, spans, run_state_, hidden);
  read_logits(hidden);
  const double seconds = options_.seconds() - start;
  const double share = static_cast<double>(prompt_tokens) / static_cast<double>(tokens.size());
  counts_.prompt_seconds += share * seconds;
  counts_.decode_seconds += (1 - share) * seconds;
  counts_.prompt_tokens += prompt_tokens;
  ++counts_.steps;
}

/// Logits of the rows that matter, a slice of them at a time, and what follows from them.
void Scheduler::read_logits(MatrixView<const float> hidden) {
  const std::size_t most = model::logit_slice_rows(model_.config);
  for (std::size_t first = 0; first < rows_.size(); first += most) {
    const std::size_t count = std::min(most, rows_.size() - first);
    const MatrixView<float> selected = selected_.matrix(count, hidden.cols());
    for (std::size_t r = 0; r < count; ++r)
      std::ranges::copy(hidden.row(rows_[first + r].hidden_row), selected.row(r).begin());
    const MatrixView<float> logits = logits_.matrix(count, model_.config.vocab_size);
    model::logits(model_, selected, run_state_, logits);
    threads_.for_each(count, [&](std::size_t r, std::size_t) { read_row(rows_[first + r], logits.row(r)); });
  }
}

/// Changes nothing but the row and the sampler of its sequence: rows are read by several threads at once.
void Scheduler::read_row(Row& row, std::span<float> logits) const {
  Sequence& sequence = *row.sequence;
  const Work& work = sequence.work;
  const double log_sum = kernels::log_sum_exp(logits);
  if (!std::isfinite(log_sum)) {
    row.error = fmt::format("logits: found NaN or infinity at position {}, expected finite values", row.place - 1);
    return;
  }
  const auto logprob = [&](TokenId id) { return static_cast<double>(logits[static_cast<std::size_t>(id)]) - log_sum; };
  if (work.logprobs)
    for (const TokenId id : eval::most_likely(logits, *work.logprobs)) row.news.top.push_back({id, logprob(id)});
  if (row.place < sequence.ids.size()) {
    row.news.token = sequence.ids[row.place];
    row.news.logprob = logprob(row.news.token);
    return;
  }
  // Sampling changes the logits.
  std::vector<float> original;
  if (work.logprobs) original.assign(logits.begin(), logits.end());
  if (work.filter) {
    if (const auto applied = work.filter->apply(logits); !applied) {
      row.error = applied.error().message;
      return;
    }
    for (float& logit : logits) logit = std::max(logit, eval::kNeverDrawn);
  }
  row.news.token = sequence.sampler.pick(logits, sequence.ids);
  if (work.logprobs)
    row.news.logprob = static_cast<double>(original[static_cast<std::size_t>(row.news.token)]) - log_sum;
  row.ends = std::ranges::find(work.stop_tokens, row.news.token) != work.stop_tokens.end();
}

void Scheduler::tell() {
  for (Row& row : rows_)
    if (!row.sequence->finished) hear(row);
  // A text that wants no new tokens ends with its prompt.
  for (const Pick& pick : picks_) {
    Sequence& sequence = *pick.sequence;
    if (sequence.finished || sequence.work.max_new_tokens > 0 || sequence.remaining() > 0) continue;
    sequence.answered = options_.seconds();
    if (sequence.work.prompt_logprobs) sequence.listener->on_prompt(std::move(sequence.prompt_news));
    finish(sequence, Finish::kLength);
  }
}

void Scheduler::hear(Row& row) {
  Sequence& sequence = *row.sequence;
  Work& work = sequence.work;
  if (!row.error.empty()) return finish(sequence, Finish::kFailed, std::move(row.error));
  if (row.place < sequence.ids.size()) {
    sequence.prompt_news.push_back(std::move(row.news));
    return;
  }
  if (sequence.answered == 0) {
    sequence.answered = options_.seconds();
    if (work.prompt_logprobs) sequence.listener->on_prompt(std::move(sequence.prompt_news));
    work.prompt_logprobs = false;
  }
  if (row.ends) return finish(sequence, Finish::kStop);
  if (work.filter) work.filter->accept(row.news.token);
  sequence.ids.push_back(row.news.token);
  ++counts_.new_tokens;
  if (!sequence.listener->on_token(row.news) || (work.filter && work.filter->must_end()))
    return finish(sequence, Finish::kStop);
  if (sequence.added() >= work.max_new_tokens || sequence.ids.size() >= options_.context)
    finish(sequence, Finish::kLength);
}

}  // namespace lieq::serve
