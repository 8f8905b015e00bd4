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

struct Fitting {
  DType type;
  std::vector<std::size_t> halves;  // offsets of scale and minimum in a block
};
const Fitting kFitting[] = {{DType::kQ2_0, {0}},    {DType::kQ4_0, {0}},      {DType::kQ4_1, {0, 2}},
                            {DType::kQ5_0, {0}},    {DType::kQ5_1, {0, 2}},   {DType::kQ8_0, {0}},
                            {DType::kIQ4_NL, {0}},  {DType::kQ2_K, {80, 82}}, {DType::kQ3_K, {108}},
                            {DType::kQ4_K, {0, 2}}, {DType::kQ5_K, {0, 2}},   {DType::kQ6_K, {208}},
                            {DType::kIQ4_XS, {0}}};

/// Blocks with random codes, and scales and minima of any finite value: subnormal, negative, -0, the largest.
struct Blocks {
  std::vector<std::byte> bytes;
  StoredMatrix matrix;

  Blocks(const Fitting& fitting, std::size_t rows, std::size_t blocks_a_row, unsigned seed)
      : bytes(rows * blocks_a_row * block_bytes(fitting.type)),
        matrix{"w", fitting.type, rows, blocks_a_row * block_elements(fitting.type), bytes.data(), 0, nullptr} {
    std::mt19937 random(seed);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    const auto put_half = [&](std::size_t at) {
      constexpr std::uint16_t kSpecial[] = {0, 0x8000, 1, 0x8001, 0x03FF, 0x7BFF, 0xFBFF};
      std::uint16_t half =
          random() % 4 == 0 ? kSpecial[random() % std::size(kSpecial)] : static_cast<std::uint16_t>(random());
      if ((half & 0x7C00) == 0x7C00) half ^= 0x4000;  // infinity or NaN
      std::memcpy(bytes.data() + at, &half, sizeof half);
    };
    for (std::size_t at = 0; at < bytes.size(); at += block_bytes(fitting.type))
      for (const std::size_t half : fitting.halves) put_half(at + half);
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

TEST(PackedBlocks, FitTypesOfGroupsAndTheirScales) {
  for (const Fitting& fitting : kFitting) EXPECT_TRUE(fits_packed(fitting.type)) << name(fitting.type);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kI32, DType::kIQ2_XXS, DType::kIQ3_S,
                           DType::kTQ1_0, DType::kTQ2_0, DType::kMXFP4})
    EXPECT_FALSE(fits_packed(type)) << name(type);
}

TEST(PackedBlocks, AreTheDecodedWeightsBitForBit) {
  for (const Fitting& fitting : kFitting) {
    for (const std::size_t rows : {1U, 15U, 16U, 17U, 48U, 61U}) {
      for (const std::size_t blocks : {1U, 2U, 7U}) {
        SCOPED_TRACE(testing::Message() << name(fitting.type) << ", " << rows << " rows of " << blocks);
        expect_same_weights(Blocks(fitting, rows, blocks, static_cast<unsigned>(rows)).matrix);
      }
    }
  }
}

TEST(PackedBlocks, KeepTheLeastAndTheLargestCode) {
  for (const Fitting& fitting : kFitting) {
    for (const unsigned code : {0x00U, 0xFFU, 0x80U, 0x7FU}) {
      SCOPED_TRACE(testing::Message() << name(fitting.type) << ", bytes " << code);
      Blocks blocks(fitting, 17, 3, 5);
      std::byte* bytes = blocks.bytes.data();
      for (std::size_t at = 0; at < blocks.bytes.size(); at += block_bytes(fitting.type)) {
        std::vector<std::uint16_t> kept(fitting.halves.size());
        for (std::size_t h = 0; h < kept.size(); ++h) std::memcpy(&kept[h], bytes + at + fitting.halves[h], 2);
        std::memset(bytes + at, static_cast<int>(code), block_bytes(fitting.type));
        for (std::size_t h = 0; h < kept.size(); ++h) std::memcpy(bytes + at + fitting.halves[h], &kept[h], 2);
      }
      expect_same_weights(blocks.matrix);
    }
  }
}

TEST(PackedBlocks, UndoTheRotaryOrderOfRows) {
  for (const Fitting& fitting : kFitting) {
    Blocks blocks(fitting, 36, 2, 9);
    blocks.matrix.interleaved_head_dim = 12;
    expect_same_weights(blocks.matrix);
  }
}

TEST(PackedBlocks, TakeTheMemoryOfTheFile) {
  Threads threads(1);
  for (const Fitting& fitting : kFitting) {
    const Blocks blocks(fitting, 32, 4, 1);
    const double file = static_cast<double>(blocks.bytes.size());
    const PackedMatrix packed = pack_blocks(threads, blocks.matrix);
    // Scales and minima of 6 bits take 8: of two in 32 inputs, 4.625 bits a weight for 4.5; of one in 16, 3.5625 for
    // 3.4375.
    EXPECT_LE(static_cast<double>(packed.memory()), 1.037 * file) << name(fitting.type);
    EXPECT_GE(static_cast<double>(packed.memory()), file) << name(fitting.type);
    EXPECT_EQ(packed.bytes(), packed.memory()) << name(fitting.type);  // no row is padding
  }
  // 16 rows a block: codes, scales, minima.
  EXPECT_EQ(pack_blocks(threads, Blocks(kFitting[2], 20, 2, 1).matrix).memory(), 2 * 2 * 16 * 20U);
}

TEST(PackedBlocksDeathTest, RefuseOtherTypes) {
  Threads threads(1);
  EXPECT_DEATH((void)pack_blocks(threads, Blocks({DType::kIQ2_XXS, {0}}, 16, 1, 1).matrix), "internal error");
}

}  // namespace
}  // namespace lieq::pack
