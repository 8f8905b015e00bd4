#include "lieq/pack/decode.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace lieq::pack {
namespace {

constexpr DType kWeightTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1,
                                  DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K, DType::kQ3_K,
                                  DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kQ2_0};

/// Bytes of one block, written at given places; all others 0.
class Block {
 public:
  explicit Block(DType type) : type_(type), bytes_(block_bytes(type)) {}
  Block& half(std::size_t at, float value) {
    const std::uint16_t bits = float_to_f16(value);
    std::memcpy(bytes_.data() + at, &bits, sizeof bits);
    return *this;
  }
  Block& byte(std::size_t at, unsigned value) {
    bytes_[at] = static_cast<std::byte>(value);
    return *this;
  }
  [[nodiscard]] std::vector<float> weights() const {
    std::vector<float> w(block_elements(type_));
    decode(type_, bytes_.data(), w.size(), w.data());
    return w;
  }

 private:
  DType type_;
  std::vector<std::byte> bytes_;
};

TEST(Decode, KnowsTheWeightTypes) {
  for (const DType type : kWeightTypes) EXPECT_TRUE(is_weight_type(type)) << name(type);
  for (const DType type : {DType::kF64, DType::kI8, DType::kU8, DType::kI16, DType::kU16, DType::kI32, DType::kU32,
                           DType::kI64, DType::kU64, DType::kBool, DType::kF8E4M3, DType::kF8E5M2})
    EXPECT_FALSE(is_weight_type(type)) << name(type);
}

TEST(Decode, Q2_0HasFourCodesAByte) {
  // FORMATS: code k in byte k / 4 at bit 2 (k % 4), value (q - 1) d.
  Block block(DType::kQ2_0);
  block.half(0, 0.5F).byte(2, 0b11'10'01'00).byte(17, 0b00'01'10'11);
  const std::vector<float> w = block.weights();
  ASSERT_EQ(w.size(), 64U);
  const float first[] = {-0.5F, 0, 0.5F, 1}, last[] = {1, 0.5F, 0, -0.5F};
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(w[k], first[k]) << k;
    EXPECT_EQ(w[60 + k], last[k]) << k;
  }
  for (std::size_t k = 4; k < 60; ++k) EXPECT_EQ(w[k], -0.5F) << k;
}

TEST(Decode, Q2_0FollowsTheFormulaOnRandomBlocks) {
  std::mt19937 random(1);
  for (int repeat = 0; repeat < 100; ++repeat) {
    Block block(DType::kQ2_0);
    const float d = std::ldexp(static_cast<float>(random() % 2048) - 1024, -14);  // exact in half precision
    block.half(0, d);
    unsigned bytes[16];
    for (std::size_t i = 0; i < 16; ++i) block.byte(2 + i, bytes[i] = random() % 256);
    const std::vector<float> w = block.weights();
    for (std::size_t k = 0; k < 64; ++k) {
      const int q = static_cast<int>((bytes[k / 4] >> (2 * (k % 4))) & 3);
      ASSERT_EQ(w[k], static_cast<float>(q - 1) * d) << k;
    }
  }
}

TEST(Decode, Q4_0KeepsTheUpperHalfInHighNibbles) {
  Block block(DType::kQ4_0);
  const std::vector<float> w = block.half(0, 2).byte(2 + 3, 0xF1).weights();
  EXPECT_EQ(w[3], -14);
  EXPECT_EQ(w[19], 14);
  EXPECT_EQ(w[4], -16);
}

TEST(Decode, Q5HasItsFifthBitsApart) {
  Block block(DType::kQ5_0);
  block.half(0, 1).byte(2, 0x01).byte(5, 0x80).byte(6, 0x0F).byte(6 + 15, 0xF0);
  std::vector<float> w = block.weights();
  EXPECT_EQ(w[0], 15);    // 1'1111
  EXPECT_EQ(w[31], 15);   // 1'1111
  EXPECT_EQ(w[15], -16);  // 0'0000
  Block with_minimum(DType::kQ5_1);
  w = with_minimum.half(0, 1).half(2, -3).byte(4, 0x01).byte(8, 0x0F).weights();
  EXPECT_EQ(w[0], 28);
  EXPECT_EQ(w[1], -3);
}

TEST(Decode, Q8_0IsSigned) {
  Block block(DType::kQ8_0);
  const std::vector<float> w = block.half(0, 0.25F).byte(2, 0x80).byte(33, 0x7F).weights();
  EXPECT_EQ(w[0], -32);
  EXPECT_EQ(w[31], 31.75F);
}

TEST(Decode, ConstantBlocksGiveConstants) {
  // Each K block with all codes 0 and one scale: only the minimum, or the code's offset, is left.
  Block q2(DType::kQ2_K);
  for (std::size_t i = 0; i < 16; ++i) q2.byte(i, 0x21);
  for (const float w : q2.half(80, 1).half(82, 0.5F).weights()) EXPECT_EQ(w, -1);
  Block q3(DType::kQ3_K);  // scales 0 - 32, codes 0 - 4
  for (const float w : q3.half(108, 1).weights()) EXPECT_EQ(w, 128);
  Block q6(DType::kQ6_K);
  for (std::size_t i = 0; i < 16; ++i) q6.byte(192 + i, 0xFF);
  for (const float w : q6.half(208, 1).weights()) EXPECT_EQ(w, 32);
}

TEST(Decode, TakesMisalignedSourcesAndManyBlocks) {
  std::mt19937 random(2);
  for (const DType type : kWeightTypes) {
    const std::size_t blocks = 3, elements = blocks * block_elements(type);
    std::vector<std::byte> aligned(blocks * block_bytes(type));
    // Exponents stay small: no NaN among the scales.
    for (std::byte& b : aligned) b = static_cast<std::byte>(random() & 0x3B);
    std::vector<float> expected(elements);
    for (std::size_t i = 0; i < blocks; ++i)
      decode(type, aligned.data() + i * block_bytes(type), block_elements(type), &expected[i * block_elements(type)]);
    for (std::size_t shift = 1; shift < 4; ++shift) {
      std::vector<std::byte> moved(shift);
      moved.insert(moved.end(), aligned.begin(), aligned.end());
      std::vector<float> found(elements + 1, 7.0F);
      decode(type, moved.data() + shift, elements, found.data());
      EXPECT_EQ(found.back(), 7.0F) << name(type) << " wrote past the end";
      found.pop_back();
      EXPECT_EQ(found, expected) << name(type);
    }
    decode(type, nullptr, 0, nullptr);
  }
}

TEST(Decode, DenseTypesAreExact) {
  const float values[] = {1.5F, -0.0F, 65504.0F, 0x1p-24F};
  std::uint16_t halves[4];
  for (std::size_t i = 0; i < 4; ++i) halves[i] = float_to_f16(values[i]);
  float decoded[4];
  decode(DType::kF16, reinterpret_cast<const std::byte*>(halves), 4, decoded);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(decoded[i]), std::bit_cast<std::uint32_t>(values[i]));
  const std::uint16_t brains[] = {0x3FC0, 0x8000, 0x7F80, 0xFFC0};
  decode(DType::kBF16, reinterpret_cast<const std::byte*>(brains), 4, decoded);
  EXPECT_EQ(decoded[0], 1.5F);
  EXPECT_TRUE(decoded[1] == 0 && std::signbit(decoded[1]));
  EXPECT_TRUE(std::isinf(decoded[2]));
  EXPECT_TRUE(std::isnan(decoded[3]));
}

TEST(DecodeDeathTest, RefusesOtherTypesAndBrokenBlocks) {
  std::byte bytes[64] = {};
  float w[64];
  EXPECT_DEATH(decode(DType::kI32, bytes, 4, w), "internal error");
  EXPECT_DEATH(decode(DType::kQ4_0, bytes, 16, w), "internal error");
}

}  // namespace
}  // namespace lieq::pack
