#include "lieq/pack/k_blocks.h"

#include <bit>
#include <random>

#include <gtest/gtest.h>

#include "lieq/pack/decode.h"

namespace lieq::pack {
namespace {

class KBlocks : public ::testing::TestWithParam<unsigned> {
 protected:
  /// Every number anywhere in its range.
  KBlock random_block() {
    const auto up_to = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); };
    KBlock block;
    for (auto& code : block.codes) code = static_cast<std::uint8_t>(up_to(0, form_.top()));
    for (std::size_t s = 0; s < form_.sub_blocks(); ++s) {
      block.scales[s] = static_cast<std::int8_t>(up_to(form_.least_scale, form_.largest_scale));
      block.minima[s] = static_cast<std::uint8_t>(up_to(0, form_.largest_minimum));
    }
    block.d = float_to_f16(std::uniform_real_distribution<float>(-0.1F, 0.1F)(random_));
    block.dmin = form_.has_minima() ? float_to_f16(std::uniform_real_distribution<float>(0, 0.1F)(random_)) : 0;
    return block;
  }
  [[nodiscard]] float weight(const KBlock& block, std::size_t k) const {
    const std::size_t s = k / form_.sub_size;
    const float step = f16_to_float(block.d) * static_cast<float>(block.scales[s]);
    return step * static_cast<float>(block.codes[k] - form_.zero) -
           f16_to_float(block.dmin) * static_cast<float>(block.minima[s]);
  }
  const KForm& form_ = k_form(GetParam());
  std::mt19937 random_{GetParam()};
};

TEST_P(KBlocks, DecodeToWhatWasEncodedBitForBit) {
  std::vector<std::byte> bytes(block_bytes(form_.type));
  std::vector<float> decoded(kBlockWeights);
  for (int trial = 0; trial < 200; ++trial) {
    const KBlock block = random_block();
    encode(form_, block, bytes.data());
    decode(form_.type, bytes.data(), kBlockWeights, decoded.data());
    for (std::size_t k = 0; k < kBlockWeights; ++k)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(decoded[k]), std::bit_cast<std::uint32_t>(weight(block, k))) << k;
  }
}

TEST_P(KBlocks, FillTheirTypesBlocks) {
  EXPECT_EQ(block_elements(form_.type), kBlockWeights);
  EXPECT_EQ(code_bits(form_.type), static_cast<double>(form_.bits));
  EXPECT_EQ(form_.sub_blocks() * form_.sub_size, kBlockWeights);
}

TEST_P(KBlocks, ScaleByRows) {
  BlockMatrix matrix{form_.type, 2, 2 * kBlockWeights, {}};
  matrix.bytes.resize(2 * matrix.row_bytes());
  for (std::size_t b = 0; b < 4; ++b)
    encode(form_, random_block(), matrix.bytes.data() + b * block_bytes(form_.type));
  const BlockMatrix before = matrix;
  scale_row(matrix, 1, 0.5F);
  std::vector<float> old_row(matrix.cols), row(matrix.cols);
  const StoredMatrix old_view = before.stored("w"), view = matrix.stored("w");
  for (const std::size_t i : {0U, 1U}) {
    decode(form_.type, old_view.row(i), matrix.cols, old_row.data());
    decode(form_.type, view.row(i), matrix.cols, row.data());
    const float factor = i == 1 ? 0.5F : 1.0F;
    for (std::size_t j = 0; j < matrix.cols; ++j) ASSERT_EQ(row[j], factor * old_row[j]) << i << ' ' << j;
  }
  EXPECT_EQ(view.bytes(), matrix.bytes.size());
}

INSTANTIATE_TEST_SUITE_P(Widths, KBlocks, ::testing::Values(2U, 3U, 4U));

}  // namespace
}  // namespace lieq::pack
