#include "lieq/base/dtype.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace lieq {
namespace {

/// The value the IEEE standard gives half-precision bits, by its formula.
float half_by_formula(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const float sign = bits & 0x8000 ? -1.0F : 1.0F;
  if (exponent == 31 && mantissa) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 31) return sign * std::numeric_limits<float>::infinity();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
}

TEST(F16, AllValuesEqualTheFormula) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float expected = half_by_formula(bits), found = f16_to_float(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(found)) << i;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(found), std::bit_cast<std::uint32_t>(expected)) << i;
    }
  }
}

TEST(F16, RoundTripsEveryValue) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = f16_to_float(bits);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(f16_to_float(float_to_f16(value)))) << i;
    } else {
      ASSERT_EQ(float_to_f16(value), bits) << i;
    }
  }
}

TEST(F16, RoundsHalfwayToEvenBetweenEveryTwoNeighbours) {
  for (std::uint16_t low = 0; low < 0x7BFF; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const float middle = (f16_to_float(low) + f16_to_float(high)) / 2;  // exact in float32
    const std::uint16_t even = low % 2 == 0 ? low : high;
    ASSERT_EQ(float_to_f16(middle), even) << low;
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 0.0F)), low) << low;
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 1e9F)), high) << low;
    ASSERT_EQ(float_to_f16(-middle), even | 0x8000) << low;
  }
}

TEST(F16, OverflowsToInfinityAndUnderflowsToZero) {
  EXPECT_EQ(float_to_f16(65504.0F), 0x7BFF);
  EXPECT_EQ(float_to_f16(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(float_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_f16(-1e30F), 0xFC00);
  EXPECT_EQ(float_to_f16(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(float_to_f16(0x1p-25F), 0x0000);  // halfway to the least subnormal: even
  EXPECT_EQ(float_to_f16(std::nextafter(0x1p-25F, 1.0F)), 0x0001);
  EXPECT_EQ(float_to_f16(-0.0F), 0x8000);
  EXPECT_EQ(float_to_f16(std::numeric_limits<float>::denorm_min()), 0x0000);
}

TEST(Bf16, RoundTripsEveryValue) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = bf16_to_float(bits);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(bf16_to_float(float_to_bf16(value)))) << i;
    } else {
      ASSERT_EQ(float_to_bf16(value), bits) << i;
    }
  }
}

TEST(Bf16, RoundsHalfwayToEven) {
  const auto rounded = [](std::uint32_t bits) { return float_to_bf16(std::bit_cast<float>(bits)); };
  EXPECT_EQ(rounded(0x3F808000), 0x3F80);  // halfway, below is even
  EXPECT_EQ(rounded(0x3F818000), 0x3F82);  // halfway, above is even
  EXPECT_EQ(rounded(0x3F808001), 0x3F81);
  EXPECT_EQ(rounded(0x3F807FFF), 0x3F80);
  EXPECT_EQ(rounded(0x7F7FFFFF), 0x7F80);  // the largest float rounds to infinity
  EXPECT_EQ(rounded(0xFF800000), 0xFF80);
  EXPECT_TRUE(std::isnan(bf16_to_float(rounded(0x7F800001))));  // a NaN that has only low bits
}

TEST(DTypes, HaveUniqueNamesAndWholeBlocks) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(DType::kQ2_0); ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_TRUE(names.insert(name(type)).second) << name(type);
    EXPECT_EQ(bytes_of(type, 3 * block_elements(type)), 3 * block_bytes(type)) << name(type);
    EXPECT_EQ(bytes_of(type, 0), std::optional<std::size_t>(0)) << name(type);
    const double true_bits = 8.0 * static_cast<double>(block_bytes(type)) / static_cast<double>(block_elements(type));
    EXPECT_GE(true_bits, code_bits(type)) << name(type);
    EXPECT_LE(true_bits, code_bits(type) + 1) << name(type);
  }
}

TEST(DTypes, RefuseBrokenBlocksAndOverflow) {
  EXPECT_EQ(bytes_of(DType::kQ4_0, 33), std::nullopt);
  EXPECT_EQ(bytes_of(DType::kQ2_K, 128), std::nullopt);
  EXPECT_EQ(bytes_of(DType::kF64, std::size_t{1} << 61), std::nullopt);
  EXPECT_EQ(bytes_of(DType::kF64, (std::size_t{1} << 61) - 1), std::optional<std::size_t>(~std::size_t{7}));
}

}  // namespace
}  // namespace lieq
