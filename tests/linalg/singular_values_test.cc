#include "lieq/linalg/singular_values.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "lieq/base/random.h"

namespace lieq::linalg {
namespace {

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

TEST(SingularValues, OfADiagonalAreItsSizesDescending) {
  const std::vector<float> z = {0, 0, -3, 0,  //
                                0.5F, 0, 0, 0,  //
                                0, 0, 0, 2};
  const auto values = singular_values({z.data(), 3, 4});
  ASSERT_EQ(values.size(), 3U);
  EXPECT_DOUBLE_EQ(values[0], 3);
  EXPECT_DOUBLE_EQ(values[1], 2);
  EXPECT_DOUBLE_EQ(values[2], 0.5);
}

TEST(SingularValues, OfTheMinMatrixAreKnown) {
  // The matrix min(i, j) has the eigenvalues 1 / (4 sin²((2k - 1) pi / (4n + 2))), k = 1 ... n.
  constexpr std::size_t n = 40;
  std::vector<float> z(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) z[i * n + j] = static_cast<float>(std::min(i, j) + 1);
  const auto values = singular_values({z.data(), n, n});
  for (std::size_t k = 1; k <= n; ++k) {
    const double sine = std::sin(static_cast<double>(2 * k - 1) * std::numbers::pi / static_cast<double>(4 * n + 2));
    const double expected = 1 / (4 * sine * sine);
    // The header's bound, eps s_1² / s_i, with a factor for the n terms of each sum.
    EXPECT_NEAR(values[k - 1], expected, 1e-15 * static_cast<double>(n) * values[0] * values[0] / expected) << k;
  }
}

TEST(SingularValues, DoNotDependOnTranspositionOrStride) {
  constexpr std::size_t rows = 17, cols = 9, stride = 13;
  const auto z = random_values(rows * stride, 5);
  std::vector<float> turned(cols * rows);
  double squares = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < cols; ++j) {
      turned[j * rows + i] = z[i * stride + j];
      squares += std::pow(static_cast<double>(z[i * stride + j]), 2);
    }
  }
  const auto values = singular_values({z.data(), rows, cols, stride});
  const auto of_turned = singular_values({turned.data(), cols, rows});
  ASSERT_EQ(values.size(), cols);
  double sum = 0;
  for (std::size_t i = 0; i < cols; ++i) {
    EXPECT_NEAR(values[i], of_turned[i], 1e-12 * values[0]);
    sum += values[i] * values[i];
  }
  EXPECT_NEAR(sum, squares, 1e-12 * squares) << "squares sum to the squared Frobenius norm";
}

TEST(SingularValues, OfDegenerateMatrices) {
  EXPECT_TRUE(singular_values({nullptr, 0, 5}).empty());
  const std::vector<float> zeros(12, 0.0F);
  for (const double v : singular_values({zeros.data(), 3, 4})) EXPECT_EQ(v, 0);
  const std::vector<float> ones(12, 1.0F);  // rank 1
  const auto values = singular_values({ones.data(), 3, 4});
  EXPECT_NEAR(values[0], std::sqrt(12), 1e-12);
  EXPECT_LE(values[1], 1.5e-8 * values[0]);
}

}  // namespace
}  // namespace lieq::linalg
