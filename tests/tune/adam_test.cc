#include "lieq/tune/adam.h"

#include <cmath>

#include <gtest/gtest.h>

namespace lieq::tune {
namespace {

TEST(Schedule, RisesThenFallsToNothing) {
  const Schedule schedule{40, 8, 0.5};
  EXPECT_NEAR(schedule.at(0), 0.5 / 8, 1e-12);
  EXPECT_NEAR(schedule.at(3), 0.5 * 4 / 8 * 0.5 * (1 + std::cos(M_PI * 3 / 40)), 1e-12);
  EXPECT_NEAR(schedule.at(20), 0.25, 1e-12);
  EXPECT_LT(schedule.at(39), 0.001);
  EXPECT_GT(schedule.at(39), 0);
}

TEST(Adam, FirstStepIsTheRateWhateverTheGradient) {
  Threads threads(1);
  Adam adam(3);
  std::vector<float> values{1, 2, 3};
  const std::vector<float> gradient{1e-3F, -5, 1};
  adam.step(threads, 0, 0.1, 0, 2, gradient, values);
  EXPECT_NEAR(values[0], 0.9F, 1e-5F);
  EXPECT_NEAR(values[1], 2.1F, 1e-6F);
  EXPECT_EQ(values[2], 3);  // outside of the range
}

/// Against the recurrence in float64.
TEST(Adam, FollowsItsRecurrence) {
  Threads threads(2);
  Adam adam(1);
  std::vector<float> values{0};
  double m = 0, v = 0, x = 0;
  for (std::size_t step = 0; step < 20; ++step) {
    const double g = std::sin(static_cast<double>(step)) + 0.3;
    adam.step(threads, step, 0.01, 0, 1, std::vector<float>{static_cast<float>(g)}, values);
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    const double times = static_cast<double>(step + 1);
    x -= 0.01 * (m / (1 - std::pow(0.9, times))) / (std::sqrt(v / (1 - std::pow(0.99, times))) + 1e-8);
  }
  EXPECT_NEAR(static_cast<double>(values[0]), x, 1e-6);
}

}  // namespace
}  // namespace lieq::tune
