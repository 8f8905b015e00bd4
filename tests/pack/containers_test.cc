/// Containers of other tools: pack and unpack are inverse, groups of any sizes become equal ones, and numbers keep
/// their values or are not taken into half precision.
#include <random>

#include <gtest/gtest.h>

#include "lieq/base/dtype.h"
#include "lieq/pack/awq.h"
#include "lieq/pack/grouped_matrix.h"
#include "lieq/pack/row_streams.h"

namespace lieq::pack {
namespace {

QuantizedMatrix random_matrix(std::size_t rows, std::size_t cols, unsigned bits, std::size_t group_size) {
  std::mt19937 random(7);
  QuantizedMatrix m{rows, cols, bits, group_size, {}, {}, {}, {}};
  for (std::size_t k = 0; k < rows * cols; ++k) m.codes.push_back(static_cast<std::uint8_t>(random() % (1U << bits)));
  for (std::size_t k = 0; k < rows * m.groups(); ++k) {
    m.scales.push_back(float_to_f16(0.001F * static_cast<float>(1 + random() % 100)));
    m.double_zeros.push_back(static_cast<std::uint16_t>(2 * (random() % (1U << bits))));
  }
  return m;
}

TEST(Awq, UnpackUndoesPack) {
  Threads threads(2);
  const QuantizedMatrix m = random_matrix(24, 64, 4, 16);
  const auto tensors = pack_awq(m, "here");
  ASSERT_TRUE(tensors) << tensors.error().message;
  std::vector<float> scales;
  for (const std::uint16_t s : tensors->scales) scales.push_back(f16_to_float(s));
  const auto back =
      in_halves(threads, unpack_awq(threads, {64, 24, 4, tensors->qweight, tensors->qzeros, scales}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->codes, m.codes);
  EXPECT_EQ(back->scales, m.scales);
  EXPECT_EQ(back->double_zeros, m.double_zeros);
}

TEST(Awq, OrderOfTheNibbles) {
  QuantizedMatrix m{8, 1, 4, 1, {0, 1, 2, 3, 4, 5, 6, 7}, std::vector<std::uint16_t>(8, 0x3C00), {}, {}};
  m.double_zeros.assign(8, 2);
  const auto tensors = pack_awq(m, "here");
  ASSERT_TRUE(tensors);
  EXPECT_EQ(tensors->qweight, std::vector<std::int32_t>{0x75316420});
  EXPECT_EQ(tensors->qzeros, std::vector<std::int32_t>{0x11111111});
}

TEST(Awq, WhatItCannotHold) {
  const auto refused = [](const QuantizedMatrix& m) {
    const auto tensors = pack_awq(m, "here");
    return tensors ? std::string() : tensors.error().message;
  };
  EXPECT_EQ(refused(random_matrix(8, 16, 2, 16)), "here: found 2 bits, expected 4 bits, all that AWQ packs");
  EXPECT_EQ(refused(random_matrix(12, 16, 4, 16)), "here: found 12 outputs, expected a multiple of 8");
  QuantizedMatrix m = random_matrix(8, 16, 4, 16);
  m.double_zeros[3] = 15;
  EXPECT_EQ(refused(m), "here: found zero point 7.5, expected an integer below 16");
  m.double_zeros[3] = 32;
  EXPECT_EQ(refused(m), "here: found zero point 16, expected an integer below 16");
}

TEST(RowStreams, UnpackUndoesPack) {
  Threads threads(2);
  std::mt19937 random(3);
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (const std::size_t cols : {1U, 31U, 32U, 33U, 96U}) {
      std::vector<std::uint8_t> codes;
      for (std::size_t k = 0; k < 5 * cols; ++k) codes.push_back(static_cast<std::uint8_t>(random() % (1U << bits)));
      const auto words = pack_rows_densely(threads, codes, 5, cols, bits);
      EXPECT_EQ(words.size(), 5 * ((cols * bits + 31) / 32));
      EXPECT_EQ(unpack_rows(threads, words, 5, cols, bits), codes);
      const auto columns = pack_columns_densely(codes, cols, 5, bits);
      const auto back = unpack_columns(columns, cols, 5, bits, FieldsPerWord::kDense);
      EXPECT_TRUE(std::equal(back.begin(), back.end(), codes.begin(), codes.end()));
    }
}

TEST(RowStreams, WholeFieldsLeaveBitsUnused) {
  EXPECT_EQ(row_words(1024, 3, FieldsPerWord::kWhole), 103U);
  EXPECT_EQ(row_words(1024, 3, FieldsPerWord::kDense), 96U);
  Threads threads(1);
  // The eleventh code begins the second word.
  const std::vector<std::int32_t> words = {7 << 27, 5};
  const auto codes = unpack_rows(threads, words, 1, 11, 3, FieldsPerWord::kWhole);
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 5}));
}

TEST(EqualGroups, AShortLastGroupIsADivisor) {
  std::vector<std::int32_t> g_idx(576);
  for (std::size_t j = 0; j < g_idx.size(); ++j) g_idx[j] = static_cast<std::int32_t>(j / 128);
  const auto groups = equal_groups(g_idx, 5);
  ASSERT_TRUE(groups);
  EXPECT_EQ(groups->group_size, 64U);
  EXPECT_EQ(groups->source, (std::vector<std::size_t>{0, 0, 1, 1, 2, 2, 3, 3, 4}));
  EXPECT_TRUE(groups->g_idx.empty());
}

TEST(EqualGroups, AnyOrderKeepsItsNumbers) {
  std::vector<std::int32_t> g_idx;
  for (int j = 0; j < 40; ++j) g_idx.push_back(j % 5 == 4 ? 1 : 0);  // 32 of one, 8 of the other
  const auto groups = equal_groups(g_idx, 2);
  ASSERT_TRUE(groups);
  EXPECT_EQ(groups->group_size, 8U);
  for (std::size_t j = 0; j < g_idx.size(); ++j)
    EXPECT_EQ(groups->source[static_cast<std::size_t>(groups->g_idx[j])], static_cast<std::size_t>(g_idx[j]));
}

TEST(EqualGroups, OddSizesAreNotTaken) {
  EXPECT_FALSE(equal_groups(std::vector<std::int32_t>{0, 0, 0, 1, 1}, 2));
  EXPECT_TRUE(equal_groups(std::vector<std::int32_t>{0, 1, 2}, 3));  // single columns, but all alike
}

GroupedMatrix one_row(float scale, float origin, Origin kind) {
  return {1, 8, 4, 8, kind, {0, 1, 2, 3, 4, 5, 6, 7}, {scale}, {origin}, {}};
}

TEST(InHalves, OnlyExactNumbers) {
  Threads threads(1);
  EXPECT_TRUE(in_halves(threads, one_row(0.5F, 3, Origin::kZero)));
  EXPECT_TRUE(in_halves(threads, one_row(-0.5F, 7.5F, Origin::kZero)));
  EXPECT_FALSE(in_halves(threads, one_row(0.1F, 3, Origin::kZero)));
  EXPECT_FALSE(in_halves(threads, one_row(0.5F, 3.25F, Origin::kZero)));
  EXPECT_FALSE(in_halves(threads, one_row(0.5F, -1, Origin::kZero)));
  EXPECT_FALSE(in_halves(threads, one_row(0.5F, 128, Origin::kZero)));
  EXPECT_TRUE(in_halves(threads, one_row(0.5F, -0.75F, Origin::kMinimum)));
  EXPECT_FALSE(in_halves(threads, one_row(0.5F, 0.1F, Origin::kMinimum)));
  GroupedMatrix zeros = one_row(1e-9F, 3, Origin::kZero);
  EXPECT_FALSE(in_halves(threads, zeros));
  zeros.codes.assign(8, 3);
  ASSERT_TRUE(in_halves(threads, zeros));
}

TEST(InHalves, MinimaAreDecodedAsTheFormulaSays) {
  Threads threads(2);
  for (const unsigned bits : {1U, 2U, 3U, 4U, 5U, 6U, 8U}) {
    GroupedMatrix m{20, 64, bits, 32, Origin::kMinimum, {}, {}, {}, {}};
    std::mt19937 random(bits);
    for (std::size_t k = 0; k < m.rows * m.cols; ++k)
      m.codes.push_back(static_cast<std::uint8_t>(random() % (1U << bits)));
    for (std::size_t k = 0; k < m.rows * m.groups(); ++k) {
      m.scales.push_back(f16_to_float(float_to_f16(0.01F * static_cast<float>(1 + random() % 7))));
      m.origins.push_back(f16_to_float(float_to_f16(-0.03F * static_cast<float>(random() % 9))));
    }
    const auto halves = in_halves(threads, m);
    ASSERT_TRUE(halves);
    const PackedMatrix packed(threads, *halves);
    std::vector<float> expected(m.cols), stored(m.cols), decoded(m.cols);
    for (std::size_t i = 0; i < m.rows; ++i) {
      dequantize_row(m, i, expected.data());
      dequantize_row(*halves, i, stored.data());
      packed.decode_row(i, decoded.data());
      EXPECT_EQ(stored, expected);
      EXPECT_EQ(decoded, expected);
    }
  }
}

}  // namespace
}  // namespace lieq::pack
