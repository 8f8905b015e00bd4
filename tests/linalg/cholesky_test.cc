#include "lieq/linalg/cholesky.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace lieq::linalg {
namespace {

/// B Bᵀ + I for a random B, so that it is positive definite.
std::vector<double> positive(std::size_t n) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> b(n * n), a(n * n);
  for (double& value : b) value = normal(random);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < n; ++k) a[i * n + j] += b[i * n + k] * b[j * n + k];
    }
    a[i * n + i] += 1;
  }
  return a;
}

TEST(Cholesky, MultipliesBackToTheMatrix) {
  Threads threads(3);
  for (const std::size_t n : {1U, 2U, 5U, 63U, 64U, 65U, 130U, 200U}) {
    const std::vector<double> a = positive(n);
    std::vector<double> l = a;
    ASSERT_TRUE(cholesky(threads, {l.data(), n, n})) << n;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k <= j; ++k) sum += l[i * n + k] * l[j * n + k];
        // Backward stable: each entry within (n + 1) eps of the diagonals it lies between.
        const double bound = static_cast<double>(n + 1) * 0x1p-52 * std::sqrt(a[i * n + i] * a[j * n + j]);
        ASSERT_NEAR(sum, a[i * n + j], bound) << n << ": " << i << ", " << j;
      }
    }
  }
}

TEST(Cholesky, GivesTheSameBytesForAnyThreadCount) {
  const std::size_t n = 300;
  std::vector<double> first = positive(n), second = first;
  Threads one(1), four(4);
  ASSERT_TRUE(cholesky(one, {first.data(), n, n}));
  ASSERT_TRUE(cholesky(four, {second.data(), n, n}));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) ASSERT_EQ(first[i * n + j], second[i * n + j]);
}

TEST(Cholesky, NamesThePivotOfASingularMatrix) {
  Threads threads(1);
  const std::size_t n = 80;
  std::vector<double> a = positive(n);
  for (std::size_t k = 0; k < n; ++k) a[70 * n + k] = a[3 * n + k];  // row and column 70 become those of 3
  for (std::size_t k = 0; k < n; ++k) a[k * n + 70] = a[k * n + 3];
  const auto result = cholesky(threads, {a.data(), n, n});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kNumerical);
  EXPECT_NE(result.error().message.find("column 70 of 80"), std::string::npos) << result.error().message;
  std::vector<double> nan(4, std::nan(""));
  EXPECT_FALSE(cholesky(threads, {nan.data(), 2, 2}));
}

}  // namespace
}  // namespace lieq::linalg
