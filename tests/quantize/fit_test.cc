#include "lieq/quantize/fit.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/quantize/gains.h"
#include "lieq/quantize/shared_fit.h"
#include "tests/support/golden.h"

namespace lieq::quantize {
namespace {

/// Correlated inputs and normal weights.
struct Problem {
  std::size_t out, in;
  std::vector<float> weight, inputs, hessian;

  Problem(std::size_t rows, std::size_t cols, std::size_t tokens)
      : out(rows), in(cols), weight(out * in), inputs(tokens * in), hessian(in * in) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (float& w : weight) w = 0.05F * normal(random);
    for (std::size_t t = 0; t < tokens; ++t) {
      const float common = normal(random);
      for (std::size_t j = 0; j < in; ++j) inputs[t * in + j] = normal(random) * (j % 17 == 3 ? 5.0F : 1.0F) + common;
    }
    for (std::size_t i = 0; i < in; ++i) {
      for (std::size_t j = 0; j < in; ++j) {
        double sum = 0;
        for (std::size_t t = 0; t < tokens; ++t)
          sum += static_cast<double>(inputs[t * in + i]) * static_cast<double>(inputs[t * in + j]);
        hessian[i * in + j] = static_cast<float>(sum / static_cast<double>(tokens));
      }
    }
  }
  [[nodiscard]] MatrixView<const float> w() const { return {weight.data(), out, in}; }
};

FitRules rules_for(unsigned bits, Grid grid, std::size_t group_size, std::size_t sweeps) {
  FitRules rules;
  rules.grid = {bits, grid, true};
  rules.group_size = group_size;
  rules.sweeps = sweeps;
  return rules;
}

TEST(Quadratic, FactorMultipliesBackAndSolves) {
  const Problem p(7, 150, 400);
  Threads threads(2);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
  double mean = 0;
  for (std::size_t j = 0; j < p.in; ++j)
    mean += static_cast<double>(p.hessian[j * p.in + j]) / static_cast<double>(p.in);
  const Factor f = q.factor(0, p.in);
  for (std::size_t i = 0; i < p.in; i += 7) {
    for (std::size_t j = 0; j < p.in; ++j) {
      double sum = 0;  // (Lᵀ D² L)[i][j]
      for (std::size_t k = std::max(i, j); k < p.in; ++k)
        sum += static_cast<double>(f.lower[k * p.in + i]) * std::pow(static_cast<double>(f.diagonal[k]), 2) *
               static_cast<double>(f.lower[k * p.in + j]);
      ASSERT_NEAR(sum, static_cast<double>(p.hessian[i * p.in + j]) + (i == j ? 0.01 * mean : 0), 1e-4)
          << i << ", " << j;
    }
  }
  std::vector<float> x = p.weight;  // solve(W H) = W
  for (std::size_t i = 0; i < p.out; ++i) {
    for (std::size_t j = 0; j < p.in; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < p.in; ++k)
        sum += static_cast<double>(p.weight[i * p.in + k]) * static_cast<double>(q.hessian()(k, j));
      x[i * p.in + j] = static_cast<float>(sum);
    }
  }
  q.solve(threads, {x.data(), p.out, p.in});
  for (std::size_t k = 0; k < x.size(); ++k) ASSERT_NEAR(x[k], p.weight[k], 1e-4) << k;
}

TEST(Quadratic, RefusesASingularHessian) {
  const Problem p(4, 64, 20);  // fewer tokens than inputs
  Threads threads(1);
  EXPECT_TRUE(Quadratic::create(threads, p.hessian, 0.01));
  const auto undamped = Quadratic::create(threads, p.hessian, 0);
  ASSERT_FALSE(undamped);
  EXPECT_EQ(undamped.error().code, ErrorCode::kNumerical);
  std::vector<float> bad = p.hessian;
  bad[70] = NAN;
  EXPECT_FALSE(Quadratic::create(threads, bad, 0.01));
}

TEST(Gptq, EachStepOfTheRecipeLowersTheLoss) {
  const Problem p(96, 192, 500);
  Threads threads(2);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
  const auto loss = [&](const FitRules& rules) {
    return quadratic_loss(threads, p.w(), test::must(gptq(threads, p.w(), q, rules)), q.hessian());
  };
  FitRules min_max = rules_for(2, Grid::kAsym, 64, 0);
  min_max.range = Range::kMinMax;
  const double searched = loss(rules_for(2, Grid::kAsym, 64, 0)), half = loss(rules_for(2, Grid::kHalf, 64, 0));
  EXPECT_LT(searched, 0.5 * loss(min_max));
  EXPECT_LT(half, 0.95 * searched);
  EXPECT_LT(loss(rules_for(2, Grid::kHalf, 64, 4)), 0.95 * half);
  EXPECT_LT(loss(rules_for(3, Grid::kHalf, 64, 4)), 0.4 * half);
  EXPECT_LT(loss(rules_for(2, Grid::kSkew, 64, 0)), loss(rules_for(2, Grid::kSym, 64, 0)));
}

TEST(Gptq, ReadsBackWhatItFitted) {
  const Problem p(50, 128, 300);  // rows that fill no tile
  Threads threads(2);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
  for (const unsigned bits : {2U, 3U, 4U, 8U}) {
    for (const Grid grid : {Grid::kSym, Grid::kSkew, Grid::kAsym, Grid::kHalf}) {
      for (const std::size_t group : {32U, 128U}) {
        const Fitted fitted = test::must(gptq(threads, p.w(), q, rules_for(bits, grid, group, 2)));
        const pack::QuantizedMatrix m = to_quantized(fitted, grid);
        const auto top = (1U << bits) - 1;
        std::vector<float> row(p.in);
        for (std::size_t i = 0; i < p.out; ++i) {
          dequantize_row(m, i, row.data());
          for (std::size_t j = 0; j < p.in; ++j) ASSERT_EQ(row[j], fitted.weight(i, j));
        }
        for (const std::uint8_t code : m.codes) ASSERT_LE(code, top);
        for (const unsigned twice : m.double_zeros) {
          const bool allowed = grid == Grid::kSym    ? twice == top + 1
                               : grid == Grid::kSkew ? twice == top + 1 || twice == top - 1
                               : grid == Grid::kAsym
                                   ? twice % 2 == 0 && twice <= 2 * top
                                   : twice >= 1 && twice <= 2 * top - 1 && (twice % 2 == 0 || twice <= top + 1);
          ASSERT_TRUE(allowed) << twice;
        }
      }
    }
  }
}

TEST(Gptq, GivesTheSameBytesForAnyThreadCount) {
  const Problem p(100, 192, 400);
  std::vector<pack::QuantizedMatrix> results;
  for (const std::size_t count : {1U, 3U}) {
    Threads threads(count);
    const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
    results.push_back(to_quantized(test::must(gptq(threads, p.w(), q, rules_for(2, Grid::kHalf, 64, 2))), Grid::kHalf));
  }
  EXPECT_EQ(results[0].codes, results[1].codes);
  EXPECT_EQ(results[0].scales, results[1].scales);
  EXPECT_EQ(results[0].double_zeros, results[1].double_zeros);
}

TEST(Gptq, TakesWholeRowsAndWideGroups) {
  const Problem p(20, 512, 700);
  Threads threads(2);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
  double before = 1e30;
  for (const std::size_t group : {512U, 256U, 64U}) {
    const double loss = quadratic_loss(
        threads, p.w(), test::must(gptq(threads, p.w(), q, rules_for(3, Grid::kHalf, group, 2))), q.hessian());
    EXPECT_LT(loss, before) << "groups of " << group;
    before = loss;
  }
}

TEST(Gptq, PutsDeadColumnsAtTheZeroPoint) {
  Problem p(16, 64, 200);
  for (std::size_t j = 0; j < p.in; ++j) p.hessian[5 * p.in + j] = p.hessian[j * p.in + 5] = 0;
  Threads threads(1);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
  EXPECT_TRUE(q.is_dead(5));
  const Fitted fitted = test::must(gptq(threads, p.w(), q, rules_for(4, Grid::kAsym, 64, 2)));
  for (std::size_t i = 0; i < p.out; ++i) EXPECT_EQ(fitted.weight(i, 5), 0.0F);
}

TEST(Rtn, IsWithinHalfAStepInsideTheRange) {
  Problem p(33, 96, 10);
  for (std::size_t j = 0; j < 32; ++j) {  // groups of one sign, and of zeros
    p.weight[j] = std::fabs(p.weight[j]);
    p.weight[p.in + j] = -std::fabs(p.weight[p.in + j]);
    p.weight[2 * p.in + j] = 0;
  }
  Threads threads(2);
  for (const Grid grid : {Grid::kAsym, Grid::kSkew, Grid::kHalf}) {
    for (const unsigned bits : {2U, 3U, 4U, 8U}) {
      FitRules rules = rules_for(bits, grid, 32, 0);
      rules.range = Range::kMinMax;
      const Fitted fitted = rtn(threads, p.w(), rules);
      const float middle = 0.5F * (rules.grid.top() + 1);
      for (std::size_t i = 0; i < p.out; ++i) {
        for (std::size_t j = 0; j < p.in; ++j) {
          // Half a step, half a step for the rounded zero point, and what rounding the scale to half moves the ends by.
          const float scale = fitted.scales[i * 3 + j / 32], zero = fitted.zeros[i * 3 + j / 32];
          ASSERT_LE(std::fabs(fitted.weight(i, j) - p.weight[i * p.in + j]), scale * (1 + rules.grid.top() * 0x1p-11F));
          const bool is_skew = zero == middle || zero == middle - 1;
          const bool is_half = zero >= 0.5F && zero <= rules.grid.top() - 0.5F && std::fmod(2 * zero, 1) == 0;
          ASSERT_TRUE(grid == Grid::kAsym || (grid == Grid::kSkew ? is_skew : is_half)) << zero;
        }
      }
    }
  }
}

TEST(Gains, NeverRaiseTheLoss) {
  const Problem p(64, 128, 400);
  Threads threads(2);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0.01));
  const Fitted fitted = test::must(gptq(threads, p.w(), q, rules_for(2, Grid::kHalf, 64, 0)));
  const AnyFitted any = fitted;
  const FittedLinear linear{p.w(), &any};
  const auto loss_with = [&](const std::vector<float>& gains, std::size_t shared) {
    std::vector<float> error(p.weight);
    for (std::size_t i = 0; i < p.out; ++i)
      for (std::size_t j = 0; j < p.in; ++j) error[i * p.in + j] -= fitted.weight(i, j) * gains[j / shared];
    return quadratic_energy(threads, {error.data(), p.out, p.in}, q.hessian());
  };
  const double before = loss_with(std::vector<float>(p.in, 1.0F), 1);
  const double each = loss_with(test::must(refit_gains(threads, {&linear, 1}, q, {}, p.in)), 1);
  std::vector<std::size_t> pairs;
  for (std::size_t j = 0; j < p.in; ++j) pairs.push_back(j / 2);
  const double paired = loss_with(test::must(refit_gains(threads, {&linear, 1}, q, pairs, p.in / 2)), 2);
  EXPECT_LT(each, before);
  EXPECT_LT(paired, before);
  EXPECT_LE(each, paired);
}

TEST(SharedFit, FallsBackToRtnOnlyWhenAllowed) {
  const Problem p(32, 64, 10);
  Threads threads(1);
  Sink sink;
  Options options;
  options.damping = 0;
  const MatrixView<const float> weights[] = {p.w()};
  const unsigned bits[] = {2};
  const auto fit = [&] {
    return fit_shared(threads, weights, {p.hessian, {}, {}, false}, {}, options, bits, "layer 3: o_proj", sink);
  };
  const auto refused = fit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNumerical);
  EXPECT_EQ(refused.error().message.rfind("layer 3: o_proj: ", 0), 0U) << refused.error().message;
  options.on_singular = OnSingular::kRtn;
  const SharedFit fallen = test::must(fit());
  EXPECT_TRUE(fallen.reports[0].fell_back_to_rtn);
  EXPECT_EQ(std::get<Fitted>(fallen.fitted[0]).codes, rtn(threads, p.w(), fit_rules(options, 2, p.in)).codes);
}

TEST(SharedFit, CorrectedTargetUndoesAKnownChangeOfInputs) {
  // Inputs scaled by 0.8 in every channel: without damping the target is W / 0.8.
  const Problem p(8, 48, 300);
  Threads threads(2);
  const Quadratic q = test::must(Quadratic::create(threads, p.hessian, 0));
  InputStatistics statistics;
  for (const float h : p.hessian) statistics.cross.push_back(0.25F * h);  // (X / 0.8 - X)ᵀ X
  const std::vector<float> target = corrected_target(threads, p.w(), 0, statistics, q, 1);
  for (std::size_t k = 0; k < target.size(); ++k) ASSERT_NEAR(target[k], 1.25F * p.weight[k], 1e-4F);
}

TEST(CheckOptions, NamesWhatDoesNotFit) {
  Options options;
  options.group_size = 48;
  const auto result = check_options(options, 2, 64, "layer 0: q_proj");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "layer 0: q_proj: group_size: found 48, expected a divisor of its 64 inputs");
  EXPECT_FALSE(check_options({}, 5, 64, "p"));
  EXPECT_FALSE(grid_from_name("odd"));
  EXPECT_EQ(test::must(grid_from_name("half")), Grid::kHalf);
}

}  // namespace
}  // namespace lieq::quantize
