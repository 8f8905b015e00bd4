#include "lieq/diagnose/statistics.h"

#include <cmath>

#include <gtest/gtest.h>

namespace lieq::diagnose {
namespace {

using Values = std::vector<double>;

TEST(Normalise, IsWhatItsNameSays) {
  const Values x = {3, -1, 1, 1};
  EXPECT_EQ(normalise(x, Normalize::kMinMax), (Values{1, 0, 0.5, 0.5}));
  EXPECT_EQ(normalise(x, Normalize::kSum), (Values{3.0 / 6, -1.0 / 6, 1.0 / 6, 1.0 / 6}));
  EXPECT_EQ(normalise(x, Normalize::kRank), (Values{1, 0, 0.5, 0.5}));
  const Values z = normalise(x, Normalize::kZScore);  // mean 1, variance (4 + 4) / 4
  EXPECT_DOUBLE_EQ(z[0], 2 / std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(z[2], 0);
}

TEST(Normalise, AConstantMetricTellsNothing) {
  for (const Normalize how : {Normalize::kMinMax, Normalize::kSum, Normalize::kZScore, Normalize::kRank}) {
    EXPECT_EQ(normalise(Values{7, 7, 7}, how), (Values{0, 0, 0}));
    EXPECT_EQ(normalise(Values{7}, how), (Values{0}));
    EXPECT_TRUE(normalise(Values{}, how).empty());
  }
}

TEST(Ranks, OfEqualValuesAreShared) {
  EXPECT_EQ(average_ranks(Values{10, 30, 20, 20, 5}), (Values{2, 5, 3.5, 3.5, 1}));
}

TEST(Spearman, OfKnownLists) {
  EXPECT_DOUBLE_EQ(*spearman(Values{1, 2, 3}, Values{10, 100, 1000}), 1);
  EXPECT_DOUBLE_EQ(*spearman(Values{1, 2, 3}, Values{3, 2, 1}), -1);
  // 1 - 6 sum d² / (n (n² - 1)) without ties; the ranks of the second list are 1, 3, 2, 5, 4.
  EXPECT_DOUBLE_EQ(*spearman(Values{1, 2, 3, 4, 5}, Values{1, 3, 2, 6, 4}), 1 - 6.0 * (0 + 1 + 1 + 1 + 1) / (5 * 24));
  EXPECT_FALSE(spearman(Values{1, 1}, Values{1, 2}));
  EXPECT_FALSE(spearman(Values{1}, Values{1}));
}

}  // namespace
}  // namespace lieq::diagnose
