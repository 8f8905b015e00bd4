#include "lieq/tune/check.h"

#include <functional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

TEST(Check, TheForwardPassOfTuningIsThatOfInference) {
  Threads threads(2);
  Sink sink;
  const GoldenModels models(threads);
  const std::span<const model::TokenId> tokens = std::span(models.tokens).first(kSequence);
  EXPECT_TRUE(check_tunable(models.original));
  const auto dense = compare_forward(models.original, tokens, threads, sink);
  EXPECT_TRUE(dense) << dense.error().message;
  const auto packed = compare_forward(models.quantised, tokens, threads, sink);
  EXPECT_TRUE(packed) << packed.error().message;
}

TEST(Check, FeaturesWithoutAGradientAreNamed) {
  Threads threads(1);
  const auto refusal = [&](const auto& change) {
    GoldenModels models(threads);
    change(models.original);
    const auto made = check_tunable(models.original);
    EXPECT_EQ(made ? ErrorCode::kIo : made.error().code, ErrorCode::kUnsupported);
    return made ? "" : made.error().message;
  };
  EXPECT_NE(refusal([](model::Model& m) { m.layers[1].input_layernorm.clear(); }).find("attention without a norm"),
            std::string::npos);
  EXPECT_NE(refusal([](model::Model& m) { m.layers[0].post_attention_layernorm.clear(); }).find("an MLP without"),
            std::string::npos);
  EXPECT_NE(refusal([](model::Model& m) { m.layers[1].k_norm.assign(32, 1); }).find("norms of k over the whole row"),
            std::string::npos);
  const std::pair<std::string, std::function<void(model::Model&)>> others[] = {
      {"attention without a rotary", [](model::Model& m) { m.layers[1].attention.rotated = false; }},
      {"a norm behind", [](model::Model& m) { m.layers[0].mlp_output_norm.assign(m.config.hidden_size, 1); }},
      {"rotated in part", [](model::Model& m) { m.config.rotary_dim = m.config.head_dim / 2; }},
      {"queries that grow", [](model::Model& m) { m.config.rope.query_growth = 0.1; }},
      {"a scale of attention", [](model::Model& m) { m.config.attention_scale = 0.5F; }},
      {"a multiplier of the residual", [](model::Model& m) { m.config.residual_multiplier = 0.5F; }},
      {"an activation other", [](model::Model& m) { m.config.activation = model::Activation::kGeluTanh; }},
      {"a sliding window", [](model::Model& m) { m.layers[1].attention.window = 16; }},
  };
  for (const auto& [what, change] : others) EXPECT_NE(refusal(change).find(what), std::string::npos) << what;
}

TEST(Check, WhatIsNoNumberIsNotTakenForEqual) {
  Threads threads(2);
  Sink sink;
  GoldenModels models(threads);
  models.original.layers[1].q_norm[3] = NAN;
  const auto off = compare_forward(models.original, std::span(models.tokens).first(kSequence), threads, sink);
  ASSERT_FALSE(off);
  EXPECT_EQ(off.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(off.error().message.find("layer 1"), std::string::npos) << off.error().message;
}

}  // namespace
}  // namespace lieq::tune
