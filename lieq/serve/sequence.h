#pragma once
/// A text in the scheduler (internal to it).

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lieq/serve/scheduler.h"

namespace lieq::serve {

struct Scheduler::Sequence {
  Sequence(Submission submission, const model::ModelConfig& config, std::size_t context, model::KvPool& pool)
      : work(std::move(submission.work)),
        listener(std::move(submission.listener)),
        ids(work.prompt),
        cache(config, context, pool),
        sampler(work.sampling) {}

  Work work;
  std::shared_ptr<Listener> listener;
  std::shared_ptr<Ticket> ticket = std::make_shared<Ticket>();
  std::vector<TokenId> ids;  ///< the prompt and what was added; the cache holds the first of them
  model::KvCache cache;
  eval::Sampler sampler;
  std::vector<TokenNews> prompt_news;
  Ending ending;
  bool finished = false;
  bool preempted = false;  ///< it lost its pages
  std::size_t number = 0;  ///< in the order of submission
  double submitted = 0, started = 0, answered = 0;

  /// Tokens that are to be run before the next one is known.
  [[nodiscard]] std::size_t remaining() const { return ids.size() - cache.length(); }
  [[nodiscard]] std::size_t added() const { return ids.size() - work.prompt.size(); }
  /// It waits for its next token only, not for its prompt (or what was preempted).
  [[nodiscard]] bool decoding() const { return added() > 0 && remaining() == 1; }
};

/// Tokens of one sequence in a step.
struct Scheduler::Pick {
  Sequence* sequence;
  std::size_t count;
};

/// A row of logits: it tells of ids[place] of a prompt, or the next token where place is ids.size().
struct Scheduler::Row {
  Sequence* sequence;
  std::size_t place, hidden_row;
  TokenNews news = {};
  bool ends = false;  ///< a stop token came
  std::string error = {};
};

}  // namespace lieq::serve
