/// Evaluation on several ranks gives what one gives.

#include "lieq/eval/bundle.h"
#include "lieq/eval/choices.h"
#include "lieq/eval/perplexity.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"
#include "tests/support/thread_ranks.h"

namespace lieq::eval {
namespace {

using test::must;

struct OnRanks : testing::Test {
  OnRanks() : bundle(must(Bundle::load(test::demo_dir(), one, sink))) { bundle.model.layers.resize(2); }
  Threads one{2};
  Sink sink;
  Bundle bundle;
};

TEST_F(OnRanks, TokenScoresAreThoseOfOne) {
  std::vector<model::TokenId> ids;
  for (std::size_t t = 0; t < 9 * 512 + 100; ++t)
    ids.push_back(static_cast<model::TokenId>((t * t * 7 + t / 3) % 4096));
  model::Model shorter = bundle.model;
  shorter.layers.resize(1);
  const model::Model* const models[] = {&bundle.model, &shorter};
  using Scores = std::vector<TokenScores>;
  const auto score = [&](Threads& threads) {
    Sink own;
    return must(score_windows(models, ids, 512, threads, kernels::Compute::kF32, own));
  };
  const Scores expected = score(one);
  for (const std::size_t ranks : {2U, 3U, 4U}) {
    for (const Scores& scores : test::on_ranks<Scores>(ranks, score)) {
      for (std::size_t m = 0; m < 2; ++m) {
        EXPECT_EQ(scores[m].nll, expected[m].nll);
        EXPECT_EQ(scores[m].kl, expected[m].kl);
        EXPECT_EQ(scores[m].top1, expected[m].top1);
      }
    }
  }
}

/// Ends the work once some questions are answered, as Ctrl-C does.
struct Stop : Sink {
  void progress(std::string_view /*what*/, std::size_t done, std::size_t /*total*/) override { stopped = done >= 16; }
  [[nodiscard]] bool cancelled() const override { return stopped; }
  bool stopped = false;
};

TEST_F(OnRanks, AnswersAreThoseOfOneAlsoWhenResumedWithOtherRanks) {
  std::vector<Item> items(40);
  std::vector<const Item*> views;
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].place = "here";
    items[i].contexts = {"In the beginning, verse " + std::to_string(i) + ": God created"};
    items[i].continuations = {" the heaven", " the earth and", " light"};
    items[i].choice_chars = {10, 13, 5};
    views.push_back(&items[i]);
  }
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "ranks_test_journals";
  std::filesystem::remove_all(folder);
  ChoiceOptions options;
  options.batch_size = 2;
  using Scores = std::vector<ItemScores>;
  const Scores expected = must(score_items(bundle, views, options, one, sink));
  options.journals = folder;
  const auto stopped = test::on_ranks<int>(2, [&](Threads& threads) {
    Stop stop;
    return score_items(bundle, views, options, threads, stop) ? 0 : 1;
  });
  EXPECT_EQ(stopped, (std::vector<int>{1, 1}));
  EXPECT_FALSE(std::filesystem::is_empty(folder));
  for (const Scores& scores : test::on_ranks<Scores>(
           3, [&](Threads& threads) { return must(score_items(bundle, views, options, threads, sink)); }))
    EXPECT_EQ(scores, expected);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

}  // namespace
}  // namespace lieq::eval
