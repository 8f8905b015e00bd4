/// The llama3 scaling behind the divisors of a GGUF file is found again, whatever its parameters; others are refused.

#include "lieq/save/rope_scaling.h"

#include <cmath>

#include <gtest/gtest.h>

namespace lieq::save {
namespace {

using model::ModelConfig;
using model::RopeType;

ModelConfig llama(std::size_t head_dim, double theta) {
  ModelConfig config;
  config.head_dim = head_dim;
  config.rope.theta = theta;
  return config;
}

/// What a converter stores: plain frequencies over scaled ones.
ModelConfig with_divisors(ModelConfig config, double factor, double low, double high, double original) {
  const std::vector<float> plain = inverse_frequencies(config.rope, config.head_dim);
  ModelConfig scaled = config;
  scaled.rope.type = RopeType::kLlama3;
  scaled.rope.factor = factor;
  scaled.rope.low_freq_factor = low;
  scaled.rope.high_freq_factor = high;
  scaled.rope.original_max_position_embeddings = original;
  const std::vector<float> frequencies = inverse_frequencies(scaled.rope, scaled.head_dim);
  for (std::size_t j = 0; j < plain.size(); ++j) config.rope.divisors.push_back(plain[j] / frequencies[j]);
  return config;
}

void expect_scaling(const Json& found, double factor, double high, double original) {
  EXPECT_EQ(found.at("rope_type"), "llama3");
  EXPECT_EQ(found.at("factor"), factor);
  EXPECT_EQ(found.at("low_freq_factor"), 1.0);
  EXPECT_EQ(found.at("high_freq_factor"), high);
  EXPECT_EQ(found.at("original_max_position_embeddings"), original);
}

TEST(RopeScaling, NoneAndLinear) {
  ModelConfig config = llama(64, 10000);
  EXPECT_TRUE(rope_scaling(config, "m.gguf").value().is_null());
  config.rope.divisors.assign(32, 1.0F);
  EXPECT_TRUE(rope_scaling(config, "m.gguf").value().is_null());
  config.rope.divisors.clear();
  config.rope.type = RopeType::kLinear;
  config.rope.factor = 4;
  EXPECT_EQ(rope_scaling(config, "m.gguf").value(), (Json{{"rope_type", "linear"}, {"factor", 4.0}}));
}

TEST(RopeScaling, PublishedLlama3) {
  for (const auto& [head_dim, factor] : {std::pair{64U, 32.0}, {128U, 8.0}})
    expect_scaling(rope_scaling(with_divisors(llama(head_dim, 500000), factor, 1, 4, 8192), "m.gguf").value(), factor,
                   4, 8192);
}

TEST(RopeScaling, UnusualBounds) {
  expect_scaling(rope_scaling(with_divisors(llama(128, 500000), 8, 1, 6, 3000), "m.gguf").value(), 8, 6, 3000);
  // The same frequencies as 1, 2 and 2048.
  expect_scaling(rope_scaling(with_divisors(llama(128, 500000), 8, 2, 4, 4096), "m.gguf").value(), 8, 2, 2048);
}

TEST(RopeScaling, FewBlendedFrequencies) {
  expect_scaling(rope_scaling(with_divisors(llama(16, 500000), 8, 1, 4, 8192), "m.gguf").value(), 8, 4, 8192);
}

TEST(RopeScaling, OtherDivisorsAreRefused) {
  ModelConfig config = with_divisors(llama(64, 500000), 32, 1, 4, 8192);
  config.rope.divisors[20] *= 1.001F;
  const auto found = rope_scaling(config, "m.gguf");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(found.error().message.rfind("m.gguf: tensor 'rope_freqs.weight': ", 0), 0U) << found.error().message;
}

}  // namespace
}  // namespace lieq::save
