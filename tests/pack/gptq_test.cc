#include "lieq/pack/gptq.h"

#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/dtype.h"
#include "tests/support/golden.h"

namespace lieq::pack {
namespace {

using test::GoldenArrays;

struct GoldenCase {
  GptqTensors v1, v2;
  std::vector<std::uint8_t> codes, zeros;
  std::vector<float> dequantised;
};

GoldenCase read_case(const std::filesystem::path& file) {
  const GoldenArrays golden(file);
  GoldenCase c;
  c.v2.bits = static_cast<unsigned>(file.filename().string()[1] - '0');
  c.v2.in = golden.shape("codes")[0];
  c.v2.out = golden.shape("codes")[1];
  c.v2.groups = golden.shape("scales")[0];
  c.v2.qweight = golden.get<std::int32_t>("qweight");
  c.v2.qzeros = golden.get<std::int32_t>("qzeros_v2");
  c.v2.scales = golden.get<std::uint16_t>("scales");
  c.v2.g_idx = golden.get<std::int32_t>("g_idx");
  c.v1 = c.v2;
  c.v1.qzeros = golden.get<std::int32_t>("qzeros_v1");
  c.codes = golden.get<std::uint8_t>("codes");
  c.zeros = golden.get<std::uint8_t>("zeros");
  c.dequantised = golden.get<float>("dequant_f32");
  return c;
}

void expect_equal(const GptqTensors& a, const GptqTensors& b) {
  EXPECT_EQ(a.qweight, b.qweight);
  EXPECT_EQ(a.qzeros, b.qzeros);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.g_idx, b.g_idx);
}

TEST(GptqGolden, UnpacksAndPacksTheSameWords) {
  LIEQ_NEEDS_SHARED("golden/pack_gptq");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::shared() / "golden/pack_gptq")) {
    if (entry.path().extension() != ".safetensors") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const GoldenCase c = read_case(entry.path());
    const QuantizedMatrix m = test::must(unpack_gptq(c.v2.view(), ZeroFormat::kV2, "golden"));
    for (std::size_t i = 0; i < m.rows; ++i) {
      for (std::size_t j = 0; j < m.cols; ++j) ASSERT_EQ(m.codes[i * m.cols + j], c.codes[j * m.rows + i]);
      for (std::size_t g = 0; g < m.groups(); ++g) ASSERT_EQ(m.double_zeros[i * m.groups() + g],
                                                             2 * c.zeros[g * m.rows + i]);
      std::vector<float> row(m.cols);
      dequantize_row(m, i, row.data());
      ASSERT_EQ(std::memcmp(row.data(), &c.dequantised[i * m.cols], row.size() * sizeof(float)), 0) << "row " << i;
    }
    expect_equal(test::must(pack_gptq(m, ZeroFormat::kV2, "golden")), c.v2);
    const QuantizedMatrix from_v1 = test::must(unpack_gptq(c.v1.view(), ZeroFormat::kV1, "golden"));
    EXPECT_EQ(from_v1.double_zeros, m.double_zeros);
    const bool has_zero = std::ranges::count(c.zeros, 0) > 0;
    const auto packed = pack_gptq(m, ZeroFormat::kV1, "layer");
    ASSERT_EQ(packed.has_value(), !has_zero);
    if (has_zero) {
      EXPECT_EQ(packed.error().code, ErrorCode::kInvalidArgument);
    } else {
      expect_equal(*packed, c.v1);
    }
    ++files;
  }
  EXPECT_EQ(files, 27U);
}

/// A matrix whose codes, scales and zero points all differ from place to place.
QuantizedMatrix example(unsigned bits, std::vector<std::uint16_t> allowed) {
  QuantizedMatrix m{.rows = 64, .cols = 96, .bits = bits, .group_size = 32, .codes = {}, .scales = {},
                    .double_zeros = {}, .g_idx = {}};
  for (std::size_t k = 0; k < m.rows * m.cols; ++k) m.codes.push_back(static_cast<std::uint8_t>((k * 7 +
      k / 96) % (1U << bits)));
  for (std::size_t k = 0; k < m.rows * m.groups(); ++k) {
    m.scales.push_back(float_to_f16((k % 2 == 0 ? 0.01F : -0.01F) * static_cast<float>(1 + k % 5)));
    m.double_zeros.push_back(allowed[k % allowed.size()]);
  }
  return m;
}

TEST(Gptq, PacksEveryWidthInEveryZeroFormat) {
  for (const unsigned bits : {2U, 3U, 4U, 8U}) {
    SCOPED_TRACE(bits);
    const auto top = static_cast<std::uint16_t>(1U << bits);
    for (const auto& [format, allowed] : {std::pair{ZeroFormat::kV1, std::vector<std::uint16_t>{2, top}},
                                          {ZeroFormat::kV2, {0, top}},
                                          {ZeroFormat::kHalf, {1, 2, 3, top}}}) {
      const QuantizedMatrix m = example(bits, allowed);
      const QuantizedMatrix back = test::must(unpack_gptq(test::must(pack_gptq(m, format, "m")).view(), format, "m"));
      EXPECT_EQ(back.codes, m.codes);
      EXPECT_EQ(back.scales, m.scales);
      EXPECT_EQ(back.double_zeros, m.double_zeros);
      EXPECT_TRUE(back.g_idx.empty());
    }
  }
}

TEST(Gptq, RepacksWholeWordsAsItPacksCodes) {
  Threads threads(2);
  for (const unsigned bits : {2U, 3U, 4U, 8U}) {
    for (const std::size_t group_size : {16U, 32U, 96U}) {
      for (const bool act_order : {false, true}) {
        std::mt19937 random(bits);
        QuantizedMatrix m{96, 192, bits, group_size, std::vector<std::uint8_t>(96 * 192), {}, {}, {}};
        for (auto& code : m.codes) code = static_cast<std::uint8_t>(random() % (1U << bits));
        for (std::size_t g = 0; g < 96 * m.groups(); ++g) {
          m.scales.push_back(static_cast<std::uint16_t>(random() % 0x7000));
          m.double_zeros.push_back(static_cast<std::uint16_t>(2 * (random() % (1U << bits))));
        }
        if (act_order)
          for (std::size_t j = 0; j < 192; ++j) m.g_idx.push_back(static_cast<std::int32_t>(j % m.groups()));
        const GptqTensors tensors = test::must(pack_gptq(m, ZeroFormat::kV2, "m"));
        const PackedMatrix packed = test::must(repack_gptq(threads, tensors.view(), ZeroFormat::kV2, "m"));
        std::vector<float> row(192), expected(192);
        for (std::size_t i = 0; i < 96; ++i) {
          packed.decode_row(i, row.data());
          dequantize_row(m, i, expected.data());
          ASSERT_EQ(row, expected) << bits << " bits g" << group_size << " row " << i;
        }
      }
    }
  }
}

TEST(Gptq, RefusesWhatAFormatCannotHold) {
  EXPECT_FALSE(pack_gptq(example(2, {1}), ZeroFormat::kV2, "m"));   // a half
  EXPECT_FALSE(pack_gptq(example(2, {0}), ZeroFormat::kHalf, "m"));
  EXPECT_FALSE(pack_gptq(example(2, {5}), ZeroFormat::kHalf, "m"));
  const auto v1 = pack_gptq(example(4, {0}), ZeroFormat::kV1, "layers.3.q_proj");
  ASSERT_FALSE(v1);
  EXPECT_EQ(v1.error().message, "layers.3.q_proj: found zero point 0, which GPTQ v1 at 4 bits cannot hold");
  QuantizedMatrix odd = example(2, {2});
  odd.rows = 63;
  EXPECT_FALSE(pack_gptq(odd, ZeroFormat::kV2, "m"));
}

TEST(Gptq, RefusesTensorsThatContradictEachOther) {
  const GptqTensors good = test::must(pack_gptq(example(3, {2}), ZeroFormat::kV2, "m"));
  const auto refused = [](const GptqTensors& t) {
    const auto result = unpack_gptq(t.view(), ZeroFormat::kV2, "m");
    return !result &&
           (result.error().code == ErrorCode::kInvalidFormat || result.error().code == ErrorCode::kUnsupported);
  };
  EXPECT_FALSE(refused(good));
  GptqTensors bad = good;
  bad.qweight.pop_back();
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.g_idx[5] = 3;
  EXPECT_TRUE(refused(bad));
  bad.g_idx[5] = -1;
  EXPECT_TRUE(refused(bad));
  bad.g_idx[5] = 1;  // groups of 31, 33 and 32
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.bits = 5;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.groups = 0;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.out = 0;
  EXPECT_TRUE(refused(bad));
}

}  // namespace
}  // namespace lieq::pack
