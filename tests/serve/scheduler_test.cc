#include "lieq/serve/scheduler.h"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::serve {
namespace {

/// What a text has told.
struct Told : Listener {
  std::vector<TokenNews> prompt, tokens;
  std::vector<std::size_t> steps;  ///< in which step of the scheduler each token came
  std::optional<Ending> ending;
  std::size_t enough = 1 << 30;
  const std::size_t* step = nullptr;

  void on_prompt(std::vector<TokenNews> news) override { prompt = std::move(news); }
  bool on_token(const TokenNews& token) override {
    tokens.push_back(token);
    if (step) steps.push_back(*step);
    return tokens.size() < enough;
  }
  void on_end(const Ending& end) override { ending = end; }
  [[nodiscard]] std::vector<TokenId> ids() const {
    std::vector<TokenId> all;
    for (const TokenNews& one : tokens) all.push_back(one.token);
    return all;
  }
};

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest()
      : threads_(2),
        plain_(test::must(model::Model::load(test::data_dir() / "tiny-llama", threads_, sink_))),
        packed_(test::must(model::Model::load(test::data_dir() / "tiny-llama", threads_, sink_, {.embed_bits = 8}))) {}

  [[nodiscard]] SchedulerOptions options(std::size_t slots, std::size_t pages = 64) {
    SchedulerOptions options;
    options.slots = slots;
    options.context = 512;
    options.cache_pages = pages;
    options.seconds = [this] { return now_; };
    return options;
  }

  [[nodiscard]] std::vector<TokenId> some_tokens(std::size_t count, std::size_t salt) const {
    std::vector<TokenId> ids;
    for (std::size_t t = 0; t < count; ++t)
      ids.push_back(static_cast<TokenId>((t * 37 + salt * 101 + t * t * salt) % plain_.config.vocab_size));
    return ids;
  }

  [[nodiscard]] Work work(std::size_t prompt, std::size_t salt, std::size_t tokens) const {
    Work one;
    one.prompt = some_tokens(prompt, salt);
    one.max_new_tokens = tokens;
    one.sampling.temperature = salt % 2 == 0 ? 0 : 1.5;
    one.sampling.top_k = salt % 3 == 0 ? 40 : 0;
    one.sampling.seed = salt;
    one.logprobs = 2;
    return one;
  }

  std::shared_ptr<Told> submit(Scheduler& scheduler, Work one) {
    auto told = std::make_shared<Told>();
    told->step = &steps_;
    tickets_ = scheduler.submit({{std::move(one), told}});
    return tickets_.empty() ? nullptr : told;
  }

  void run(Scheduler& scheduler, std::size_t most = 100000) {
    for (std::size_t i = 0; i < most && scheduler.step(); ++i) {
      ++steps_;
      now_ += 1;
    }
  }

  Told alone(const model::Model& model, kernels::Compute compute, const Work& one) {
    Scheduler scheduler(model, threads_, compute, options(1));
    const auto told = submit(scheduler, one);
    run(scheduler);
    return *told;
  }

  static void expect_same(const Told& a, const Told& b) {
    ASSERT_EQ(a.ids(), b.ids());
    for (std::size_t t = 0; t < a.tokens.size(); ++t) {
      EXPECT_EQ(a.tokens[t].logprob, b.tokens[t].logprob) << t;
      for (std::size_t i = 0; i < a.tokens[t].top.size(); ++i)
        EXPECT_EQ(a.tokens[t].top[i].logprob, b.tokens[t].top[i].logprob) << t;
    }
  }

  Sink sink_;
  Threads threads_;
  model::Model plain_, packed_;
  std::vector<std::shared_ptr<Ticket>> tickets_;
  std::size_t steps_ = 0;
  double now_ = 0;
};

TEST_F(SchedulerTest, AnAnswerDoesNotDependOnItsCompany) {
  const std::vector<std::pair<std::size_t, std::size_t>> shapes = {{1, 40},  {300, 20}, {130, 30},
                                                                   {7, 150}, {64, 3},   {255, 9}};
  const model::Model deep = test::must(model::Model::load(test::demo_dir(), threads_, sink_));
  for (const model::Model* model : std::initializer_list<const model::Model*>{&plain_, &packed_, &deep}) {
    for (const auto compute : {kernels::Compute::kF32, kernels::Compute::kInt8}) {
      if (model == &deep && compute == kernels::Compute::kF32) continue;  // the same: nothing in it is packed
      std::vector<Work> works;
      std::vector<Told> expected;
      for (std::size_t i = 0; i < shapes.size(); ++i) {
        works.push_back(work(shapes[i].first, i, shapes[i].second));
        expected.push_back(alone(*model, compute, works.back()));
        EXPECT_EQ(expected.back().tokens.size(), shapes[i].second);
      }
      for (const std::size_t slice : {5U, 100U}) {
        auto together = options(4);
        together.step_tokens = 3 * slice;
        together.shared_step_tokens = slice;
        Scheduler scheduler(*model, threads_, compute, together);
        std::vector<std::shared_ptr<Told>> told;
        for (std::size_t i = 0; i < works.size(); ++i) {
          told.push_back(submit(scheduler, works[i]));
          if (i % 2 == 1) run(scheduler, 3);  // the others join later
        }
        run(scheduler);
        for (std::size_t i = 0; i < works.size(); ++i) expect_same(*told[i], expected[i]);
      }
    }
  }
}

TEST_F(SchedulerTest, TheNextTurnRunsOnlyWhatIsNew) {
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(2));
  const Work first = work(200, 1, 30);
  const auto told = submit(scheduler, first);
  run(scheduler);
  EXPECT_EQ(told->ending->shared_tokens, 0U);

  Work second = work(1, 2, 25);
  second.prompt = first.prompt;
  for (const TokenId id : told->ids()) second.prompt.push_back(id);
  const auto more = some_tokens(20, 3);
  second.prompt.insert(second.prompt.end(), more.begin(), more.end());
  const Told expected = alone(plain_, kernels::Compute::kF32, second);
  const auto next = submit(scheduler, second);
  run(scheduler);
  // The last token of the first answer was never run.
  EXPECT_EQ(next->ending->shared_tokens, 200U + 29U);
  expect_same(*next, expected);

  second.share_prefix = false;
  const auto unshared = submit(scheduler, second);
  run(scheduler);
  EXPECT_EQ(unshared->ending->shared_tokens, 0U);
  expect_same(*unshared, expected);
}

TEST_F(SchedulerTest, ACommonBeginningIsComputedOnce) {
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(4));
  std::vector<std::shared_ptr<Told>> told;
  std::vector<Work> works;
  for (std::size_t i = 0; i < 4; ++i) {
    works.push_back(work(1, i, 10));
    works.back().prompt = some_tokens(300, 9);
    works.back().prompt.push_back(static_cast<TokenId>(i + 5));
    told.push_back(submit(scheduler, works.back()));
  }
  run(scheduler);
  EXPECT_EQ(scheduler.state().prompt_tokens, 300U + 4U);
  for (std::size_t i = 0; i < 4; ++i) expect_same(*told[i], alone(plain_, kernels::Compute::kF32, works[i]));
}

TEST_F(SchedulerTest, ALongPromptDoesNotStallOthers) {
  auto sliced = options(4);
  sliced.shared_step_tokens = 20;
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, sliced);
  const auto quick = submit(scheduler, work(4, 0, 40));
  run(scheduler, 5);
  const auto slow = submit(scheduler, work(400, 2, 2));
  const auto brief = submit(scheduler, work(10, 4, 2));
  run(scheduler);
  // A token in each step, and the short prompt has not waited for the long one.
  for (std::size_t t = 1; t < quick->steps.size(); ++t) EXPECT_EQ(quick->steps[t], quick->steps[t - 1] + 1);
  EXPECT_LT(brief->steps.back(), slow->steps.front());
  EXPECT_GE(slow->steps.front(), 20U);
}

TEST_F(SchedulerTest, MoreThanTheQueueHoldsIsRefused) {
  auto small = options(2);
  small.queue = 3;
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, small);
  std::vector<std::shared_ptr<Told>> told;
  for (std::size_t i = 0; i < 5; ++i) told.push_back(submit(scheduler, work(5, i, 5)));
  EXPECT_EQ(submit(scheduler, work(5, 9, 5)), nullptr);
  run(scheduler, 1);
  EXPECT_EQ(scheduler.state().running, 2U);
  EXPECT_EQ(scheduler.state().waiting, 3U);
  EXPECT_EQ(submit(scheduler, work(5, 9, 5)), nullptr);
  run(scheduler);
  for (const auto& one : told) EXPECT_EQ(one->ending->finish, Finish::kLength);
  EXPECT_EQ(scheduler.state().refused, 2U);
  EXPECT_NE(submit(scheduler, work(5, 9, 5)), nullptr);
}

TEST_F(SchedulerTest, ACancelledTextFreesItsSlotBeforeTheNextStep) {
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(1));
  const auto first = submit(scheduler, work(5, 0, 400));
  const auto ticket = tickets_.front();
  run(scheduler, 3);
  const auto second = submit(scheduler, work(5, 1, 5));
  const auto third = submit(scheduler, work(5, 2, 5));
  tickets_.front()->cancel();  // one that waits
  ticket->cancel();
  run(scheduler, 1);
  EXPECT_EQ(first->ending->finish, Finish::kCancelled);
  EXPECT_EQ(third->ending->finish, Finish::kCancelled);
  EXPECT_EQ(second->tokens.size(), 1U);
  run(scheduler);
  EXPECT_EQ(scheduler.state().cancelled, 2U);
}

TEST_F(SchedulerTest, TextsThatLoseTheirCacheGoOnAsIfNothingHadHappened) {
  // Eight pages of 128 tokens for four texts that grow to 300.
  Scheduler scheduler(plain_, threads_, kernels::Compute::kInt8, options(4, 8));
  std::vector<Work> works;
  std::vector<std::shared_ptr<Told>> told;
  for (std::size_t i = 0; i < 4; ++i) {
    works.push_back(work(100 + i, i, 200));
    works.back().prompt_logprobs = i == 3;
    told.push_back(submit(scheduler, works.back()));
  }
  run(scheduler);
  EXPECT_GT(scheduler.state().preempted, 0U);
  for (std::size_t i = 0; i < 4; ++i) expect_same(*told[i], alone(plain_, kernels::Compute::kInt8, works[i]));
  EXPECT_EQ(told[3]->prompt.size(), 102U);
}

TEST_F(SchedulerTest, AllMemoryComesBack) {
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(3, 6));
  for (std::size_t i = 0; i < 60; ++i) {
    ASSERT_NE(submit(scheduler, work(20 + i * 5, i, 10)), nullptr);
    if (i % 3 == 0) tickets_.front()->cancel();
    run(scheduler, i % 5);
  }
  run(scheduler);
  EXPECT_EQ(scheduler.state().running + scheduler.state().waiting, 0U);
  EXPECT_LE(scheduler.state().used_pages, 6U);
  const auto whole = submit(scheduler, work(500, 3, 11));  // all six pages are there for it
  run(scheduler);
  EXPECT_EQ(whole->tokens.size(), 11U);
}

TEST_F(SchedulerTest, TellsTheProbabilitiesOfThePrompt) {
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(1));
  Work one = work(30, 0, 0);
  one.prompt_logprobs = true;
  const auto told = submit(scheduler, one);
  run(scheduler);
  ASSERT_EQ(told->prompt.size(), 29U);
  EXPECT_TRUE(told->tokens.empty());
  EXPECT_EQ(told->ending->finish, Finish::kLength);
  // The same, one token at a time: what the next token was given.
  for (std::size_t t = 1; t < 30; t += 7) {
    Work next = one;
    next.prompt_logprobs = false;
    next.prompt.resize(t);
    next.max_new_tokens = 1;
    next.logprobs = plain_.config.vocab_size;
    const Told given = alone(plain_, kernels::Compute::kF32, next);
    const auto found = std::ranges::find(given.tokens[0].top, one.prompt[t], &TokenNews::Alternative::token);
    EXPECT_EQ(found->logprob, told->prompt[t - 1].logprob);
  }
}

TEST_F(SchedulerTest, EndsAtStopTokensAtTheContextAndWhenTheListenerHasEnough) {
  const Work free = work(5, 0, 20);
  const Told expected = alone(plain_, kernels::Compute::kF32, free);
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(1));
  Work stopped = free;
  stopped.stop_tokens = {expected.tokens[6].token};
  const auto stop = submit(scheduler, stopped);
  run(scheduler);
  EXPECT_EQ(stop->ending->finish, Finish::kStop);
  EXPECT_LE(stop->tokens.size(), 6U);
  EXPECT_EQ(stop->ending->new_tokens, stop->tokens.size());

  const auto enough = submit(scheduler, free);
  enough->enough = 3;
  run(scheduler);
  EXPECT_EQ(enough->ending->finish, Finish::kStop);
  EXPECT_EQ(enough->tokens.size(), 3U);

  Work full = work(500, 1, 100);
  const auto context = submit(scheduler, full);
  run(scheduler);
  EXPECT_EQ(context->ending->finish, Finish::kLength);
  EXPECT_EQ(context->tokens.size(), 12U);
}

TEST_F(SchedulerTest, KeepsTime) {
  auto slow = options(1);
  slow.step_tokens = 10;
  Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, slow);
  (void)submit(scheduler, work(5, 0, 4));                  // four steps
  const auto waiting = submit(scheduler, work(25, 2, 3));  // three steps for the prompt, two more
  run(scheduler);
  EXPECT_EQ(waiting->ending->queued_seconds, 4);
  EXPECT_EQ(waiting->ending->prompt_seconds, 2);
  EXPECT_EQ(waiting->ending->decode_seconds, 2);
}

/// Lets through ids from a list, and ends after them.
struct Script : TokenFilter {
  std::vector<TokenId> ids;
  std::size_t at = 0;
  Result<void> apply(std::span<float> logits) override {
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (i != static_cast<std::size_t>(ids[at])) logits[i] = -std::numeric_limits<float>::infinity();
    return {};
  }
  void accept(TokenId token) override { at += token == ids[at] ? 1 : 0; }
  [[nodiscard]] bool must_end() const override { return at == ids.size(); }
};

TEST_F(SchedulerTest, AFilterHasTheLastWord) {
  for (const std::size_t salt : {0U, 1U, 3U}) {
    Scheduler scheduler(plain_, threads_, kernels::Compute::kF32, options(1));
    Work one = work(5, salt, 20);
    auto script = std::make_shared<Script>();
    script->ids = {7, 3, 3, 9};
    one.filter = script;
    const auto told = submit(scheduler, one);
    run(scheduler);
    EXPECT_EQ(told->ids(), script->ids);
    EXPECT_EQ(told->ending->finish, Finish::kStop);
  }
}

}  // namespace
}  // namespace lieq::serve
