#include "lieq/report/axis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lieq::report {
namespace {

TEST(Axis, LinearHasRoundEnds) {
  const Axis axis = linear_axis({0.03, 0.97});
  EXPECT_DOUBLE_EQ(axis.low, 0);
  EXPECT_DOUBLE_EQ(axis.high, 1);
  ASSERT_EQ(axis.ticks.size(), 6u);
  EXPECT_DOUBLE_EQ(axis.ticks[1], 0.2);
  EXPECT_DOUBLE_EQ(axis.position(0.25), 0.25);
  EXPECT_DOUBLE_EQ(axis.position(7), 1);
}

TEST(Axis, LogarithmicGoesFromStepToStep) {
  const Axis axis = log_axis({0.3, 30, 450});
  EXPECT_DOUBLE_EQ(axis.low, 0.2);
  EXPECT_DOUBLE_EQ(axis.high, 500);
  EXPECT_EQ(axis.ticks, (std::vector<double>{1, 10, 100}));
  EXPECT_DOUBLE_EQ(axis.position(10), std::log(50) / std::log(2500));
  EXPECT_DOUBLE_EQ(axis.position(-3), 0);
}

TEST(Axis, AnyValuesGiveAnAxis) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& values :
       {std::vector<double>{}, {nan}, {0}, {-1, -1}, {5e-324, 1e-300}, {1e99, -1e99}, {1, 1 + 1e-15},
        {infinity, 2}, {1e-80, 1e99}, {-2, 0, 3}, {1}, {10}, {1000, 1e-3}}) {
    for (const Axis& axis : {linear_axis(values), log_axis(values)}) {
      EXPECT_LT(axis.low, axis.high);
      ASSERT_GE(axis.ticks.size(), 2u);
      EXPECT_LE(axis.ticks.size(), 10u);
      for (const double tick : axis.ticks) EXPECT_TRUE(tick >= axis.low && tick <= axis.high) << tick;
      for (const double value : values) {
        if (!drawable(value)) continue;
        EXPECT_GE(axis.position(value), 0);
        EXPECT_LE(axis.position(value), 1);
      }
    }
  }
}

TEST(Axis, TickLabels) {
  EXPECT_EQ(tick_label(0.1 * 3), "0.3");
  EXPECT_EQ(tick_label(-2), "−2");
  const Axis linear{.low = -0.1, .high = 0.2, .logarithmic = false, .ticks = {-0.1, 0, 0.15}};
  EXPECT_EQ(tick_labels(linear), (std::vector<std::string>{"−0.10", "0.00", "0.15"}));
  const Axis logarithmic{.low = 0.1, .high = 10, .logarithmic = true, .ticks = {0.1, 10}};
  EXPECT_EQ(tick_labels(logarithmic), (std::vector<std::string>{"0.1", "10"}));
}

}  // namespace
}  // namespace lieq::report
