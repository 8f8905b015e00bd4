#include "lieq/allocate/exact.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lieq/allocate/allocate.h"
#include "tests/allocate/example_scores.h"

namespace lieq::allocate {
namespace {

using test::example_scores;

double total_sensitivity(const LayerScores& scores, const BitPlan& plan) {
  double sum = 0;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) sum += scores.layers[l].sensitivity.at(plan.layers[l].bits);
  return sum;
}

/// The least total over all 3^L plans within the budget.
double least_by_trying_all(const LayerScores& scores, BitPlan plan) {
  double least = std::numeric_limits<double>::infinity();
  std::size_t plans = 1;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) plans *= 3;
  for (std::size_t p = 0; p < plans; ++p) {
    std::size_t rest = p;
    for (LayerPlan& layer : plan.layers) {
      layer.bits = 2 + static_cast<int>(rest % 3);
      rest /= 3;
    }
    if (size_of(plan).unspent_bits >= -1e-6) least = std::min(least, total_sensitivity(scores, plan));
  }
  return least;
}

TEST(Exact, EqualsTryingAllPlans) {
  for (const bool same_size : {true, false}) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const LayerScores scores = example_scores(7, seed, same_size);
      for (const double value : {2.0, 2.2, 2.5, 2.9, 3.3, 4.0}) {
        AllocateOptions options;
        options.budget = {Budget::Kind::kCodeBits, value};
        options.choices = {2, 3, 4};
        options.ranking = Ranking::kExact;
        const auto plan = allocate(scores, options);
        ASSERT_TRUE(plan) << plan.error().message;
        EXPECT_GE(size_of(*plan).unspent_bits, -1e-6);
        EXPECT_NEAR(total_sensitivity(scores, *plan), least_by_trying_all(scores, *plan), 1e-12);
      }
    }
  }
}

TEST(Exact, IsNeverWorseThanAnyOrder) {
  const LayerScores scores = example_scores(40, 11);
  for (const double value : {2.05, 2.25, 2.5, 3.0}) {
    AllocateOptions options;
    options.budget = {Budget::Kind::kTrueBits, value + 0.3};
    options.choices = {2, 3, 4};
    options.ranking = Ranking::kExact;
    const auto exact = allocate(scores, options);
    ASSERT_TRUE(exact) << exact.error().message;
    for (const Ranking ranking : kRankings) {
      options.ranking = ranking;
      const auto other = allocate(scores, options);
      ASSERT_TRUE(other);
      EXPECT_LE(total_sensitivity(scores, *exact), total_sensitivity(scores, *other) + 1e-12) << name(ranking);
    }
  }
}

TEST(Exact, PrefersTheCheaperOfEqualPlans) {
  const auto chosen = least_total({{1, 1}, {5, 2}}, {{10, 20}, {10, 20}}, 40);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(*chosen, (std::vector<std::size_t>{0, 1}));
}

}  // namespace
}  // namespace lieq::allocate
