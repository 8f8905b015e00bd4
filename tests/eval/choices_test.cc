/// Scoring on the demo model.
#include "lieq/eval/choices.h"

#include "lieq/eval/prompt_encoder.h"
#include "lieq/io/atomic_file.h"
#include "lieq/kernels/softmax.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::eval {
namespace {

using model::TokenId;
using test::must;

class Choices : public testing::Test {
 protected:
  Choices() : bundle_(must(Bundle::load(test::demo_dir(), threads_, sink_))) {}

  static Item item(const std::string& context, std::vector<std::string> continuations) {
    Item item;
    item.place = "here";
    item.contexts = {context};
    for (const auto& one : continuations) item.choice_chars.push_back(one.size());
    item.continuations = std::move(continuations);
    return item;
  }
  std::vector<Item> items() {
    std::vector<Item> items;
    for (int i = 0; i < 12; ++i)
      items.push_back(item("In the beginning, verse " + std::to_string(i) + ": God created",
                           {" the heaven", " the earth and", " light"}));
    return items;
  }
  std::vector<ItemScores> score(const std::vector<Item>& items, const ChoiceOptions& options = {}) {
    std::vector<const Item*> views;
    for (const Item& one : items) views.push_back(&one);
    return must(score_items(bundle_, views, options, threads_, sink_));
  }
  /// Log-likelihood from a run of the whole text by itself.
  double alone(const ChoiceTokens& choice) {
    model::RunState state(bundle_.model, threads_, kernels::Compute::kF32);
    test::Matrix hidden(choice.input.size(), bundle_.model.config.hidden_size);
    test::Matrix logits(choice.input.size(), bundle_.model.config.vocab_size);
    const model::SequenceSpan span{choice.input.size()};
    model::forward(bundle_.model, choice.input, {&span, 1}, state, hidden.view());
    model::logits(bundle_.model, hidden.view(), state, logits.view());
    double sum = 0;
    for (std::size_t t = 0; t < choice.targets.size(); ++t) {
      const auto row = logits.view().row(choice.input.size() - choice.targets.size() + t);
      sum += static_cast<double>(row[static_cast<std::size_t>(choice.targets[t])]) - kernels::log_sum_exp(row);
    }
    return sum;
  }

  Threads threads_{2};
  Sink sink_;
  Bundle bundle_;
};

TEST_F(Choices, SharedContextsChangeNothing) {
  const PromptEncoder encoder = must(PromptEncoder::create(bundle_));
  const auto all = items();
  const auto scores = score(all);
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(scores[i][c].loglik,
                  alone(must(encoder.encode_choice(all[i].context(c), all[i].continuation(c), "here"))), 1e-3);
}

TEST_F(Choices, GreedyMeansEveryTokenIsTheArgMax) {
  const PromptEncoder encoder = must(PromptEncoder::create(bundle_));
  // The arg-max after this context, as a second choice beside something else.
  std::vector<TokenId> ids = encoder.encode("In the beginning God created the");
  model::RunState state(bundle_.model, threads_, kernels::Compute::kF32);
  test::Matrix hidden(ids.size(), bundle_.model.config.hidden_size),
      logits(ids.size(), bundle_.model.config.vocab_size);
  const model::SequenceSpan span{ids.size()};
  model::forward(bundle_.model, ids, {&span, 1}, state, hidden.view());
  model::logits(bundle_.model, hidden.view(), state, logits.view());
  const TokenId top = static_cast<TokenId>(kernels::arg_max(logits.view().row(ids.size() - 1)));
  const std::string word = bundle_.tokenizer.decode({&top, 1}, text::SpecialText::kKeep);
  const auto scores = score({item("In the beginning God created the", {word, " xyzzy"})});
  EXPECT_TRUE(scores[0][0].greedy);
  EXPECT_FALSE(scores[0][1].greedy);
}

TEST_F(Choices, EncodesAsTheHarness) {
  const PromptEncoder encoder = must(PromptEncoder::create(bundle_, 8));
  const auto whole = encoder.encode("God created the heaven and the earth and the sea");
  ASSERT_GT(whole.size(), 9U);
  // White space moves to the continuation; the beginning of what is too long goes.
  const ChoiceTokens choice =
      must(encoder.encode_choice("God created the heaven and the earth and the  ", "sea", "here"));
  EXPECT_EQ(choice.input.size(), 8U);
  const ChoiceTokens plain =
      must(encoder.encode_choice("God created the heaven and the earth and the", " sea", "here"));
  EXPECT_TRUE(std::equal(plain.input.begin(), plain.input.end(), whole.end() - 9));
  EXPECT_EQ(plain.targets, (std::vector<TokenId>{whole.back()}));
  // Nothing before: BOS, else EOS.
  const ChoiceTokens empty = must(encoder.encode_choice("", "sea", "here"));
  EXPECT_EQ(empty.input.front(), encoder.prefix_token());
  EXPECT_FALSE(encoder.encode_choice("God", "", "here"));
  EXPECT_FALSE(encoder.encode_choice("   ", "God", "here"));
  EXPECT_FALSE(encoder.encode_choice("God", " created the heaven and the earth and the sea and all", "here"));
  EXPECT_FALSE(PromptEncoder::create(bundle_, 1 << 20));
}

/// Fails as an interrupted run does: after some batches.
class StopAfter : public Sink {
 public:
  explicit StopAfter(std::size_t items) : items_(items) {}
  void progress(std::string_view, std::size_t done, std::size_t) override {
    if (done >= items_) throw std::runtime_error("stopped");
  }

 private:
  std::size_t items_;
};

TEST_F(Choices, AnInterruptedRunGoesOnWithTheSameResults) {
  const std::filesystem::path folder = testing::TempDir() + "choices_journal";
  std::filesystem::remove_all(folder);
  const auto all = items();
  ChoiceOptions options;
  options.batch_size = 2;
  const auto expected = score(all, options);
  options.journals = folder;
  std::vector<const Item*> views;
  for (const Item& one : all) views.push_back(&one);
  StopAfter stop(6);
  EXPECT_THROW((void)score_items(bundle_, views, options, threads_, stop), std::runtime_error);
  ASSERT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  // Proof that it goes on: a noted score that no model would give comes back.
  const std::filesystem::path file = std::filesystem::directory_iterator(folder)->path();
  const auto again = score(all, options);
  EXPECT_EQ(again, expected);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_THROW((void)score_items(bundle_, views, options, threads_, stop), std::runtime_error);
  std::string text = must(io::read_file(file));
  const std::size_t value = text.find("[[-") + 2;
  text.replace(value, text.find(',', value) - value, "-12345.5");
  must(io::write_file(file, text).map([] { return 0; }));
  bool found = false;
  for (const ItemScores& scores : score(all, options))
    for (const ChoiceScore& one : scores) found = found || one.loglik == -12345.5;
  EXPECT_TRUE(found);
  std::filesystem::remove_all(folder);
}

TEST_F(Choices, AFolderThatCannotBeWrittenIsNoFailure) {
  ChoiceOptions options;
  options.journals = "/proc/no/such/folder";
  EXPECT_EQ(score(items(), options), score(items()));
}

TEST_F(Choices, NoDependenceOnThreads) {
  const auto two = score(items());
  Threads one(1);
  std::vector<Item> all = items();
  std::vector<const Item*> views;
  for (const Item& item : all) views.push_back(&item);
  EXPECT_EQ(must(score_items(bundle_, views, {}, one, sink_)), two);
}

}  // namespace
}  // namespace lieq::eval
