#include "lieq/pack/packed_blocks.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/pack/decode.h"

namespace lieq::pack {
namespace {

constexpr DType kFitting[] = {DType::kQ2_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0};

bool has_minimum(DType type) { return type == DType::kQ4_1 || type == DType::kQ5_1; }

/// Blocks with random codes, and scales and minima of any finite value: subnormal, negative, -0, the largest.
struct Blocks {
  std::vector<std::byte> bytes;
  StoredMatrix matrix;

  Blocks(DType type, std::size_t rows, std::size_t blocks_a_row, unsigned seed)
      : bytes(rows * blocks_a_row * block_bytes(type)),
        matrix{"w", type, rows, blocks_a_row * block_elements(type), bytes.data(), 0, nullptr} {
    std::mt19937 random(seed);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    const auto put_half = [&](std::size_t at) {
      constexpr std::uint16_t kSpecial[] = {0, 0x8000, 1, 0x8001, 0x03FF, 0x7BFF, 0xFBFF};
      std::uint16_t half = random() % 4 == 0 ? kSpecial[random() % std::size(kSpecial)]
                                             : static_cast<std::uint16_t>(random());
      if ((half & 0x7C00) == 0x7C00) half ^= 0x4000;  // infinity or NaN
      std::memcpy(bytes.data() + at, &half, sizeof half);
    };
    for (std::size_t at = 0; at < bytes.size(); at += block_bytes(type)) {
      put_half(at);
      if (has_minimum(type)) put_half(at + 2);
    }
  }
};

std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (const float v : values) bits.push_back(std::bit_cast<std::uint32_t>(v));
  return bits;
}

void expect_same_weights(const StoredMatrix& matrix) {
  Threads threads(2);
  const PackedMatrix packed = pack_blocks(threads, matrix);
  std::vector<float> expected(matrix.cols), found(matrix.cols);
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    decode(matrix.type, matrix.row(i), matrix.cols, expected.data());
    packed.decode_row(i, found.data());
    ASSERT_EQ(bits_of(found), bits_of(expected)) << "row " << i;
  }
}

TEST(PackedBlocks, FitTheTypesWithHalfPrecisionScales) {
  for (const DType type : kFitting) EXPECT_TRUE(fits_packed(type)) << name(type);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kI32, DType::kQ2_K, DType::kQ3_K,
                           DType::kQ4_K, DType::kQ5_K, DType::kQ6_K})
    EXPECT_FALSE(fits_packed(type)) << name(type);
}

TEST(PackedBlocks, AreTheDecodedWeightsBitForBit) {
  for (const DType type : kFitting) {
    for (const std::size_t rows : {1U, 15U, 16U, 17U, 48U, 61U}) {
      for (const std::size_t blocks : {1U, 2U, 7U}) {
        SCOPED_TRACE(testing::Message() << name(type) << ", " << rows << " rows of " << blocks);
        expect_same_weights(Blocks(type, rows, blocks, static_cast<unsigned>(rows)).matrix);
      }
    }
  }
}

TEST(PackedBlocks, KeepTheLeastAndTheLargestCode) {
  for (const DType type : kFitting) {
    for (const unsigned code : {0x00U, 0xFFU, 0x80U, 0x7FU}) {
      SCOPED_TRACE(testing::Message() << name(type) << ", bytes " << code);
      Blocks blocks(type, 17, 3, 5);
      const std::size_t first = has_minimum(type) ? 4 : 2;
      for (std::size_t at = 0; at < blocks.bytes.size(); at += block_bytes(type))
        std::memset(blocks.bytes.data() + at + first, static_cast<int>(code), block_bytes(type) - first);
      expect_same_weights(blocks.matrix);
    }
  }
}

TEST(PackedBlocks, UndoTheRotaryOrderOfRows) {
  for (const DType type : kFitting) {
    Blocks blocks(type, 36, 2, 9);
    blocks.matrix.interleaved_head_dim = 12;
    expect_same_weights(blocks.matrix);
  }
}

TEST(PackedBlocks, TakeTheirBytesWithoutPadding) {
  Threads threads(1);
  // 32 weights of 4 bits, a scale, and a zero point of 4 bits or a minimum of 16.
  EXPECT_EQ(pack_blocks(threads, Blocks(DType::kQ4_0, 32, 2, 1).matrix).bytes(), 64 * 18U + 32);
  EXPECT_EQ(pack_blocks(threads, Blocks(DType::kQ4_1, 32, 2, 1).matrix).bytes(), 64 * 20U);
  // 16 rows a block: codes, scales, minima, and one set of zero points.
  EXPECT_EQ(pack_blocks(threads, Blocks(DType::kQ4_1, 20, 2, 1).matrix).memory(), 2 * 2 * 16 * 20U + 16);
}

TEST(PackedBlocksDeathTest, RefuseOtherTypes) {
  Threads threads(1);
  EXPECT_DEATH((void)pack_blocks(threads, Blocks(DType::kQ4_K, 16, 1, 1).matrix), "internal error");
}

}  // namespace
}  // namespace lieq::pack
