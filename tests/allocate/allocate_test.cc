#include "lieq/allocate/allocate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tests/allocate/example_scores.h"

namespace lieq::allocate {
namespace {

using Kind = Budget::Kind;
using test::example_scores;

std::vector<int> bits_of(const BitPlan& plan) {
  std::vector<int> bits;
  for (const LayerPlan& layer : plan.layers) bits.push_back(layer.bits);
  return bits;
}

/// Layers by rank, best first.
std::vector<std::size_t> by_rank(const LayerScores& scores) {
  std::vector<std::size_t> order(scores.layers.size());
  for (std::size_t l = 0; l < order.size(); ++l) order[scores.layers[l].rank - 1] = l;
  return order;
}

AllocateOptions options_for(Kind kind, double value, std::vector<int> choices = {2, 4}) {
  AllocateOptions options;
  options.budget = {kind, value};
  options.choices = std::move(choices);
  return options;
}

TEST(Allocate, TopGivesTheHighestWidthToTheTopLayers) {
  const LayerScores scores = example_scores(12, 1);
  for (const std::size_t top : {0U, 1U, 5U, 12U}) {
    const auto plan = allocate(scores, options_for(Kind::kTop, static_cast<double>(top)));
    ASSERT_TRUE(plan) << plan.error().message;
    for (std::size_t l = 0; l < 12; ++l) {
      EXPECT_EQ(plan->layers[l].bits, scores.layers[l].rank <= top ? 4 : 2);
      EXPECT_FALSE(plan->layers[l].reason.empty());
    }
    EXPECT_NEAR(size_of(*plan).code_bits, 2 + 2.0 * static_cast<double>(top) / 12, 1e-12);
  }
}

TEST(Allocate, ReachesThePapersAverages) {
  // Qwen3-4B: (35 x 2 + 4) / 36, LLaMA-3.2-3B: (27 x 2 + 4) / 28 (PAPER section 3).
  for (const std::size_t layers : {36U, 28U}) {
    const auto plan = allocate(example_scores(layers, 2), options_for(Kind::kTop, 1));
    ASSERT_TRUE(plan);
    const double code_bits = (2.0 * static_cast<double>(layers - 1) + 4) / static_cast<double>(layers);
    EXPECT_DOUBLE_EQ(size_of(*plan).code_bits, code_bits);
    EXPECT_DOUBLE_EQ(size_of(*plan).compression, 16 / code_bits);
    // The same average as a budget, exactly met, gives the same plan.
    const auto same = allocate(example_scores(layers, 2), options_for(Kind::kCodeBits, code_bits));
    ASSERT_TRUE(same);
    EXPECT_EQ(bits_of(*same), bits_of(*plan));
    EXPECT_NEAR(size_of(*same).unspent_bits, 0, 1e-6);
  }
}

/// What a plan costs in the unit of its budget.
double spent(const BitPlan& plan, Kind kind) {
  const PlanSize size = size_of(plan);
  return kind == Kind::kCodeBits ? size.code_bits : kind == Kind::kTrueBits ? size.true_bits : size.bytes;
}

struct Budgeted {
  Kind kind;
  double least, most, step;
};

TEST(Allocate, GreedyFitsTheBudgetAndOneMoreStepWouldNot) {
  for (const bool same_size : {true, false}) {
    for (const std::vector<int>& choices : {std::vector<int>{2, 4}, {2, 3, 4}, {3, 2, 8}}) {
      const LayerScores scores = example_scores(14, 3, same_size);
      const std::vector<std::size_t> order = by_rank(scores);
      for (const Budgeted& range : {Budgeted{Kind::kCodeBits, 2, 8.5, 0.0371}, {Kind::kTrueBits, 2.3, 8.9, 0.0371},
                                    {Kind::kBytes, 118'000, 170'000, 411}}) {
        for (double value = range.least; value < range.most; value += range.step) {
          const auto plan = allocate(scores, options_for(range.kind, value, choices));
          ASSERT_TRUE(plan) << plan.error().message;
          EXPECT_LE(spent(*plan, range.kind), value * (1 + 1e-9) + (range.kind == Kind::kBytes ? 1 : 0));
          EXPECT_GE(size_of(*plan).unspent_bits, -1e-6);
          // Down the ranking widths never rise, and at most one layer lies between the highest and the lowest.
          std::size_t between = 0;
          for (std::size_t r = 0; r < order.size(); ++r) {
            const int bits = plan->layers[order[r]].bits;
            EXPECT_LE(bits, plan->layers[order[r == 0 ? 0 : r - 1]].bits);
            between += bits != plan->choices.front() && bits != plan->choices.back();
          }
          EXPECT_LE(between, 1U);
          // The next layer cannot have one more step.
          for (const std::size_t l : order) {
            const auto next = std::ranges::upper_bound(plan->choices, plan->layers[l].bits);
            if (next == plan->choices.end()) continue;
            BitPlan more = *plan;
            more.layers[l].bits = *next;
            EXPECT_LT(size_of(more).unspent_bits, 0) << "layer " << l << " at budget " << value;
            break;
          }
        }
      }
    }
  }
}

TEST(Allocate, SameInputSamePlan) {
  const LayerScores scores = example_scores(20, 4);
  for (const Ranking ranking : kRankings) {
    AllocateOptions options = options_for(Kind::kCodeBits, 2.5, {2, 3, 4});
    options.ranking = ranking;
    const auto a = allocate(scores, options), b = allocate(scores, options);
    ASSERT_TRUE(a) << a.error().message;
    EXPECT_EQ(to_json(*a), to_json(*b)) << name(ranking);
    EXPECT_EQ(a->ranking, name(ranking));
  }
}

TEST(Allocate, UniformOnlyWhereTheBudgetLeavesNoChoice) {
  const auto uniform = [](double bits, bool same_size, Ranking ranking, Unit unit = Unit::kLayer) {
    AllocateOptions options;
    options.unit = unit;
    options.budget = {Budget::Kind::kCodeBits, bits};
    options.ranking = ranking;
    LayerScores sizes = example_scores(6, 3, same_size);
    for (LayerScore& layer : sizes.layers) {
      LayerScore bare;
      bare.weights = layer.weights;
      layer = bare;
    }
    return *allocate_uniform(sizes, options);
  };
  for (const Ranking ranking : {Ranking::kScore, Ranking::kMeasured, Ranking::kExact}) {
    for (const auto& [bits, width] : {std::pair{2.0, 2}, {2.3, 2}, {4.0, 4}, {9.0, 4}}) {
      const auto plan = uniform(bits, true, ranking);
      ASSERT_TRUE(plan) << bits;
      EXPECT_EQ(plan->ranking, name(ranking));
      for (const LayerPlan& layer : plan->layers) EXPECT_EQ(layer.bits, width) << bits;
    }
    EXPECT_FALSE(uniform(2.4, true, ranking));
    EXPECT_FALSE(uniform(2.01, false, ranking));  // a small layer might be raised
    EXPECT_TRUE(uniform(2.0001, false, ranking));  // not one weight could be
    EXPECT_TRUE(uniform(4.0, false, ranking));
  }
  for (const bool same_size : {true, false})
    for (const int bits : {2, 4}) {
      const auto plan = uniform(bits, same_size, Ranking::kKlShare, Unit::kFused);
      ASSERT_TRUE(plan) << bits;
      for (const LayerPlan& layer : plan->layers) EXPECT_EQ(layer.bits, bits);
    }
  for (const double bits : {2.01, 3.99}) EXPECT_FALSE(uniform(bits, true, Ranking::kKlShare, Unit::kFused));
}

TEST(Allocate, AnUnreachableBudgetNamesTheLeastThatWorks) {
  const LayerScores scores = example_scores(30, 5);
  const auto code = allocate(scores, options_for(Kind::kCodeBits, 1.9));
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(code.error().message, "budget: found 1.9 code bits, expected at least 2 code bits (every layer at 2 bits)");
  const auto real = allocate(scores, options_for(Kind::kTrueBits, 2.25));
  ASSERT_FALSE(real);
  EXPECT_EQ(real.error().message,
            "budget: found 2.25 true bits, expected at least 2.2813 true bits (every layer at 2 bits)");
  EXPECT_TRUE(allocate(scores, options_for(Kind::kTrueBits, 2.2813)));
  // 30 x 4096 weights at 2.28125 bits and 50,000 others at 16.
  const auto bytes = allocate(scores, options_for(Kind::kBytes, 100'000));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(
      bytes.error().message,
      "budget: found 100000 bytes, expected at least 135040 bytes (every layer at 2 bits, all other weights at 16)");
  EXPECT_TRUE(allocate(scores, options_for(Kind::kBytes, 135'040)));
  EXPECT_FALSE(allocate(scores, options_for(Kind::kBytes, 135'039)));
}

TEST(Allocate, TheReasonNamesABudgetThatGoesOneStepFurther) {
  const LayerScores scores = example_scores(30, 6);
  const auto plan = allocate(scores, options_for(Kind::kCodeBits, 2.05));
  ASSERT_TRUE(plan);
  const std::size_t first = by_rank(scores)[0];
  EXPECT_EQ(plan->layers[first].reason,
            "rank 1 of 30 by score (1): stays; 4 bits would need 2.0667 code bits, the budget is 2.05 code bits");
  EXPECT_NE(plan->layers[by_rank(scores)[7]].reason.find("the budget ends at rank 1"), std::string::npos);
  const auto next = allocate(scores, options_for(Kind::kCodeBits, 2.0667));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->layers[first].bits, 4);
  EXPECT_EQ(next->layers[first].reason, "rank 1 of 30 by score (1): raised");
}

TEST(Allocate, RefusesWhatMakesNoSense) {
  const LayerScores scores = example_scores(4, 7);
  const auto message = [&](const AllocateOptions& options) {
    const auto plan = allocate(scores, options);
    EXPECT_FALSE(plan);
    if (plan) return std::string();
    EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
    return plan.error().message;
  };
  EXPECT_EQ(message(options_for(Kind::kTop, 5)),
            "top: found 5, expected a whole number of at most 4 (num_hidden_layers of tiny)");
  EXPECT_NE(message(options_for(Kind::kTop, 1.5)).find("whole number"), std::string::npos);
  EXPECT_NE(message(options_for(Kind::kCodeBits, NAN)).find("budget"), std::string::npos);
  EXPECT_NE(message(options_for(Kind::kCodeBits, 3, {2, 5})).find("choices: found 2,5"), std::string::npos);
  EXPECT_NE(message(options_for(Kind::kCodeBits, 3, {4, 4})).find("choices"), std::string::npos);
  EXPECT_NE(message(options_for(Kind::kCodeBits, 3, {})).find("choices"), std::string::npos);
  AllocateOptions options = options_for(Kind::kTop, 1);
  options.ranking = Ranking::kExact;
  EXPECT_NE(message(options).find("exact"), std::string::npos);
  options = options_for(Kind::kCodeBits, 3);
  options.group_size = 0;
  EXPECT_NE(message(options).find("group size"), std::string::npos);
}

TEST(Allocate, SaysWhatTheScoresLack) {
  LayerScores scores = example_scores(4, 8);
  scores.layers[2].sensitivity.clear();
  scores.layers[1].perplexity_drop = std::nullopt;
  AllocateOptions options = options_for(Kind::kCodeBits, 3);
  options.place = "scores.json";
  options.ranking = Ranking::kMeasured;
  EXPECT_EQ(allocate(scores, options).error().message,
            "scores.json: layers[2]: field 'sensitivity.2': missing, expected a number (measured by quantising this "
            "layer alone)");
  options.ranking = Ranking::kPerplexityDrop;
  EXPECT_EQ(allocate(scores, options).error().message,
            "scores.json: layers[1]: field 'perplexity_drop': missing, expected a number (lieq diagnose "
            "--perplexity-drop measures it)");
}

TEST(Ranking, OrdersByWhatItSays) {
  const LayerScores scores = example_scores(9, 9);
  const std::vector<int> choices = {2, 4};
  const auto layers = [&](Ranking ranking, std::uint64_t seed = 1) {
    const auto order = order_layers(scores, ranking, choices, seed, "scores");
    EXPECT_TRUE(order);
    EXPECT_EQ(std::set<std::size_t>(order->layers.begin(), order->layers.end()).size(), 9U);
    return order->layers;
  };
  EXPECT_EQ(layers(Ranking::kDepth), (std::vector<std::size_t>{0, 8, 1, 7, 2, 6, 3, 5, 4}));
  EXPECT_EQ(layers(Ranking::kScore), by_rank(scores));
  const auto falling = [&](const std::vector<std::size_t>& order, auto value) {
    return std::ranges::is_sorted(order, std::greater<>(), value);
  };
  EXPECT_TRUE(
      falling(layers(Ranking::kPerplexityDrop), [&](std::size_t l) { return *scores.layers[l].perplexity_drop; }));
  EXPECT_TRUE(falling(layers(Ranking::kCompactness), [&](std::size_t l) { return scores.layers[l].compactness; }));
  EXPECT_TRUE(falling(layers(Ranking::kEnergyGain), [&](std::size_t l) { return scores.layers[l].energy_gain; }));
  EXPECT_TRUE(falling(layers(Ranking::kMeasured), [&](std::size_t l) {
    return scores.layers[l].sensitivity.at(2) - scores.layers[l].sensitivity.at(4);
  }));
  EXPECT_EQ(layers(Ranking::kRandom, 1), layers(Ranking::kRandom, 1));
  EXPECT_NE(layers(Ranking::kRandom, 1), layers(Ranking::kRandom, 2));
}

}  // namespace
}  // namespace lieq::allocate
