#pragma once
/// Continuous batching: texts join and leave between steps of the model, all of them share each step, and what they
/// have in common at their beginnings is computed once. Knows nothing of text, JSON or sockets.
///
/// A text's tokens do not depend on its company: products, attention and sampling give each row the same bits whatever
/// else runs in the step, however its prompt is cut, and whoever computed the keys and values it takes over.
/// Models whose rope scaling changes with the length of a text ("dynamic", "longrope") run one text at a time, whole.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/serve/prefix_store.h"
#include "lieq/serve/work.h"

namespace lieq::serve {

struct SchedulerOptions {
  std::size_t slots = 4;                 ///< texts that run together at most
  std::size_t context = 0;               ///< tokens of one text at most
  std::size_t cache_pages = 0;           ///< kernels::kPageTokens tokens each; enough for one text of `context` tokens
  std::size_t queue = 64;                ///< texts that wait for a slot at most
  std::size_t step_tokens = 512;         ///< tokens of prompts in a step while no text is waiting for its next token
  std::size_t shared_step_tokens = 128;  ///< and while some are: they wait as long as this takes
  std::function<double()> seconds;       ///< the clock; empty: the system's
};

/// What it is doing, and what it has done since its start.
struct SchedulerState {
  std::size_t slots = 0, running = 0, waiting = 0, cache_pages = 0, used_pages = 0;
  std::size_t requests = 0, refused = 0, cancelled = 0, failed = 0, preempted = 0;
  std::size_t steps = 0, prompt_tokens = 0, shared_tokens = 0, new_tokens = 0;
  double prompt_seconds = 0, decode_seconds = 0;  ///< time of steps, shared out by tokens of either kind
};

class Scheduler {
 public:
  /// model and threads must outlive this.
  Scheduler(const model::Model& model, Threads& threads, kernels::Compute compute, SchedulerOptions options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  struct Submission {
    Work work;
    std::shared_ptr<Listener> listener;
  };
  /// Takes all of them or none: empty when the queue has no room, and after cancel_all(). From any thread. Prompts are
  /// shorter than the context.
  [[nodiscard]] std::vector<std::shared_ptr<Ticket>> submit(std::vector<Submission> submissions);

  /// One step for those that run. False: there was nothing to do. Always from the same thread.
  bool step();
  /// Returns when there may be something to do: a tenth of a second later at the latest, or after wake().
  void wait();
  /// From any thread.
  void wake();
  /// Ends everything with kCancelled, for good. From the thread of step().
  void cancel_all();

  /// From any thread.
  [[nodiscard]] SchedulerState state() const;
  [[nodiscard]] const SchedulerOptions& options() const { return options_; }
  [[nodiscard]] std::size_t page_bytes() const { return pool_.page_bytes(); }

 private:
  struct Sequence;
  struct Pick;
  struct Row;
  using SequencePtr = std::unique_ptr<Sequence>;

  void take_in();
  void drop_cancelled();
  void admit();
  void share_prefix(Sequence& sequence);
  bool has_pages(std::size_t count);
  bool make_room(Sequence& sequence, std::size_t tokens);
  bool preempt_for(const Sequence& sequence);
  void pick_sequences();
  bool pick(Sequence& sequence, std::size_t most);
  [[nodiscard]] bool waits_for_prefix(const Sequence& sequence) const;
  void run();
  void read_logits(MatrixView<const float> hidden);
  void read_row(Row& row, std::span<float> logits) const;
  void tell();
  void hear(Row& row);
  void finish(Sequence& sequence, Finish how, std::string error = {});
  void leave_finished();
  void publish();

  const model::Model& model_;
  Threads& threads_;
  SchedulerOptions options_;
  bool rope_changes_;  // with the length of a text

  model::KvPool pool_;  // before everything that holds pages
  model::RunState run_state_;
  PrefixStore store_;
  std::deque<SequencePtr> waiting_;   // the oldest first
  std::vector<SequencePtr> running_;  // the oldest first
  std::vector<Pick> picks_;
  std::vector<Row> rows_;
  kernels::Buffer<float> hidden_, selected_, logits_;
  SchedulerState counts_;
  std::size_t submitted_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::vector<SequencePtr> inbox_;
  std::size_t queued_ = 0;  // in the inbox or waiting
  bool woken_ = false, closed_ = false;
  SchedulerState published_;
};

}  // namespace lieq::serve
