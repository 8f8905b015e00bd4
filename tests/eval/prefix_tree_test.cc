#include "lieq/eval/prefix_tree.h"

#include <map>
#include <random>
#include <set>

#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::eval {
namespace {

using model::TokenId;
using Texts = std::vector<std::vector<TokenId>>;

PrefixTree tree_of(const Texts& texts) {
  const std::vector<std::span<const TokenId>> views(texts.begin(), texts.end());
  return build_prefix_tree(views);
}

TEST(PrefixTree, CommonBeginningsRunOnce) {
  const PrefixTree tree = tree_of({{1, 2, 3}, {1, 2, 4, 5}, {1, 2}, {9}, {1, 2, 3}});
  EXPECT_EQ(tree.tokens, (std::vector<TokenId>{1, 2, 3, 4, 5, 9}));
  ASSERT_EQ(tree.spans.size(), 4U);
  EXPECT_EQ(tree.spans[0].parent, model::kNoParent);
  EXPECT_EQ(tree.spans[1].parent, 0U);
  EXPECT_EQ(tree.spans[2].parent, 0U);
  EXPECT_EQ(tree.spans[3].parent, model::kNoParent);
  EXPECT_EQ(tree.rows[2], (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(tree.rows[1], (std::vector<std::uint32_t>{0, 1, 3, 4}));
  EXPECT_EQ(tree.rows[0], tree.rows[4]);
}

TEST(PrefixTree, RandomTextsAreSpelledByTheirRows) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    Texts texts(1 + random() % 20);
    for (auto& text : texts) {
      text.resize(1 + random() % 6);
      for (TokenId& id : text) id = static_cast<TokenId>(random() % 3);
    }
    const PrefixTree tree = tree_of(texts);
    std::set<std::vector<TokenId>> prefixes;
    for (std::size_t s = 0; s < texts.size(); ++s) {
      ASSERT_EQ(tree.rows[s].size(), texts[s].size());
      for (std::size_t t = 0; t < texts[s].size(); ++t) {
        EXPECT_EQ(tree.tokens[tree.rows[s][t]], texts[s][t]);
        prefixes.insert({texts[s].begin(), texts[s].begin() + static_cast<std::ptrdiff_t>(t) + 1});
      }
    }
    EXPECT_EQ(tree.tokens.size(), prefixes.size());  // no beginning twice
  }
}

TEST(PrefixTree, ForwardGivesWhatEachTextAloneGives) {
  Threads threads(2);
  Sink sink;
  const model::Model model = test::must(model::Model::load(test::demo_dir(), threads, sink));
  std::mt19937 random(3);
  Texts texts;
  const auto draw = [&](std::vector<TokenId> text, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) text.push_back(static_cast<TokenId>(random() % model.config.vocab_size));
    return text;
  };
  const std::vector<TokenId> stem = draw({}, 300), branch = draw(stem, 70);  // longer than a tile of keys
  for (const std::size_t count : {0U, 1U, 5U, 66U}) texts.push_back(draw(branch, count));
  texts.push_back(draw(stem, 3));
  texts.push_back(draw({}, 9));
  const PrefixTree tree = tree_of(texts);
  model::RunState state(model, threads, kernels::Compute::kF32);
  test::Matrix together(tree.tokens.size(), model.config.hidden_size);
  model::forward(model, tree.tokens, tree.spans, state, together.view());
  for (std::size_t s = 0; s < texts.size(); ++s) {
    test::Matrix alone(texts[s].size(), model.config.hidden_size);
    const model::SequenceSpan span{texts[s].size()};
    model::forward(model, texts[s], {&span, 1}, state, alone.view());
    double worst = 0;
    for (std::size_t t = 0; t < texts[s].size(); ++t)
      for (std::size_t j = 0; j < model.config.hidden_size; ++j)
        worst =
            std::max(worst, static_cast<double>(std::abs(alone.view()(t, j) - together.view()(tree.rows[s][t], j))));
    EXPECT_LT(worst, 1e-4) << s;  // golden/README.md's bound for hidden states of two float32 runs
  }
}

}  // namespace
}  // namespace lieq::eval
