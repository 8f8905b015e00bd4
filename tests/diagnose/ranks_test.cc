/// A diagnosis on several ranks gives what one gives.

#include "lieq/diagnose/diagnose.h"
#include "lieq/diagnose/perplexity_drop.h"
#include "lieq/diagnose/score.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"
#include "tests/support/thread_ranks.h"

namespace lieq::diagnose {
namespace {

using test::must;
using Passages = std::vector<std::vector<TokenId>>;

struct OnRanks : testing::Test {
  OnRanks() {
    Threads threads(1);
    Sink sink;
    model = must(model::Model::load(test::data_dir() / "tiny-llama", threads, sink));
    for (int copy = 0; copy < 4; ++copy) model.layers.push_back(model.layers[0]);
    model.config.num_hidden_layers = model.layers.size();
  }
  static std::vector<TokenId> passage(std::size_t tokens, TokenId first) {
    std::vector<TokenId> ids;
    for (std::size_t t = 0; t < tokens; ++t)
      ids.push_back(static_cast<TokenId>((static_cast<std::size_t>(first) + 37 * t) % 270));
    return ids;
  }
  model::Model model;
};

/// More tokens than one batch takes, so that ranks get groups, parts of groups, and with 16 of them single variants.
TEST_F(OnRanks, PerplexityDropsAreThoseOfOne) {
  Passages passages;
  for (TokenId p = 0; p < 24; ++p) passages.push_back(passage(60 + 7 * static_cast<std::size_t>(p), p));
  const auto score = [&](Threads& threads) {
    Sink sink;
    return must(removal_nll(model, passages, {}, threads, sink));
  };
  Threads one(2);
  const RemovalNll expected = score(one);
  for (const std::size_t ranks : {2U, 3U, 4U, 16U}) {
    for (const RemovalNll& nll : test::on_ranks<RemovalNll>(ranks, score)) {
      EXPECT_EQ(nll.whole, expected.whole) << ranks;
      EXPECT_EQ(nll.without, expected.without) << ranks;
    }
  }
}

TEST_F(OnRanks, ScoresAreThoseOfOne) {
  const std::vector<Cell> cells = {{"a.txt", "33-128", {passage(40, 1), passage(64, 2), passage(90, 3)}},
                                   {"b.txt", "129-512", {passage(200, 4)}}};
  DiagnoseOptions options;
  options.score.score = "lieq";
  ASSERT_TRUE(set_weights(options.score, {}, {}, {}));
  const auto scores = [&](Threads& threads) {
    Sink sink;
    return to_json(must(diagnose(model, "tiny", cells, options, threads, sink))).dump();
  };
  Threads one(2);
  const std::string expected = scores(one);
  for (const std::size_t ranks : {2U, 3U})
    for (const std::string& found : test::on_ranks<std::string>(ranks, scores)) EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace lieq::diagnose
