/// Widths of single linears.

#include <gtest/gtest.h>

#include "lieq/allocate/allocate.h"
#include "tests/allocate/example_scores.h"

namespace lieq::allocate {
namespace {

/// Layers of three linears with 1024, 1024 and 2048 weights, and these shares.
LayerScores scores_with(const std::vector<std::vector<double>>& shares) {
  LayerScores scores = test::example_scores(shares.size(), 3);
  for (std::size_t l = 0; l < shares.size(); ++l)
    scores.layers[l].linears = {{"a", {1024, shares[l][0]}}, {"b", {1024, shares[l][1]}}, {"c", {2048, shares[l][2]}}};
  return scores;
}

AllocateOptions options_for(Budget budget, std::vector<int> choices) {
  AllocateOptions options;
  options.budget = budget;
  options.choices = std::move(choices);
  options.ranking = Ranking::kKlShare;
  options.unit = Unit::kLinear;
  return options;
}

std::map<std::string, int> widths_of(const LayerPlan& layer) {
  std::map<std::string, int> widths;
  for (const auto& [name, one] : layer.linears) widths[name] = one.bits;
  return widths;
}

TEST(Linears, GetBitsWhereTheyBuyMost) {
  const LayerScores scores = scores_with({{0.1, 0.4, 0.1}, {0.3, -0.2, 0.2}});
  // Of 8192 weights: 3072 at 4 bits.
  const BitPlan plan = *allocate(scores, options_for({Budget::Kind::kCodeBits, 2.75}, {2, 4}));
  EXPECT_EQ(widths_of(plan.layers[0]), (std::map<std::string, int>{{"a", 4}, {"b", 4}}));
  EXPECT_EQ(widths_of(plan.layers[1]), (std::map<std::string, int>{{"a", 4}}));
  EXPECT_EQ(plan.layers[0].bits, 2);
  EXPECT_DOUBLE_EQ(size_of(plan).code_bits, 2.75);
  EXPECT_EQ(plan.ranking, "kl-share");
  EXPECT_EQ(plan.layers[0].reason, "share of KL 0.6; 2 of 3 linears raised");
}

TEST(Linears, CompeteForWhatIsTooLittleForALayer) {
  const LayerScores scores = scores_with({{0.1, 0.4, 0.1}, {0.3, 0.2, 0.2}});
  AllocateOptions options = options_for({Budget::Kind::kCodeBits, 2.5}, {2, 4});
  EXPECT_FALSE(*allocate_uniform(scores, options));
  EXPECT_EQ(widths_of(allocate(scores, options)->layers[0]), (std::map<std::string, int>{{"b", 4}}));
  options.budget = {Budget::Kind::kTop, 0};
  EXPECT_TRUE(*allocate_uniform(scores, options));
}

/// The first bit above the lowest takes three quarters of a share, the next less than a fifth.
TEST(Linears, AreRaisedBitByBit) {
  const LayerScores scores = scores_with({{0.4, 0.2, 0.1}, {0.01, 0.01, 0.01}});
  const BitPlan plan = *allocate(scores, options_for({Budget::Kind::kCodeBits, 2.375}, {2, 3, 4}));  // 3072 bits
  EXPECT_EQ(widths_of(plan.layers[0]), (std::map<std::string, int>{{"a", 4}, {"b", 3}}));
}

TEST(Linears, WithOneWidthAreALayer) {
  const LayerScores scores = scores_with({{1, 1, 1}, {0.1, 0.1, 0.1}});
  const BitPlan plan = *allocate(scores, options_for({Budget::Kind::kTop, 1}, {2, 4}));
  EXPECT_EQ(plan.layers[0].bits, 4);
  EXPECT_TRUE(plan.layers[0].linears.empty());
  EXPECT_EQ(plan.layers[1].bits, 2);
  EXPECT_TRUE(plan.layers[1].linears.empty());
}

/// q, k and v are one matrix to engines that fuse them, as are gate and up: each set has one width, by its share as a
/// whole.
TEST(Linears, ThatAreFusedHaveOneWidth) {
  LayerScores scores = test::example_scores(2, 3);
  const auto shares = [](double q, double v, double gate) {
    return std::map<std::string, LinearShare>{
        {"self_attn.q_proj", {1024, q}}, {"self_attn.k_proj", {512, 0.01}}, {"self_attn.v_proj", {512, v}},
        {"self_attn.o_proj", {1024, 0.15}}, {"mlp.gate_proj", {512, gate}}, {"mlp.up_proj", {512, 0.01}}};
  };
  scores.layers[0].linears = shares(0.01, 0.3, 0.1);
  scores.layers[1].linears = shares(0.01, 0.01, 0.2);
  AllocateOptions options = options_for({Budget::Kind::kCodeBits, 2.75}, {2, 4});  // of 8192 weights 3072
  options.unit = Unit::kFused;
  const BitPlan plan = *allocate(scores, options);
  // For each weight gate and up of layer 1 have 2.1, q, k and v of layer 0 1.6, o 1.5, gate and up of layer 0 1.1.
  EXPECT_EQ(widths_of(plan.layers[0]),
            (std::map<std::string, int>{{"self_attn.q_proj", 4}, {"self_attn.k_proj", 4}, {"self_attn.v_proj", 4}}));
  EXPECT_EQ(widths_of(plan.layers[1]), (std::map<std::string, int>{{"mlp.gate_proj", 4}, {"mlp.up_proj", 4}}));
  EXPECT_DOUBLE_EQ(size_of(plan).code_bits, 2.75);
  options.unit = Unit::kLinear;
  EXPECT_EQ(widths_of(allocate(scores, options)->layers[0]).at("self_attn.v_proj"), 4);
  EXPECT_FALSE(widths_of(allocate(scores, options)->layers[0]).contains("self_attn.q_proj"));
}

/// True bits count what groups cost beside codes.
TEST(Linears, KeepWithinTheBudget) {
  Random random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<double>> shares(6, std::vector<double>(3));
    for (auto& layer : shares)
      for (double& one : layer) one = random.normal();
    const double most = 2.29 + 2 * random.uniform();
    const BitPlan plan = *allocate(scores_with(shares), options_for({Budget::Kind::kTrueBits, most}, {2, 3, 4}));
    EXPECT_LE(size_of(plan).true_bits, most + 1e-9);
    for (std::size_t l = 0; l < shares.size(); ++l)
      for (const auto& [name, one] : plan.layers[l].linears)
        EXPECT_GT(shares[l][static_cast<std::size_t>(name[0] - 'a')], 0) << "worse at the original's weights";
  }
}

/// A share that is noise for the most part does not get the bits of one that is known.
TEST(Linears, AreNotRaisedForNoise) {
  LayerScores scores = scores_with({{0.5, 0.2, 0.1}, {0.1, 0.2, 0.1}, {0.3, 0.2, 0.1}, {0.1, 0.2, 0.1}});
  for (LayerScore& layer : scores.layers)
    for (auto& [name, one] : layer.linears) one.kl_share_error = 0.01;
  const AllocateOptions options = options_for({Budget::Kind::kCodeBits, 2.125}, {2, 4});  // 1024 of 16384 weights
  EXPECT_EQ(widths_of(allocate(scores, options)->layers[0]), (std::map<std::string, int>{{"a", 4}}));
  scores.layers[0].linears.at("a").kl_share_error = 2;
  const BitPlan plan = *allocate(scores, options);
  EXPECT_TRUE(plan.layers[0].linears.empty());
  EXPECT_EQ(widths_of(plan.layers[2]), (std::map<std::string, int>{{"a", 4}}));
}

TEST(Linears, WantADraftOfTheBudgetsWidth) {
  const LayerScores sizes = scores_with({{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}});
  const auto nearest = [&](Budget::Kind kind, double value, std::vector<int> choices) {
    return width_nearest(sizes, options_for({kind, value}, std::move(choices)));
  };
  EXPECT_EQ(nearest(Budget::Kind::kCodeBits, 2.4, {2, 3, 4}), 2);
  EXPECT_EQ(nearest(Budget::Kind::kCodeBits, 2.5, {2, 3, 4}), 2);
  EXPECT_EQ(nearest(Budget::Kind::kCodeBits, 2.6, {2, 4}), 3) << "a draft's width need not be among the choices";
  EXPECT_EQ(nearest(Budget::Kind::kTrueBits, 2.7, {2, 3, 4}), 2) << "2.28 and 3.30 with scales";
  EXPECT_EQ(nearest(Budget::Kind::kTrueBits, 2.9, {2, 3, 4}), 3);
  EXPECT_EQ(nearest(Budget::Kind::kTop, 1, {2, 4}), 2);  // of four layers: 2.5 bits
  EXPECT_EQ(nearest(Budget::Kind::kTop, 3, {2, 4}), 3);
  EXPECT_EQ(nearest(Budget::Kind::kTop, 4, {2, 4}), 4);
  EXPECT_EQ(nearest(Budget::Kind::kCodeBits, 7, {3, 8}), 8);
  EXPECT_EQ(nearest(Budget::Kind::kCodeBits, 3, {3}), 3);
}

TEST(Linears, NeedSharesOfKl) {
  AllocateOptions options = options_for({Budget::Kind::kCodeBits, 2.5}, {2, 4});
  LayerScores without = test::example_scores(4, 1);
  for (LayerScore& layer : without.layers) layer.linears.clear();
  const auto lacking = allocate(without, options);
  ASSERT_FALSE(lacking);
  EXPECT_EQ(lacking.error().message,
            "scores: layers[0]: field 'linears': missing, expected a number (lieq diagnose --kl-shares measures them)");
  options.ranking = Ranking::kScore;
  const auto refused = allocate(scores_with({{1, 1, 1}}), options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "widths of linears: found the ranking score, expected kl-share, which knows of linears");
}

TEST(KlShare, RanksLayersByWhatTheirWeightsAdd) {
  AllocateOptions options = options_for({Budget::Kind::kTop, 1}, {2, 4});
  options.unit = Unit::kLayer;
  const BitPlan plan = *allocate(scores_with({{0.1, 0.1, 0.1}, {0.3, -0.2, 0.4}}), options);
  EXPECT_EQ(plan.layers[0].bits, 2);
  EXPECT_EQ(plan.layers[1].bits, 4);
}

TEST(Linears, GoThroughFiles) {
  const LayerScores scores = scores_with({{0.1, 0.4, 0.1}, {0.3, -0.2, 0.2}});
  const LayerScores scores_again = *layer_scores_from_json(*parse_json(to_json(scores).dump(), "s"), "s");
  EXPECT_EQ(to_json(scores_again), to_json(scores));
  Json edited = to_json(scores);
  edited["layers"][0]["linears"]["b"].erase("kl_share_error");  // files from before it was measured
  EXPECT_EQ(to_json(*layer_scores_from_json(edited, "s")), to_json(scores));
  edited["layers"][0]["linears"]["b"]["kl_share_error"] = -0.5;
  const auto negative = layer_scores_from_json(edited, "s");
  ASSERT_FALSE(negative);
  EXPECT_EQ(negative.error().message,
            "s: layers[0]: linears.b: field 'kl_share_error': found -0.5, expected at least 0");

  const BitPlan plan = *allocate(scores_again, options_for({Budget::Kind::kCodeBits, 2.75}, {2, 4}));
  const BitPlan again = *bit_plan_from_json(*parse_json(to_json(plan).dump(), "p"), "p");
  EXPECT_EQ(to_json(again), to_json(plan));
  EXPECT_EQ(again.layers[0].bits_of("b"), 4);
  EXPECT_EQ(again.layers[0].bits_of("c"), 2);
  EXPECT_DOUBLE_EQ(size_of(again).code_bits, 2.75);

  const auto error_of = [&](const auto& change) {
    Json json = to_json(plan);
    change(json["layers"][0]["linears"]["b"]);
    const auto read = bit_plan_from_json(*parse_json(json.dump(), "p"), "p");
    return read ? "" : read.error().message;
  };
  EXPECT_EQ(error_of([](Json& b) { b["bits"] = 5; }),
            "p: layers[0]: linears.b: field 'bits': found 5, expected 2, 3, 4, 8 or 16 bits");
  EXPECT_EQ(error_of([](Json& b) { b["weights"] = 5000; }),
            "p: layers[0]: linears.b: field 'weights': found 5000, expected at least 1, and in all linears at most the "
            "layer's weights");
  EXPECT_EQ(error_of([](Json& b) { b.erase("weights"); }).find("p: layers[0]: linears.b: field 'weights': missing"),
            0U);
}

}  // namespace
}  // namespace lieq::allocate
