#include "lieq/diagnose/score.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "lieq/base/random.h"

namespace lieq::diagnose {
namespace {

/// Two cells whose means are easy.
LayerScores example() {
  LayerScores scores;
  scores.layers.resize(4);
  CellScores a, b;
  a.perplexity_drop = {100, 10, 2, 0};
  b.perplexity_drop = {300, 30, 6, 0};  // means 200, 20, 4, 0
  a.compactness = b.compactness = {0.4, 0.3, 0.2, 0.0};
  a.energy_gain = b.energy_gain = {0.1, 0.3, 0.2, -0.1};
  scores.cells = {a, b};
  return scores;
}

TEST(ScoreLayers, GeometryIsTheMeanOfTwoMetrics) {
  LayerScores scores = example();
  ASSERT_TRUE(set_weights(scores.options, {}, {}, {}));
  score_layers(scores);
  EXPECT_DOUBLE_EQ(*scores.layers[0].perplexity_drop, 200);
  EXPECT_NEAR(scores.layers[0].score, 0.5 * 1 + 0.5 * 0.5, 1e-12);
  EXPECT_NEAR(scores.layers[1].score, 0.5 * 0.75 + 0.5 * 1, 1e-12);
  EXPECT_EQ(scores.layers[1].rank, 1U);
  EXPECT_EQ(scores.layers[0].rank, 2U);
  EXPECT_EQ(scores.layers[3].rank, 4U);
  EXPECT_DOUBLE_EQ(*scores.cells[0].rho_compactness, 1);
  EXPECT_DOUBLE_EQ(*scores.cells[0].rho_energy_gain, 0.4);
}

TEST(ScoreLayers, LieqAddsThePerplexityDrop) {
  LayerScores scores = example();
  scores.options.score = "lieq";
  ASSERT_TRUE(set_weights(scores.options, {}, {}, {}));
  score_layers(scores);
  EXPECT_NEAR(scores.layers[0].score, (1 + 1 + 0.5) / 3, 1e-12);
  EXPECT_NEAR(scores.layers[1].score, (0.1 + 0.75 + 1) / 3, 1e-12);
  EXPECT_EQ(scores.layers[0].rank, 1U);
}

TEST(ScoreLayers, LogKeepsApartWhatOneLayerDwarfs) {
  LayerScores scores = example();
  for (CellScores& cell : scores.cells) cell.perplexity_drop = {50'000, 400, 20, -3};
  scores.options.score = "lieq";
  ASSERT_TRUE(set_weights(scores.options, {}, {}, {}));
  score_layers(scores);
  ASSERT_FALSE(scores.warnings.empty());
  EXPECT_EQ(scores.warnings[0].find("perplexity drop: layer 0 (5e+04) dwarfs the next (layer 1, 400)"), 0U)
      << scores.warnings[0];
  scores.options.normalize = "log";
  score_layers(scores);
  for (const std::string& warning : scores.warnings) EXPECT_EQ(warning.find("dwarfs"), std::string::npos) << warning;
  const double least = -std::log1p(3.0), most = std::log1p(50'000.0);
  EXPECT_NEAR(*scores.layers[1].perplexity_drop_normalised, (std::log1p(400.0) - least) / (most - least), 1e-12);
  EXPECT_EQ(*scores.layers[3].perplexity_drop_normalised, 0);
}

TEST(ScoreLayers, WarnsWhenMetricsDisagree) {
  LayerScores scores = example();
  for (CellScores& cell : scores.cells) cell.energy_gain = {0, 1, 2, 3};
  ASSERT_TRUE(set_weights(scores.options, {}, {}, {}));
  score_layers(scores);
  ASSERT_EQ(scores.warnings.size(), 2U);
  EXPECT_EQ(scores.warnings[0].find("perplexity drop and energy gain disagree on this model (Spearman -1.00)"), 0U);
  EXPECT_EQ(scores.warnings[1].find("compactness and energy gain disagree"), 0U);
}

TEST(ScoreLayers, RanksAreAnOrderWhateverTheNormalisation) {
  Random random(3);
  for (const char* normalize : {"minmax", "sum", "zscore", "rank", "log"}) {
    LayerScores scores;
    scores.layers.resize(25);
    CellScores cell;
    for (int l = 0; l < 25; ++l) {
      cell.perplexity_drop.push_back(100 * random.normal());
      cell.compactness.push_back(random.normal());
      cell.energy_gain.push_back(random.normal());
    }
    scores.cells = {cell};
    scores.options.score = "lieq";
    scores.options.normalize = normalize;
    ASSERT_TRUE(set_weights(scores.options, 0.2, 0.3, 0.5));
    score_layers(scores);
    std::set<std::uint64_t> ranks;
    for (const LayerScore& a : scores.layers) {
      EXPECT_TRUE(std::isfinite(a.score));
      ranks.insert(a.rank);
      for (const LayerScore& b : scores.layers) EXPECT_TRUE(a.score <= b.score || a.rank < b.rank);
    }
    EXPECT_EQ(ranks.size(), 25U);
    EXPECT_EQ(*ranks.rbegin(), 25U);
  }
}

TEST(SetWeights, RefusesWhatDoesNotSumToOne) {
  ScoreOptions options;
  options.score = "lieq";
  ASSERT_TRUE(set_weights(options, 0.5, 0.25, 0.25));
  EXPECT_EQ(options.alpha, 0.5);
  const auto wrong = set_weights(options, 0.5, 0.5, 0.5);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(wrong.error().message,
            "alpha + beta + gamma: found 0.5 + 0.5 + 0.5, expected weights of at least 0 that sum to 1");
  EXPECT_FALSE(set_weights(options, -1, 1, 1));
  options.score = "geometry";
  EXPECT_FALSE(set_weights(options, 0.5, 0.25, 0.25));
  options.score = "best";
  EXPECT_FALSE(set_weights(options, {}, {}, {}));
}

}  // namespace
}  // namespace lieq::diagnose
