#include "lieq/pack/finite.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/pack/decode.h"

namespace lieq::pack {
namespace {

/// The definition: decodes everything.
bool finite_by_decoding(DType type, const std::vector<std::byte>& blocks) {
  std::vector<float> w(blocks.size() / block_bytes(type) * block_elements(type));
  decode(type, blocks.data(), w.size(), w.data());
  for (const float one : w) {
    if (!std::isfinite(one)) return false;
  }
  return true;
}

TEST(AllFinite, AgreesWithDecodingWhereTheScaleIsUsed) {
  std::mt19937 random(3);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                           DType::kQ5_1, DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                           DType::kQ6_K, DType::kQ2_0, DType::kIQ1_S, DType::kIQ1_M, DType::kIQ2_XXS, DType::kIQ2_XS,
                           DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S, DType::kIQ4_NL, DType::kIQ4_XS,
                           DType::kTQ1_0, DType::kTQ2_0, DType::kMXFP4}) {
    // Random bytes: with several hundred repeats both answers come up often. NaN x 0 is NaN too, so a scale that
    // is not finite always shows.
    int finite = 0;
    for (std::size_t repeat = 0; repeat < 600; ++repeat) {
      std::vector<std::byte> blocks((1 + repeat % 3) * block_bytes(type));
      for (std::byte& b : blocks) b = static_cast<std::byte>(random());
      const bool expected = finite_by_decoding(type, blocks);
      ASSERT_EQ(all_finite(type, blocks), expected) << name(type) << " repeat " << repeat;
      finite += expected;
    }
    EXPECT_GT(finite, 300) << name(type);
    EXPECT_LT(finite, 600) << name(type);
  }
}

TEST(AllFinite, FindsASingleBadElement) {
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    std::vector<std::byte> bytes(101 * block_bytes(type));
    EXPECT_TRUE(all_finite(type, bytes));
    bytes[100 * block_bytes(type) + block_bytes(type) - 1] = std::byte{0xFF};
    bytes[100 * block_bytes(type) + block_bytes(type) - 2] = std::byte{0x80};
    EXPECT_FALSE(all_finite(type, bytes)) << name(type);
  }
  EXPECT_TRUE(all_finite(DType::kQ4_K, {}));
}

}  // namespace
}  // namespace lieq::pack
