#include "lieq/quantize/k_fit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/pack/decode.h"
#include "tests/support/golden.h"

namespace lieq::quantize {
namespace {

/// Correlated inputs of unlike sizes, and weights with a few large ones.
struct Problem {
  std::size_t out, in;
  std::vector<float> weight, hessian;

  Problem(std::size_t rows, std::size_t cols) : out(rows), in(cols), weight(out * in), hessian(in * in) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (float& w : weight) w = 0.05F * normal(random) * (random() % 64 == 0 ? 4.0F : 1.0F);
    std::vector<float> x(in);
    for (int t = 0; t < 700; ++t) {
      const float common = normal(random);
      for (std::size_t j = 0; j < in; ++j) x[j] = (normal(random) + 0.5F * common) * (j % 17 == 3 ? 5.0F : 1.0F);
      for (std::size_t i = 0; i < in; ++i)
        for (std::size_t j = 0; j < in; ++j) hessian[i * in + j] += x[i] * x[j] / 700;
    }
  }
  [[nodiscard]] MatrixView<const float> w() const { return {weight.data(), out, in}; }
};

double loss_of(Threads& threads, const Problem& p, const Quadratic& q, const KFitted& fitted) {
  return quadratic_loss(threads, p.w(), AnyFitted(fitted), q.hessian());
}

/// Plain search: the real steps of min-max for each sub-block, rounded to multiples of the largest ones.
KFitted plain(const Problem& p, const pack::KForm& form) {
  KFitted fitted(form, p.out, p.in);
  const auto top = static_cast<float>(form.top()), zero = static_cast<float>(form.zero);
  for (std::size_t b = 0; b < p.out * fitted.blocks(); ++b) {
    float steps[16] = {}, minima[16] = {}, largest = 0, largest_minimum = 0;
    for (std::size_t s = 0; s < form.sub_blocks(); ++s) {
      float lo = 0, hi = 0;
      for (std::size_t k = 0; k < form.sub_size; ++k) {
        lo = std::min(lo, p.weight[b * 256 + s * form.sub_size + k]);
        hi = std::max(hi, p.weight[b * 256 + s * form.sub_size + k]);
      }
      steps[s] = form.has_minima() ? (hi - lo) / top : std::max(hi / (top - zero), -lo / zero);
      minima[s] = -lo;
      largest = std::max(largest, steps[s]);
      largest_minimum = std::max(largest_minimum, minima[s]);
    }
    const float d = fitted.d[b] = f16_to_float(float_to_f16(largest / static_cast<float>(form.largest_scale)));
    if (form.has_minima())
      fitted.dmin[b] = f16_to_float(float_to_f16(largest_minimum / static_cast<float>(form.largest_minimum)));
    for (std::size_t s = 0; s < form.sub_blocks(); ++s) {
      const std::size_t at = b * form.sub_blocks() + s;
      const float scale = std::min(std::nearbyint(steps[s] / d), static_cast<float>(form.largest_scale));
      const auto most = static_cast<float>(form.largest_minimum);
      const float minimum = form.has_minima() ? std::min(std::nearbyint(minima[s] / fitted.dmin[b]), most) : 0;
      fitted.scales[at] = static_cast<std::int8_t>(scale);
      fitted.minima[at] = static_cast<std::uint8_t>(minimum);
      const float step = d * scale, shift = form.has_minima() ? fitted.dmin[b] * minimum : zero * step;
      for (std::size_t k = 0; k < form.sub_size; ++k) {
        const std::size_t j = b * 256 + s * form.sub_size + k;
        const float code = step == 0 ? 0 : std::nearbyint((p.weight[j] + shift) / step);
        fitted.codes[j] = static_cast<std::uint8_t>(std::clamp(code, 0.0F, top));
      }
    }
  }
  return fitted;
}

class KFit : public ::testing::TestWithParam<unsigned> {
 protected:
  const pack::KForm& form_ = pack::k_form(GetParam());
  Threads threads_{2};
};

TEST_P(KFit, NumbersStayOnTheGrid) {
  const Problem p(19, 512);
  const Quadratic q = test::must(Quadratic::create(threads_, p.hessian, 0.01));
  const KFitted fitted = k_gptq(threads_, p.w(), q, form_, 1);
  for (const std::uint8_t code : fitted.codes) ASSERT_LE(code, form_.top());
  for (const std::int8_t scale : fitted.scales) {
    ASSERT_GE(scale, form_.least_scale);
    ASSERT_LE(scale, form_.largest_scale);
  }
  for (const std::uint8_t minimum : fitted.minima) ASSERT_LE(minimum, form_.largest_minimum);
  for (const float d : fitted.d) ASSERT_EQ(d, f16_to_float(float_to_f16(d)));
  for (const float dmin : fitted.dmin) ASSERT_EQ(dmin, f16_to_float(float_to_f16(dmin)));
}

TEST_P(KFit, BlocksDecodeToTheFittedWeights) {
  const Problem p(19, 512);
  const Quadratic q = test::must(Quadratic::create(threads_, p.hessian, 0.01));
  const KFitted fitted = k_gptq(threads_, p.w(), q, form_, 1);
  const pack::BlockMatrix blocks = to_blocks(fitted);
  std::vector<float> row(p.in);
  for (std::size_t i = 0; i < p.out; ++i) {
    pack::decode(blocks.type, blocks.bytes.data() + i * blocks.row_bytes(), p.in, row.data());
    for (std::size_t j = 0; j < p.in; ++j)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(row[j]), std::bit_cast<std::uint32_t>(fitted.weight(i, j)))
          << i << ' ' << j;
  }
}

TEST_P(KFit, RoundingToNearestBeatsPlainSearch) {
  const Problem p(32, 512);
  const auto squares = [&](const KFitted& fitted, const std::vector<float>& importance) {
    double sum = 0;
    for (std::size_t i = 0; i < p.out; ++i)
      for (std::size_t j = 0; j < p.in; ++j) {
        const auto error = static_cast<double>(p.weight[i * p.in + j] - fitted.weight(i, j));
        sum += (importance.empty() ? 1 : static_cast<double>(importance[j])) * error * error;
      }
    return sum;
  };
  std::vector<float> diagonal(p.in);
  for (std::size_t j = 0; j < p.in; ++j) diagonal[j] = p.hessian[j * p.in + j];
  const KFitted even = k_rtn(threads_, p.w(), form_, {}), weighted = k_rtn(threads_, p.w(), form_, diagonal);
  EXPECT_LT(squares(even, {}), squares(plain(p, form_), {}));
  EXPECT_LT(squares(weighted, diagonal), squares(even, diagonal));
}

TEST_P(KFit, EachStepLowersTheLoss) {
  const Problem p(48, 768);
  const Quadratic q = test::must(Quadratic::create(threads_, p.hessian, 0.01));
  std::vector<float> diagonal(p.in);
  for (std::size_t j = 0; j < p.in; ++j) diagonal[j] = p.hessian[j * p.in + j];
  const double weighted = loss_of(threads_, p, q, k_rtn(threads_, p.w(), form_, diagonal));
  double before = loss_of(threads_, p, q, k_gptq(threads_, p.w(), q, form_, 0));
  EXPECT_LT(before, 0.9 * weighted);
  EXPECT_LT(weighted, loss_of(threads_, p, q, plain(p, form_)));
  for (std::size_t sweeps = 1; sweeps <= 3; ++sweeps) {
    const double after = loss_of(threads_, p, q, k_gptq(threads_, p.w(), q, form_, sweeps));
    EXPECT_LT(after, before * (sweeps == 1 ? 0.97 : 1)) << sweeps;
    before = after;
  }
}

TEST_P(KFit, DescentFromAnywhereNeverRaisesTheLoss) {
  const Problem p(48, 512);
  const Quadratic q = test::must(Quadratic::create(threads_, p.hessian, 0.01));
  KFitted fitted = plain(p, form_);
  double before = loss_of(threads_, p, q, fitted);
  for (int round = 0; round < 4; ++round) {
    k_descend(threads_, p.w(), q, 1, fitted);
    const double after = loss_of(threads_, p, q, fitted);
    EXPECT_LT(after, before * (1 + 1e-6)) << round;
    before = after;
  }
  EXPECT_LT(before, 0.8 * loss_of(threads_, p, q, plain(p, form_)));
}

TEST_P(KFit, GivesTheSameBytesForAnyThreadCount) {
  const Problem p(100, 512);
  Threads one(1), three(3);
  const Quadratic q = test::must(Quadratic::create(one, p.hessian, 0.01));
  const auto bytes = to_blocks(k_gptq(one, p.w(), q, form_, 2)).bytes;
  EXPECT_EQ(bytes, to_blocks(k_gptq(three, p.w(), q, form_, 2)).bytes);
  EXPECT_EQ(to_blocks(k_rtn(one, p.w(), form_, {})).bytes, to_blocks(k_rtn(three, p.w(), form_, {})).bytes);
}

TEST_P(KFit, HoldsWhatLiesOnTheGrid) {
  Problem p(3, 256);
  // Sub-block s of row i: steps of (s % 7 + 1) / 1024, weights of both signs at codes that reach the ends.
  for (std::size_t i = 0; i < p.out; ++i) {
    for (std::size_t k = 0; k < p.in; ++k) {
      const float step = static_cast<float>(k / form_.sub_size % 7 + 1) / 1024;
      const auto code = static_cast<int>((k * 5 + i) % static_cast<std::size_t>(form_.top() + 1));
      p.weight[i * p.in + k] = step * static_cast<float>(code - form_.top() / 2 - 1);
    }
  }
  const Quadratic q = test::must(Quadratic::create(threads_, p.hessian, 0.01));
  const double energy = quadratic_energy(threads_, p.w(), q.hessian());
  EXPECT_LT(loss_of(threads_, p, q, k_gptq(threads_, p.w(), q, form_, 3)), 2e-3 * energy);
}

TEST_P(KFit, RowsAndColumnsOfZerosStayZero) {
  Problem p(17, 256);
  for (std::size_t j = 0; j < p.in; ++j) p.weight[5 * p.in + j] = 0;
  const KFitted fitted = k_rtn(threads_, p.w(), form_, {});
  for (std::size_t j = 0; j < p.in; ++j) ASSERT_EQ(fitted.weight(5, j), 0) << j;
}

INSTANTIATE_TEST_SUITE_P(Widths, KFit, ::testing::Values(2U, 3U, 4U));

TEST(KGrid, OptionsNameItAndRefuseWhatItCannotHold) {
  for (const char* name : {"k", "q2_k", "q3_k", "q4_k"}) EXPECT_EQ(test::must(grid_from_name(name)), Grid::kK);
  EXPECT_EQ(width_of_grid("q3_k"), 3U);
  EXPECT_EQ(width_of_grid("k"), std::nullopt);
  Options options;
  options.grid = Grid::kK;
  const auto problem = [&](unsigned bits, std::size_t cols) {
    const auto checked = check_options(options, bits, cols, "here");
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(problem(2, 1536), "");
  EXPECT_EQ(problem(4, 8960), "");
  EXPECT_EQ(problem(2, 576),
            "here: grid k: found 576 inputs, expected a multiple of 256; grid half or skew with group_size 64 fits");
  EXPECT_EQ(problem(2, 896 + 32),
            "here: grid k: found 928 inputs, expected a multiple of 256; grid half or skew with group_size 32 fits");
  EXPECT_EQ(problem(8, 512), "here: grid k: found 8 bits, expected 2, 3 or 4 (Q2_K, Q3_K, Q4_K)");
  options.act_order = ActOrder::kStatic;
  EXPECT_NE(problem(2, 512).find("act_order"), std::string::npos);
  options = {};
  options.compare_grid = Grid::kK;
  EXPECT_NE(problem(2, 512).find("compare_grid"), std::string::npos);
}

}  // namespace
}  // namespace lieq::quantize
