#include "lieq/kernels/elementwise.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/kernels/dequantize.h"
#include "lieq/kernels/rope.h"
#include "lieq/kernels/softmax.h"
#include "lieq/pack/decode.h"
#include "tests/support/targets.h"

namespace lieq::kernels {
namespace {

constexpr double kEpsilon = 0x1p-23;

std::vector<float> random_floats(std::size_t count, unsigned seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

/// Up to twice the widest vector and one more, so that every tail length occurs.
constexpr std::size_t kMostLanes = 33;

TEST(Dot, IsWithinRoundingOfTheExactSum) {
  test::on_every_target([] {
    for (std::size_t n = 0; n <= 300; n += n < kMostLanes ? 1 : 37) {
      const auto a = random_floats(n + 1, 1), b = random_floats(n + 1, 2);
      double exact = 0, magnitude = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double product = static_cast<double>(a[i + 1]) * static_cast<double>(b[i + 1]);
        exact += product;
        magnitude += std::abs(product);
      }
      // Misaligned on purpose. Bound: n roundings, each of at most half an ulp of the sum of magnitudes.
      EXPECT_NEAR(dot(a.data() + 1, b.data() + 1, n), exact, static_cast<double>(n) * kEpsilon * magnitude) << n;
    }
  });
}

TEST(RmsNorm, EqualsTheFormula) {
  test::on_every_target([] {
    for (std::size_t n = 1; n <= kMostLanes; ++n) {
      const auto x = random_floats(n, 3), weight = random_floats(n, 4);
      std::vector<float> y(n);
      rms_norm(x, weight, 1e-5F, y);
      double squares = 0;
      for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
      const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      for (std::size_t i = 0; i < n; ++i) {
        const double exact = static_cast<double>(x[i]) * scale * static_cast<double>(weight[i]);
        EXPECT_NEAR(y[i], exact, (static_cast<double>(n) + 8) * kEpsilon * std::abs(exact));
      }
      std::vector<float> in_place = x;
      rms_norm(in_place, weight, 1e-5F, in_place);
      EXPECT_EQ(in_place, y);
    }
  });
}

TEST(SiluMultiply, EqualsTheFormulaAlsoFarOut) {
  test::on_every_target([] {
    for (std::size_t n = 1; n <= kMostLanes; ++n) {
      auto gate = random_floats(n, 5, 20);
      gate[0] = -200;  // exp overflows: the result must be zero, not NaN
      const auto up = random_floats(n, 6);
      std::vector<float> y = gate;
      silu_multiply(y, up);
      for (std::size_t i = 0; i < n; ++i) {
        const double a = static_cast<double>(gate[i]);
        const double exact = a / (1 + std::exp(-a)) * static_cast<double>(up[i]);
        // exp(a) carries about |a| roundings of its argument.
        EXPECT_NEAR(y[i], exact, (8 + std::abs(a)) * kEpsilon * std::abs(exact) + 1e-30) << a;
      }
    }
  });
}

TEST(GeluMultiply, EqualsTheFormulaAlsoFarOut) {
  test::on_every_target([] {
    for (std::size_t n = 1; n <= kMostLanes; ++n) {
      auto gate = random_floats(n, 5, 4);
      gate[0] = n % 2 ? -200 : 200;  // exp overflows, or vanishes
      const auto up = random_floats(n, 6);
      std::vector<float> y = gate;
      gelu_multiply(y, up);
      for (std::size_t i = 0; i < n; ++i) {
        const double a = static_cast<double>(gate[i]);
        const double inner = std::sqrt(2 / std::numbers::pi) * (a + 0.044715 * a * a * a);
        // As 1 / (1 + exp): the difference in 1 + tanh would lose what is left far below 0.
        const double exact = a / (1 + std::exp(-2 * inner)) * static_cast<double>(up[i]);
        EXPECT_NEAR(y[i], exact, (16 + 8 * std::abs(inner)) * kEpsilon * std::abs(exact) + 1e-30) << a;
      }
      std::vector<float> scaled = gate;
      scale(scaled, 0.3F);
      for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(scaled[i], gate[i] * 0.3F);
    }
  });
}

TEST(LogSumExp, SurvivesLargeAndSmallLogits) {
  test::on_every_target([] {
    for (const std::size_t n : {1U, 7U, 16U, 33U, 1024U, 1025U, 5000U}) {
      auto x = random_floats(n, 7, 10);
      for (const float shift : {0.0F, 3000.0F, -3000.0F}) {
        std::vector<float> shifted = x;
        for (float& v : shifted) v += shift;
        double max = -INFINITY, sum = 0;
        for (const float v : shifted) max = std::max(max, static_cast<double>(v));
        for (const float v : shifted) sum += std::exp(static_cast<double>(v) - max);
        EXPECT_NEAR(log_sum_exp(shifted), max + std::log(sum), 64 * kEpsilon) << n;
      }
    }
  });
}

TEST(LogSumExp, ReportsNonFiniteLogits) {
  test::on_every_target([] {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const std::size_t at : {0U, 5U, 40U}) {
        auto x = random_floats(41, 8);
        x[at] = bad;
        EXPECT_FALSE(std::isfinite(log_sum_exp(x))) << bad << " at " << at;
      }
    }
  });
}

TEST(KlDivergence, EqualsTheFormulaAndIsZeroForEquals) {
  test::on_every_target([] {
    const auto p = random_floats(3000, 9, 3), q = random_floats(3000, 10, 3);
    const double p_sum = log_sum_exp(p), q_sum = log_sum_exp(q);
    double exact = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double log_p = static_cast<double>(p[i]) - p_sum, log_q = static_cast<double>(q[i]) - q_sum;
      exact += std::exp(log_p) * (log_p - log_q);
    }
    EXPECT_NEAR(kl_divergence(p, p_sum, q, q_sum), exact, 1e-4 * exact);
    EXPECT_EQ(kl_divergence(p, p_sum, p, p_sum), 0);
  });
}

TEST(OnlineSoftmax, PiecesGiveTheWhole) {
  test::on_every_target([] {
    const auto x = random_floats(100, 11, 4);
    std::vector<float> whole = x, pieces = x;
    RunningSoftmax once{-INFINITY, 0}, twice{-INFINITY, 0};
    online_softmax(whole, once);
    online_softmax(std::span(pieces).first(37), twice);
    const float shrink = online_softmax(std::span(pieces).subspan(37), twice);
    for (std::size_t i = 0; i < 37; ++i) pieces[i] *= shrink;
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(pieces[i] / twice.sum, whole[i] / once.sum, 1e-6);
  });
}

TEST(ArgMax, TakesTheFirstOfEquals) {
  test::on_every_target([] {
    std::vector<float> x(50, 1.0F);
    x[20] = x[40] = 2;
    EXPECT_EQ(arg_max(x), 20U);
  });
}

TEST(Dequantize, SixteenBitFloatsAreExactForEveryFinitePattern) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  for (const DType type : {DType::kF16, DType::kBF16}) {
    std::vector<float> expected(all.size());
    pack::decode(type, reinterpret_cast<const std::byte*>(all.data()), all.size(), expected.data());
    test::on_every_target([&] {
      std::vector<std::byte> misaligned(2 * all.size() + 1);
      std::memcpy(misaligned.data() + 1, all.data(), 2 * all.size());
      std::vector<float> decoded(all.size());
      dequantize(type, misaligned.data() + 1, all.size(), decoded.data());
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (!std::isfinite(expected[i])) continue;
        ASSERT_EQ(decoded[i], expected[i]) << name(type) << " " << i;
      }
    });
  }
}

TEST(Dequantize, BlocksOf256EqualTheScalarDecoder) {
  std::mt19937 random(5);
  for (const DType type : {DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    const std::size_t elements = 40 * block_elements(type);
    std::vector<std::byte> blocks(elements / block_elements(type) * block_bytes(type) + 1);
    for (std::byte& byte : blocks) byte = static_cast<std::byte>(random());
    const std::byte* misaligned = blocks.data() + 1;
    std::vector<float> expected(elements);
    pack::decode(type, misaligned, elements, expected.data());
    test::on_every_target([&] {
      std::vector<float> decoded(elements);
      dequantize(type, misaligned, elements, decoded.data());
      std::size_t finite = 0;
      for (std::size_t i = 0; i < elements; ++i) {
        if (!std::isfinite(expected[i])) continue;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(decoded[i]), std::bit_cast<std::uint32_t>(expected[i]))
            << name(type) << " " << i;
        ++finite;
      }
      EXPECT_GT(finite, elements / 2);
    });
  }
}

TEST(RoundToBf16, EqualsTheScalarRounding) {
  test::on_every_target([] {
    auto x = random_floats(1001, 12, 100);
    x[0] = std::bit_cast<float>(0x3F808000U);  // a tie: goes to even
    x[1] = std::bit_cast<float>(0x3F818000U);  // a tie: goes up to even
    std::vector<std::uint16_t> rounded(x.size());
    round_to_bf16(x.data(), x.size(), rounded.data());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(rounded[i], float_to_bf16(x[i])) << x[i];
    EXPECT_EQ(rounded[0], 0x3F80);
    EXPECT_EQ(rounded[1], 0x3F82);
  });
}

TEST(RopeTable, RotatesPairsOfHalves) {
  RopeTable rope({1.0F, 0.1F});
  rope.cover(0, 4);
  std::vector<float> head = {1, 0, 0, 2};
  rope.rotate(head, 3);
  EXPECT_NEAR(head[0], std::cos(3.0), 1e-6);
  EXPECT_NEAR(head[2], std::sin(3.0), 1e-6);
  EXPECT_NEAR(head[1], -2 * std::sin(0.3), 1e-6);
  EXPECT_NEAR(head[3], 2 * std::cos(0.3), 1e-6);
}

}  // namespace
}  // namespace lieq::kernels
