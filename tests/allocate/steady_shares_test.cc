/// Shares of KL without most of their noise.

#include "lieq/allocate/steady_shares.h"

#include <cmath>

#include <gtest/gtest.h>

#include "lieq/base/random.h"

namespace lieq::allocate {
namespace {

/// A layer for each share, of one linear with 1000 weights.
LayerScores scores_with(const std::vector<double>& shares, const std::vector<double>& errors) {
  LayerScores scores;
  for (std::size_t l = 0; l < shares.size(); ++l) {
    LayerScore& layer = scores.layers.emplace_back();
    layer.weights = 1000;
    layer.linears["a"] = {1000, shares[l], errors[l]};
  }
  return scores;
}

std::vector<double> steadied(const std::vector<double>& shares, const std::vector<double>& errors) {
  std::vector<double> found;
  for (const auto& of_layer : steady_shares(scores_with(shares, errors))) found.push_back(of_layer.at("a"));
  return found;
}

TEST(SteadyShares, AreMeansWhereNoiseExplainsAllDifferences) {
  // Weights 1, 1 and 1/4: the mean is (1 + 2 + 3/4) / 2.25.
  for (const double share : steadied({1, 2, 3}, {1, 1, 2})) EXPECT_NEAR(share, 3.75 / 2.25, 1e-12);
}

TEST(SteadyShares, StayWhereErrorsAreSmallOrUnknown) {
  const std::vector<double> shares = {1, 5, 2, 9};
  const std::vector<double> precise = steadied(shares, {1e-6, 1e-6, 1e-6, 1e-6});
  for (std::size_t i = 0; i < shares.size(); ++i) EXPECT_NEAR(precise[i], shares[i], 1e-9);
  EXPECT_EQ(steadied(shares, {0, 0, 0, 0}), shares);
  EXPECT_EQ(steadied(shares, {1, 1, 1, 0}), shares) << "one is not known";
  EXPECT_EQ(steadied({-1, 5}, {1, 1}), (std::vector<double>{-1, 5})) << "two layers say little of all";
}

/// With equal errors s and n shares, Paule and Mandel's variance is that of the sample less s squared, and each share
/// is drawn to the mean by s squared over the sample's variance.
TEST(SteadyShares, FollowTheClosedFormOfEqualErrors) {
  const std::vector<double> shares = {100, 104, 96, 110, 90};  // mean 100, variance 58
  const double kept = (58.0 - 9) / 58;
  const std::vector<double> found = steadied(shares, {3, 3, 3, 3, 3});
  for (std::size_t i = 0; i < shares.size(); ++i) EXPECT_NEAR(found[i], 100 + kept * (shares[i] - 100), 1e-9);
}

TEST(SteadyShares, AreNeverBelowZero) {
  const std::vector<double> found = steadied({-3, 10, 12, 14, -500}, {1, 1, 1, 1, 1});
  for (const double share : found) EXPECT_GT(share, 0);
  EXPECT_LT(found[4], found[0]) << "what is far below 0 is the least";
  EXPECT_LT(found[0], 1);
  EXPECT_NEAR(found[1], 10, 0.5);
}

TEST(SteadyShares, AreNearerToTheTruthThanWhatWasMeasured) {
  Random random(7);
  double before = 0, after = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<double> truth, shares, errors;
    for (int l = 0; l < 30; ++l) {
      truth.push_back(std::fabs(5 + 2 * random.normal()));
      errors.push_back(0.2 + 8 * random.uniform() * random.uniform());
      shares.push_back(truth.back() + errors.back() * random.normal());
    }
    const std::vector<double> found = steadied(shares, errors);
    for (std::size_t l = 0; l < truth.size(); ++l) {
      before += (shares[l] - truth[l]) * (shares[l] - truth[l]);
      after += (found[l] - truth[l]) * (found[l] - truth[l]);
    }
  }
  EXPECT_LT(after, before / 3);
}

/// Linears have their own names and sizes: what is compared is the share of a weight.
TEST(SteadyShares, CompareLinearsOfOneName) {
  LayerScores scores = scores_with({1, 1, 1}, {0.1, 0.1, 0.1});
  for (std::size_t l = 0; l < 3; ++l) scores.layers[l].linears["b"] = {2000, 50.0, 0.1};
  scores.layers[2].linears["b"] = {4000, 100.0, 0.1};
  const auto found = steady_shares(scores);
  EXPECT_NEAR(found[0].at("a"), 1, 1e-9);
  EXPECT_NEAR(found[0].at("b"), 50, 1e-6);
  EXPECT_NEAR(found[2].at("b"), 100, 1e-6);
}

}  // namespace
}  // namespace lieq::allocate
