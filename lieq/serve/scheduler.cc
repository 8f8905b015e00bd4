#include "lieq/serve/scheduler.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "lieq/serve/sequence.h"

namespace lieq::serve {
namespace {

/// Fewer tokens are sooner run than taken over: a page has to be copied for them.
constexpr std::size_t kLeastShared = 16;

double system_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool changes_with_length(model::RopeType type) {
  return type == model::RopeType::kDynamic || type == model::RopeType::kLongRope;
}

}  // namespace

Scheduler::Scheduler(const model::Model& model, Threads& threads, kernels::Compute compute, SchedulerOptions options)
    : model_(model),
      threads_(threads),
      options_(std::move(options)),
      rope_changes_(changes_with_length(model.config.rope.type)),
      pool_(model.config, options_.cache_pages),
      run_state_(model, threads, kernels::Arithmetic(compute, true)) {
  const std::size_t page = kernels::kPageTokens;
  LIEQ_CHECK(options_.slots > 0 && options_.context > 0 && options_.step_tokens > 0 && options_.shared_step_tokens > 0);
  LIEQ_CHECK(options_.cache_pages >= (options_.context + page - 1) / page);
  if (rope_changes_) options_.slots = 1;
  if (!options_.seconds) options_.seconds = system_seconds;
  counts_.slots = options_.slots;
  counts_.cache_pages = options_.cache_pages;
  publish();
}

Scheduler::~Scheduler() = default;

std::vector<std::shared_ptr<Ticket>> Scheduler::submit(std::vector<Submission> submissions) {
  std::vector<SequencePtr> sequences;
  std::vector<std::shared_ptr<Ticket>> tickets;
  const double now = options_.seconds();
  for (Submission& one : submissions) {
    LIEQ_CHECK(!one.work.prompt.empty() && one.work.prompt.size() < options_.context && one.listener);
    sequences.push_back(std::make_unique<Sequence>(std::move(one), model_.config, options_.context, pool_));
    sequences.back()->submitted = now;
    tickets.push_back(sequences.back()->ticket);
  }
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || queued_ + sequences.size() > options_.queue + (published_.slots - published_.running)) {
      ++published_.refused;
      return {};
    }
    queued_ += sequences.size();
    published_.requests += sequences.size();
    std::ranges::move(sequences, std::back_inserter(inbox_));
  }
  changed_.notify_all();
  return tickets;
}

void Scheduler::take_in() {
  std::vector<SequencePtr> fresh;
  {
    const std::lock_guard lock(mutex_);
    fresh.swap(inbox_);
  }
  for (SequencePtr& one : fresh) {
    one->number = submitted_++;
    waiting_.push_back(std::move(one));
  }
}

void Scheduler::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return woken_ || !inbox_.empty(); });
  woken_ = false;
}

void Scheduler::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

bool Scheduler::step() {
  take_in();
  drop_cancelled();
  admit();
  pick_sequences();
  const bool worked = !picks_.empty();
  if (worked) {
    run();
    tell();
  }
  leave_finished();
  publish();
  return worked;
}

void Scheduler::drop_cancelled() {
  for (SequencePtr& one : running_)
    if (one->ticket->cancelled()) finish(*one, Finish::kCancelled);
  for (SequencePtr& one : waiting_)
    if (one->ticket->cancelled()) finish(*one, Finish::kCancelled);
  leave_finished();
}

void Scheduler::cancel_all() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  take_in();
  for (SequencePtr& one : running_) finish(*one, Finish::kCancelled);
  for (SequencePtr& one : waiting_) finish(*one, Finish::kCancelled);
  leave_finished();
  publish();
}

/// The oldest ones get slots, as long as there are pages for their prompts and the next token.
void Scheduler::admit() {
  while (running_.size() < options_.slots && !waiting_.empty()) {
    Sequence& next = *waiting_.front();
    share_prefix(next);
    const std::size_t wanted =
        next.cache.pages_for(std::min(next.remaining() + 1, options_.context - next.cache.length()));
    if (!has_pages(wanted) && !running_.empty()) {
      next.cache.clear();
      next.ending.shared_tokens = 0;
      return;
    }
    if (next.started == 0) next.started = options_.seconds();
    const auto place =
        std::ranges::upper_bound(running_, next.number, {}, [](const SequencePtr& s) { return s->number; });
    running_.insert(place, std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

/// Takes over what another text has computed of this one's beginning, if that is more than it has itself. The last
/// token is always run, for the logits after it.
void Scheduler::share_prefix(Sequence& sequence) {
  if (!sequence.work.share_prefix || sequence.work.prompt_logprobs || rope_changes_) return;
  const std::span<const TokenId> wanted(sequence.ids.data(), sequence.ids.size() - 1);
  std::size_t most = sequence.cache.length() + kLeastShared - 1;
  const model::KvCache* source = nullptr;
  for (const SequencePtr& other : running_) {
    if (other.get() == &sequence) continue;
    const std::size_t common = common_prefix(wanted, std::span(other->ids).first(other->cache.length()));
    if (common > most) source = &other->cache, most = common;
  }
  if (const PrefixStore::Entry* entry = store_.find(wanted, most + 1)) {
    source = &entry->cache;
    most = common_prefix(wanted, entry->ids);
  }
  if (!source) return;
  // A page for the part of one that is copied; the entry that was found is the newest, and the last to go.
  while (pool_.used() == pool_.pages() && store_.size() > 1) store_.drop_oldest();
  const std::size_t before = sequence.cache.length();
  sequence.cache.share(*source, most);
  const std::size_t gained = sequence.cache.length() - before;
  if (sequence.added() == 0) sequence.ending.shared_tokens += gained;
  counts_.shared_tokens += gained;
}

/// Whether there are so many pages, if need be by forgetting what ended long ago.
bool Scheduler::has_pages(std::size_t count) {
  while (pool_.pages() - pool_.used() < count)
    if (!store_.drop_oldest()) return false;
  return true;
}

/// Pages for so many more tokens, if need be by forgetting what ended long ago, and then by setting back the youngest.
bool Scheduler::make_room(Sequence& sequence, std::size_t tokens) {
  while (!sequence.cache.make_room(tokens))
    if (!store_.drop_oldest() && !preempt_for(sequence)) return false;
  return true;
}

/// Takes the pages of the youngest text that came later and is not in this step. It starts again where it was: what it
/// computes anew has the same bits.
bool Scheduler::preempt_for(const Sequence& sequence) {
  for (auto one = running_.rbegin(); one != running_.rend() && (*one)->number > sequence.number; ++one) {
    if ((*one)->finished || (*one)->cache.pages() == 0) continue;
    if (std::ranges::find(picks_, one->get(), &Pick::sequence) != picks_.end()) continue;
    (*one)->cache.clear();
    (*one)->prompt_news.clear();
    (*one)->preempted = true;
    ++counts_.preempted;
    return true;
  }
  return false;
}

/// Who runs in this step: each text that waits for its next token, and then slices of prompts, half of them of the
/// oldest, so that every prompt ends, the rest of the shortest, so that no long one stands in the way of many.
void Scheduler::pick_sequences() {
  picks_.clear();
  std::vector<Sequence*> prompts;
  for (const SequencePtr& one : running_) {
    if (!one->decoding()) {
      prompts.push_back(one.get());
    } else if (make_room(*one, 1)) {
      picks_.push_back({one.get(), 1});
    }
  }
  if (prompts.empty()) return;
  std::size_t left = picks_.empty() ? options_.step_tokens : options_.shared_step_tokens;
  const auto give = [&](Sequence& sequence, std::size_t most) {
    if (left > 0 && pick(sequence, std::min(left, most))) left -= picks_.back().count;
  };
  give(*prompts.front(), prompts.size() == 1 ? left : (left + 1) / 2);
  std::ranges::stable_sort(prompts.begin() + 1, prompts.end(), {}, &Sequence::remaining);
  for (std::size_t i = 1; i < prompts.size(); ++i) give(*prompts[i], left);
}

bool Scheduler::pick(Sequence& sequence, std::size_t most) {
  if (sequence.finished) return false;
  if (sequence.cache.length() == 0 || sequence.remaining() > kLeastShared) share_prefix(sequence);
  if (waits_for_prefix(sequence)) return false;
  // Set back once, it waits until it will not be again for want of the same pages.
  if (sequence.preempted && !has_pages(sequence.cache.pages_for(sequence.remaining()))) return false;
  sequence.preempted = false;
  const std::size_t count = rope_changes_ ? sequence.remaining() : std::min(most, sequence.remaining());
  if (!make_room(sequence, count)) return false;
  picks_.push_back({&sequence, count});
  return true;
}

/// A text that runs in this step is about to compute what this one can take over.
bool Scheduler::waits_for_prefix(const Sequence& sequence) const {
  if (!sequence.work.share_prefix || sequence.work.prompt_logprobs || rope_changes_) return false;
  const std::span<const TokenId> wanted(sequence.ids.data(), sequence.ids.size() - 1);
  return std::ranges::any_of(picks_, [&](const Pick& pick) {
    if (pick.sequence->decoding()) return false;
    const std::size_t common = common_prefix(wanted, pick.sequence->ids);
    return common >= sequence.cache.length() + kLeastShared && common > pick.sequence->cache.length();
  });
}

void Scheduler::finish(Sequence& sequence, Finish how, std::string error) {
  if (std::exchange(sequence.finished, true)) return;
  const double now = options_.seconds();
  Ending& ending = sequence.ending;
  ending.finish = how;
  ending.error = std::move(error);
  ending.prompt_tokens = sequence.work.prompt.size();
  ending.new_tokens = sequence.added();
  const double started = sequence.started == 0 ? now : sequence.started;
  const double answered = sequence.answered == 0 ? now : sequence.answered;
  ending.queued_seconds = started - sequence.submitted;
  ending.prompt_seconds = answered - started;
  ending.decode_seconds = now - answered;
  if (how == Finish::kCancelled) ++counts_.cancelled;
  if (how == Finish::kFailed) ++counts_.failed;
  sequence.listener->on_end(ending);
}

/// Those that have ended give up their slots; their keys and values are kept for others.
void Scheduler::leave_finished() {
  for (SequencePtr& one : running_) {
    if (!one->finished || one->cache.length() == 0 || rope_changes_) continue;
    one->ids.resize(one->cache.length());
    store_.add(std::move(one->ids), std::move(one->cache));
  }
  std::erase_if(running_, [](const SequencePtr& one) { return one->finished; });
  std::erase_if(waiting_, [](const SequencePtr& one) { return one->finished; });
}

void Scheduler::publish() {
  counts_.running = running_.size();
  counts_.used_pages = pool_.used();
  const std::lock_guard lock(mutex_);
  queued_ = inbox_.size() + waiting_.size();
  counts_.waiting = queued_;
  counts_.requests = published_.requests;
  counts_.refused = published_.refused;
  published_ = counts_;
}

SchedulerState Scheduler::state() const {
  const std::lock_guard lock(mutex_);
  SchedulerState state = published_;
  state.waiting = queued_;
  return state;
}

}  // namespace lieq::serve
