#include "lieq/kernels/linear.h"

#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/targets.h"

namespace lieq::kernels {
namespace {

constexpr double kEpsilon = 0x1p-23;

struct Problem {
  std::vector<float> x, w, bias;
  std::vector<std::byte> stored;
  pack::StoredMatrix matrix;
  std::size_t tokens, out, in;

  Problem(std::size_t t, std::size_t o, std::size_t i, DType type, std::size_t misalign = 0)
      : tokens(t), out(o), in(i) {
    std::mt19937 random(static_cast<unsigned>(t * 1000003 + o * 1009 + i));
    std::normal_distribution<float> normal;
    x.resize(t * i);
    w.resize(o * i);
    bias.resize(o);
    for (auto* values : {&x, &w, &bias})
      for (float& v : *values) v = normal(random);
    stored.resize(o * i * block_bytes(type) + misalign);
    for (std::size_t k = 0; k < w.size(); ++k) {
      std::byte* target = stored.data() + misalign + k * block_bytes(type);
      if (type == DType::kF32) {
        std::memcpy(target, &w[k], 4);
        continue;
      }
      const std::uint16_t bits = type == DType::kF16 ? float_to_f16(w[k]) : float_to_bf16(w[k]);
      w[k] = type == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
      std::memcpy(target, &bits, 2);
    }
    matrix = {"w", type, o, i, stored.data() + misalign, 0, nullptr};
  }

  std::vector<float> run(std::size_t threads, Arithmetic compute) {
    Threads team(threads);
    LinearScratch scratch;
    std::vector<float> y(tokens * out);
    linear(team, matrix, bias, {x.data(), tokens, in}, compute, scratch, {y.data(), tokens, out});
    return y;
  }

  /// `unit`: relative size of one rounding of an operand.
  void expect_close(const std::vector<float>& y, double unit) const {
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t o = 0; o < out; ++o) {
        double exact = static_cast<double>(bias[o]), magnitude = std::abs(exact);
        for (std::size_t i = 0; i < in; ++i) {
          const double product = static_cast<double>(x[t * in + i]) * static_cast<double>(w[o * in + i]);
          exact += product;
          magnitude += std::abs(product);
        }
        ASSERT_NEAR(y[t * out + o], exact, (static_cast<double>(in + 1) * kEpsilon + unit) * magnitude)
            << t << ", " << o;
      }
    }
  }
};

TEST(Linear, EqualsTheExactProductForOddShapes) {
  test::on_every_target([] {
    for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const auto& [t, o, i] :
           {std::tuple{1, 1, 1}, {3, 17, 33}, {4, 64, 64}, {5, 31, 576}, {7, 300, 96}, {70, 5, 130}}) {
        for (const std::size_t misalign : {0U, 1U}) {
          Problem p(static_cast<std::size_t>(t), static_cast<std::size_t>(o), static_cast<std::size_t>(i), type,
                    misalign);
          p.expect_close(p.run(2, Compute::kF32), 0);
        }
      }
    }
  });
}

TEST(Linear, BrainFloatRoundsOperandsOnly) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::size_t tokens : {2U, 40U}) {
      Problem p(tokens, 48, 96, type);
      // Each operand is off by at most 2^-9 of itself.
      p.expect_close(p.run(2, Compute::kBF16), 2 * 0x1p-9 + 0x1p-18);
      EXPECT_NE(p.run(2, Compute::kBF16), p.run(2, Compute::kF32));
    }
  }
}

TEST(Linear, IsTheSameForAnyThreadCount) {
  for (const std::size_t tokens : {1U, 9U, 600U}) {
    Problem p(tokens, 530, 64, DType::kF16);
    const auto one = p.run(1, Compute::kF32);
    EXPECT_EQ(p.run(2, Compute::kF32), one);
    EXPECT_EQ(p.run(5, Compute::kF32), one);
  }
}

TEST(Linear, RowsAloneDependOnNothingElse) {
  test::on_every_target([] {
    for (const DType type : {DType::kF32, DType::kBF16}) {
      for (const std::size_t in : {64U, 100U, 7U}) {
        Problem many(13, 37, in, type);
        const auto expected = many.run(2, Arithmetic(Compute::kF32, true));
        many.expect_close(expected, 0);
        for (std::size_t t = 0; t < many.tokens; ++t) {
          Threads team(1);
          LinearScratch scratch;
          std::vector<float> y(many.out);
          linear(team, many.matrix, many.bias, {many.x.data() + t * in, 1, in}, Arithmetic(Compute::kF32, true),
                 scratch, {y.data(), 1, many.out});
          EXPECT_TRUE(std::equal(y.begin(), y.end(), expected.begin() + static_cast<std::ptrdiff_t>(t * many.out)))
              << t;
        }
      }
    }
  });
}

TEST(Linear, SlabsLargerThanOneGiveTheSameRows) {
  // More rows than one slab holds, so that the seam is crossed.
  const std::size_t in = 1 << 15, out = slab_rows(in) + 19;
  Problem p(5, out, in, DType::kBF16);
  p.expect_close(p.run(2, Compute::kF32), 0);
}

TEST(Linear, InterleavedRowsComeOutInHalves) {
  Problem p(4, 8, 16, DType::kF32);
  const auto plain = p.run(1, Compute::kF32);
  p.bias.assign(8, 0);
  const auto unbiased = p.run(1, Compute::kF32);
  p.matrix.interleaved_head_dim = 4;
  const auto halves = p.run(1, Compute::kF32);
  // Head of 4: logical rows 0 1 2 3 are stored as 0 2 1 3.
  const std::size_t stored[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (std::size_t t = 0; t < 4; ++t)
    for (std::size_t o = 0; o < 8; ++o) EXPECT_EQ(halves[t * 8 + o], unbiased[t * 8 + stored[o]]);
}

}  // namespace
}  // namespace lieq::kernels
