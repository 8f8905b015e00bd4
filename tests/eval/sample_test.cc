/// Sampling against exact probabilities.

#include "lieq/eval/sample.h"

#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "lieq/eval/generation_config.h"
#include "tests/io/build_files.h"

namespace lieq::eval {
namespace {

using model::TokenId;

/// Logits of the probabilities 0.5, 0.25, 0.15, 0.1 under ids 2, 0, 3, 1.
std::vector<float> example() {
  std::vector<float> logits;
  for (const double p : {0.25, 0.1, 0.5, 0.15}) logits.push_back(static_cast<float>(std::log(p) + 3));
  return logits;
}

std::map<TokenId, double> distribution(const SamplingOptions& options) {
  std::map<TokenId, double> all;
  for (const Candidate& one : candidates(example(), options)) all[one.token] = one.probability;
  return all;
}

void expect_distribution(const SamplingOptions& options, const std::map<TokenId, double>& expected) {
  const auto found = distribution(options);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [token, probability] : expected) EXPECT_NEAR(found.at(token), probability, 1e-6) << token;
}

TEST(Candidates, EveryStepAlone) {
  expect_distribution({.temperature = 1}, {{0, 0.25}, {1, 0.1}, {2, 0.5}, {3, 0.15}});
  expect_distribution({.temperature = 1, .top_k = 2}, {{2, 2. / 3}, {0, 1. / 3}});
  expect_distribution({.temperature = 1, .top_k = 100}, {{0, 0.25}, {1, 0.1}, {2, 0.5}, {3, 0.15}});
  expect_distribution({.temperature = 1, .top_p = 0.7}, {{2, 2. / 3}, {0, 1. / 3}});
  expect_distribution({.temperature = 1, .top_p = 0.8}, {{2, 5. / 9}, {0, 2.5 / 9}, {3, 1.5 / 9}});
  expect_distribution({.temperature = 1, .top_p = 1e-9}, {{2, 1}});
  expect_distribution({.temperature = 1, .min_p = 0.25}, {{2, 5. / 9}, {0, 2.5 / 9}, {3, 1.5 / 9}});
  expect_distribution({.temperature = 1, .min_p = 1}, {{2, 1}});
  const double sum = 0.25 + 0.0625 + 0.0225 + 0.01;  // temperature 1/2 squares the probabilities
  expect_distribution({.temperature = 0.5}, {{2, 0.25 / sum}, {0, 0.0625 / sum}, {3, 0.0225 / sum}, {1, 0.01 / sum}});
}

/// top_p sums the probabilities among what top_k left, and neither it nor min_p sees the temperature.
TEST(Candidates, StepsInOrder) {
  expect_distribution({.temperature = 1, .top_k = 3, .top_p = 0.83}, {{2, 2. / 3}, {0, 1. / 3}});  // 7.5 / 9 = 0.8333
  expect_distribution({.temperature = 0.5, .top_p = 0.7}, {{2, 0.8}, {0, 0.2}});
  expect_distribution({.temperature = 1e6, .min_p = 0.4}, {{2, 0.5}, {0, 0.5}});
}

TEST(Candidates, EqualLogitsFavourTheSmallerId) {
  const auto kept = candidates(std::vector<float>(5, 1.0F), {.temperature = 1, .top_k = 2});
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].token, 0);
  EXPECT_EQ(kept[1].token, 1);
}

/// 20000 draws: each count within five standard deviations of the binomial distribution.
void expect_frequencies(const SamplingOptions& options) {
  constexpr int kDraws = 20000;
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int n = 0; n < kDraws; ++n) {
    std::vector<float> logits = example();
    ++counts[sampler.pick(logits, {})];
  }
  const auto exact = distribution(options);
  for (const auto& [token, count] : counts) ASSERT_TRUE(exact.contains(token)) << token;
  for (const auto& [token, p] : exact)
    EXPECT_NEAR(counts[token], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p)) + 1e-9) << token;
}

TEST(Sampler, DrawsWithTheExactProbabilities) {
  expect_frequencies({.temperature = 1});
  expect_frequencies({.temperature = 0.7});
  expect_frequencies({.temperature = 1.3, .top_k = 3, .top_p = 0.95, .min_p = 0.05});
}

TEST(Sampler, TemperatureZeroTakesTheMostLikely) {
  Sampler sampler({.top_k = 3, .top_p = 0.5});
  for (int n = 0; n < 5; ++n) {
    std::vector<float> logits = example();
    EXPECT_EQ(sampler.pick(logits, {}), 2);
  }
}

TEST(Sampler, TheSeedDecides) {
  const auto draws = [](std::uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<TokenId> tokens;
    for (int n = 0; n < 40; ++n) {
      std::vector<float> logits = example();
      tokens.push_back(sampler.pick(logits, {}));
    }
    return tokens;
  };
  EXPECT_EQ(draws(1), draws(1));
  EXPECT_NE(draws(1), draws(2));
}

TEST(Sampler, RepeatPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  std::vector<float> logits = {2, -1, 1.5, 0.5};
  const std::vector<TokenId> seen = {3, 0, 0, 1};
  Sampler sampler({.repeat_penalty = 2, .repeat_last_n = 3});
  EXPECT_EQ(sampler.pick(logits, seen), 2);
  EXPECT_EQ(logits, (std::vector<float>{1, -2, 1.5, 0.5}));  // 3 lies too far back
}

TEST(GenerationConfig, ANegativeTopKMeansAllTokens) {
  const io::TemporaryFolder folder;
  for (const auto& [top_k, kept] : {std::pair{"-1", 4U}, {"0", 4U}, {"2", 2U}}) {
    folder.write("generation_config.json", std::string(R"({"do_sample": true, "top_k": )") + top_k + "}");
    const auto config = GenerationConfig::load(folder.path());
    ASSERT_TRUE(config) << config.error().message;
    SamplingOptions options = config->sampling();
    EXPECT_EQ(distribution(options).size(), kept) << top_k;
  }
  folder.write("generation_config.json", R"({"top_k": "many"})");
  EXPECT_FALSE(GenerationConfig::load(folder.path()));
}

TEST(SamplingOptions, BadValuesAreRefusedByName) {
  EXPECT_TRUE(check({}));
  EXPECT_TRUE(check({.temperature = 2, .top_k = 40, .top_p = 0.9, .min_p = 0.1, .repeat_penalty = 1.1}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [options, name] : std::vector<std::pair<SamplingOptions, std::string>>{
           {{.temperature = -1}, "temperature"}, {{.temperature = nan}, "temperature"}, {{.top_p = 0}, "top_p"},
           {{.top_p = 1.1}, "top_p"}, {{.top_p = nan}, "top_p"}, {{.min_p = -0.1}, "min_p"}, {{.min_p = 2}, "min_p"},
           {{.repeat_penalty = 0}, "repeat_penalty"}}) {
    const auto checked = check(options);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(checked.error().message.find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace lieq::eval
