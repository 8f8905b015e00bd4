#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/quantize/awq.h"
#include "lieq/quantize/fit.h"
#include "tests/support/golden.h"

namespace lieq::quantize {
namespace {

using test::GoldenArrays;

/// One case of golden/quant, with H = 2/n XᵀX as there.
struct Case {
  GoldenArrays arrays;
  Json results;
  std::size_t out, in, tokens, group;
  std::vector<float> weight, inputs, hessian;

  explicit Case(const std::string& letter)
      : arrays(test::shared() / "golden/quant" / ("case_" + letter + ".safetensors")),
        results(test::must(read_json(test::shared() / "golden/quant" / ("case_" + letter + ".json")))),
        out(results["out"]), in(results["in"]), tokens(results["tokens"]), group(results["group"]),
        weight(arrays.get<float>("W")), inputs(arrays.get<float>("X")), hessian(in * in) {
    for (std::size_t i = 0; i < in; ++i) {
      for (std::size_t j = 0; j < in; ++j) {
        double sum = 0;
        for (std::size_t t = 0; t < tokens; ++t) sum += static_cast<double>(inputs[t * in + i]) *
            static_cast<double>(inputs[t * in + j]);
        hessian[i * in + j] = static_cast<float>(2 * sum / static_cast<double>(tokens));
      }
    }
  }
  [[nodiscard]] MatrixView<const float> w() const { return {weight.data(), out, in}; }
  [[nodiscard]] MatrixView<const float> h() const { return {hessian.data(), in, in}; }
};

FitRules classic_rules(const Case& c, unsigned bits, MinMax convention) {
  FitRules rules;
  rules.grid = {bits, convention == MinMax::kSymmetric ? Grid::kSym : Grid::kAsym, false};
  rules.group_size = c.group;
  rules.range = Range::kMinMax;
  rules.convention = convention;
  rules.sweeps = 0;
  return rules;
}

class GoldenQuant : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { LIEQ_NEEDS_SHARED("golden/quant"); }
  Threads threads_{2};
};

TEST_P(GoldenQuant, RoundsToNearestLikeTheFormulas) {
  const Case c(GetParam());
  for (const auto& [letter, convention] : {std::pair{"A", MinMax::kWithZero}, {"B", MinMax::kPlain},
                                           {"C", MinMax::kSymmetric}}) {
    for (const unsigned bits : {2U, 3U, 4U}) {
      const std::string key = "rtn." + std::string(letter) + std::to_string(bits);
      SCOPED_TRACE(key);
      const Fitted fitted = rtn(threads_, c.w(), classic_rules(c, bits, convention));
      const auto codes = c.arrays.get<std::uint8_t>(key + ".codes");
      const auto zeros = c.arrays.get<std::uint8_t>(key + ".zeros");
      const auto scales = c.arrays.get<float>(key + ".scales");
      std::size_t different = 0;
      for (std::size_t k = 0; k < codes.size(); ++k) different += codes[k] != fitted.codes[k];
      const Json& golden = c.results["rtn"][key.substr(4)];
      EXPECT_LE(different, golden["near_ties"].get<std::size_t>());
      for (std::size_t k = 0; k < scales.size(); ++k) {
        EXPECT_NEAR(fitted.scales[k], scales[k], 1e-6F * scales[k]);
        EXPECT_EQ(fitted.zeros[k], static_cast<float>(zeros[k]));
      }
      if (different > 0) continue;
      const double loss = golden["proxy_loss"];
      EXPECT_NEAR(quadratic_loss(threads_, c.w(), fitted, c.h()), loss, 1e-3 * loss);
    }
  }
}

TEST_P(GoldenQuant, FeedsErrorsBackLikeGptq) {
  const Case c(GetParam());
  // The golden numbers give dead columns a diagonal of 1 and weights of 0; ours would be the mean.
  std::vector<float> hessian = c.hessian, weight = c.weight;
  for (const std::size_t j : c.results["dead_columns"].get<std::vector<std::size_t>>()) {
    hessian[j * c.in + j] = 1;
    for (std::size_t i = 0; i < c.out; ++i) weight[i * c.in + j] = 0;
  }
  const MatrixView<const float> w(weight.data(), c.out, c.in);
  const Quadratic quadratic = test::must(Quadratic::create(threads_, std::move(hessian), 0.01));
  for (const auto& [suffix, order] : {std::pair{"_seq", ActOrder::kNone}, {"_act", ActOrder::kDynamic},
                                      {"_act_static", ActOrder::kStatic}}) {
    for (const unsigned bits : {2U, 3U, 4U}) {
      const std::string key = std::string("A").append(std::to_string(bits)).append(suffix);
      if (!c.results["gptq"].contains(key)) continue;
      SCOPED_TRACE(key);
      FitRules rules = classic_rules(c, bits, MinMax::kWithZero);
      rules.act_order = order;
      const Fitted fitted = test::must(gptq(threads_, w, quadratic, rules));
      const double loss = quadratic_loss(threads_, w, fitted, c.h());
      const double golden = c.results["gptq"][key]["proxy_loss"];
      EXPECT_LE(loss, 1.01 * golden);
      const auto codes = c.arrays.get<std::uint8_t>("gptq." + key + ".codes");
      std::size_t different = 0;
      for (std::size_t k = 0; k < codes.size(); ++k) different += codes[k] != fitted.codes[k];
      EXPECT_LE(different, codes.size() / 100);  // float32 may flip single codes, whose errors then spread

      rules.range = Range::kSearch;
      rules.grid = {bits, Grid::kAsym, true};
      rules.sweeps = 4;
      EXPECT_LT(quadratic_loss(threads_, w, test::must(gptq(threads_, w, quadratic, rules)), c.h()),
                golden) << "the recipe";
    }
  }
}

TEST_P(GoldenQuant, SearchesTheScalesOfAwq) {
  const Case c(GetParam());
  std::vector<float> magnitude(c.in);
  for (std::size_t j = 0; j < c.in; ++j) {
    double sum = 0;
    for (std::size_t t = 0; t < c.tokens; ++t) sum += std::fabs(static_cast<double>(c.inputs[t * c.in + j]));
    magnitude[j] = static_cast<float>(sum / static_cast<double>(c.tokens));
  }
  const MatrixView<const float> weights[] = {c.w()};
  std::size_t compared = 0;
  for (const auto& [key, golden] : c.results["awq"].items()) {
    SCOPED_TRACE(key);
    const FitRules rules = classic_rules(c, static_cast<unsigned>(key[1] - '0'),
                                         key[0] == 'A' ? MinMax::kWithZero : MinMax::kPlain);
    const AwqScales found = awq_scales(threads_, weights, magnitude, c.h(), rules, key.ends_with("_duo"));
    const std::vector<double> losses = golden["grid_losses"];
    ASSERT_EQ(found.losses.size(), losses.size());
    std::size_t close = 0;
    for (std::size_t k = 0; k < losses.size(); ++k) {
      const double loss = found.losses[k] / 2 / static_cast<double>(c.out);  // there a mean over tokens and outputs
      close += std::fabs(loss - losses[k]) <= 1e-4 * losses[k];
      EXPECT_NEAR(loss, losses[k], 2e-3 * losses[k]) << "r = " << k << "/20";
    }
    EXPECT_GE(close + 1, losses.size());  // float32 may round one tie of one candidate the other way
    EXPECT_EQ(found.best, golden["best_index"].get<std::size_t>());
    ++compared;
  }
  EXPECT_GT(compared, 0U);
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenQuant, ::testing::Values("a", "b", "c", "d"));

}  // namespace
}  // namespace lieq::quantize
