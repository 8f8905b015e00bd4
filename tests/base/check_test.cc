#include "lieq/base/check.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace lieq {
namespace {

constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();

TEST(CheckedMul, GivesTheProductOrNothing) {
  EXPECT_EQ(checked_mul(6, 7), std::optional<std::size_t>(42));
  EXPECT_EQ(checked_mul(0, kMax), std::optional<std::size_t>(0));
  EXPECT_EQ(checked_mul(kMax, 1), std::optional<std::size_t>(kMax));
  EXPECT_EQ(checked_mul(std::size_t{1} << 32, (std::size_t{1} << 32) - 1),
            std::optional<std::size_t>(kMax - ((std::size_t{1} << 32) - 1)));
  EXPECT_EQ(checked_mul(std::size_t{1} << 32, std::size_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_mul(kMax, 2), std::nullopt);
}

TEST(CheckedAdd, GivesTheSumOrNothing) {
  EXPECT_EQ(checked_add(kMax - 1, 1), std::optional<std::size_t>(kMax));
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
}

TEST(Narrow, KeepsValuesThatFit) {
  EXPECT_EQ(narrow<std::uint8_t>(255), 255);
  EXPECT_EQ(narrow<int>(std::size_t{7}), 7);
  EXPECT_EQ(narrow<std::int64_t>(-1), -1);
}

TEST(NarrowDeathTest, AbortsOnOthers) {
  EXPECT_DEATH((void)narrow<std::uint8_t>(256), "internal error");
  EXPECT_DEATH((void)narrow<std::size_t>(-1), "internal error");
}

TEST(CheckDeathTest, NamesTheConditionAndThePlace) {
  EXPECT_DEATH(LIEQ_CHECK(1 + 1 == 3), "1 \\+ 1 == 3 does not hold .*check_test.cc");
}

}  // namespace
}  // namespace lieq
