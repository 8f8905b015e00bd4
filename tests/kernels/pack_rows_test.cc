#include "lieq/kernels/pack_rows.h"

#include <algorithm>
#include <cmath>

#include "tests/kernels/packed_problem.h"

namespace lieq::kernels {
namespace {

std::vector<float> random_rows(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

pack::StoredMatrix view(const std::vector<float>& values, std::size_t cols) {
  return {"", DType::kF32, values.size() / cols, cols, reinterpret_cast<const std::byte*>(values.data()), 0, nullptr};
}

TEST(PackRows, EightBitsAreWithinHalfAStep) {
  for (const auto& [cols, group] : {std::pair<std::size_t, std::size_t>{576, 64}, {70, 35}, {37, 37}, {960, 64}}) {
    auto values = random_rows(19 * cols);
    std::fill_n(values.begin(), cols, 0.0F);
    Threads threads(2);
    const pack::PackedMatrix packed = pack_rows(threads, view(values, cols), 8, 64);
    ASSERT_EQ(packed.group_size(), group);
    std::vector<float> row(cols);
    for (std::size_t i = 0; i < 19; ++i) {
      packed.decode_row(i, row.data());
      for (std::size_t j = 0; j < cols; ++j) {
        const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i * cols + j / group * group);
        float max = 0;
        for (auto w = begin; w != begin + static_cast<std::ptrdiff_t>(group); ++w) max = std::max(max, std::abs(*w));
        // Half a step, and up to 127 steps of a scale that half precision rounded by 2^-11 of itself (0.062 steps).
        ASSERT_NEAR(row[j], values[i * cols + j], 0.57F * max / 127 + 0x1p-25F) << i << ", " << j;
      }
    }
  }
}

TEST(PackRows, FourBitsLoseLessThanTheLargestWeightsScaleWould) {
  const auto values = random_rows(32 * 256);
  Threads threads(2);
  const pack::PackedMatrix packed = pack_rows(threads, view(values, 256), 4, 64);
  std::vector<float> row(256);
  double error = 0, plain = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    packed.decode_row(i, row.data());
    for (std::size_t g = 0; g < 4; ++g) {
      const float* w = values.data() + i * 256 + g * 64;
      float max = 0;
      for (std::size_t k = 0; k < 64; ++k) max = std::max(max, std::abs(w[k]));
      for (std::size_t k = 0; k < 64; ++k) {
        error += std::pow(row[g * 64 + k] - w[k], 2);
        plain += std::pow(std::nearbyint(w[k] * 7 / max) * max / 7 - w[k], 2);
      }
    }
  }
  EXPECT_LT(error, plain);
}

TEST(PackRows, GridsComeBackAndThreadsDoNotMatter) {
  // Weights that lie on a 4-bit grid with a scale that half precision holds, its whole range in use.
  std::mt19937 random(2);
  std::vector<float> values(16 * 64);
  for (std::size_t k = 0; k < values.size(); ++k)
    values[k] = 0.125F * (k % 64 == 0 ? -8.0F : static_cast<float>(static_cast<int>(random() % 16) - 8));
  Threads one(1), two(2);
  const pack::PackedMatrix a = pack_rows(one, view(values, 64), 4, 64), b = pack_rows(two, view(values, 64), 4, 64);
  std::vector<float> row(64), other(64);
  for (std::size_t i = 0; i < 16; ++i) {
    a.decode_row(i, row.data());
    b.decode_row(i, other.data());
    EXPECT_EQ(row, other);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), values.begin() + static_cast<std::ptrdiff_t>(i * 64)));
  }
}

}  // namespace
}  // namespace lieq::kernels
