#include "lieq/base/random.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

namespace lieq {
namespace {

TEST(Random, IsTheSameEverywhere) {
  // From a separate implementation in Python.
  Random random(42);
  EXPECT_EQ(random.bits(), 0x780427B53CE90A75);
  EXPECT_EQ(random.bits(), 0x0F813D3B4BFA1FB5);
  EXPECT_EQ(Random(42, 3, 5).bits(), 0x63D6F2534D0E7837);
  Random normals(42);
  for (const double expected : {-0.0503783322424546, -0.7098550124826623, 0.4990096309610125, -1.1300558117952126})
    EXPECT_NEAR(normals.normal(), expected, 1e-15);
  EXPECT_NE(Random(42).bits(), Random(43).bits());
  EXPECT_NE(Random(42, 1).bits(), Random(42, 0, 1).bits());
}

TEST(Random, NormalsHaveTheMomentsOfANormal) {
  constexpr int kCount = 200'000;
  Random random(7);
  std::array<double, 5> moments = {};
  double most = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    most = std::max(most, std::abs(x));
    for (std::size_t p = 1; p < moments.size(); ++p) moments[p] += std::pow(x, p) / kCount;
  }
  // Five standard errors: sqrt(1 / n), sqrt(2 / n), sqrt(15 / n), sqrt(96 / n).
  EXPECT_NEAR(moments[1], 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(moments[2], 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moments[3], 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moments[4], 3, 5 * std::sqrt(96.0 / kCount));
  EXPECT_GT(most, 3.5);
  EXPECT_LT(most, 6.5);
}

TEST(Random, NormalsFillTheirQuantiles) {
  // Phi(-1) and Phi(1.96): the logarithm of our own would show here.
  constexpr int kCount = 200'000;
  Random random(8);
  int below = 0, inside = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    below += x < -1;
    inside += std::abs(x) < 1.959964;
  }
  EXPECT_NEAR(below / static_cast<double>(kCount), 0.158655, 0.005);
  EXPECT_NEAR(inside / static_cast<double>(kCount), 0.95, 0.0025);
}

TEST(Random, BelowReachesEveryNumberEquallyOften) {
  Random random(9);
  std::array<int, 7> counts = {};
  for (int i = 0; i < 70'000; ++i) ++counts[random.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random.below(1), 0U);
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.below(std::size_t{1} << 62), std::size_t{1} << 62);
}

}  // namespace
}  // namespace lieq
