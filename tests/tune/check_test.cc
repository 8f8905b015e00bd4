#include "lieq/tune/check.h"

#include <gtest/gtest.h>

#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

TEST(Check, TheForwardPassOfTuningIsThatOfInference) {
  Threads threads(2);
  const GoldenModels models(threads);
  const std::span<const model::TokenId> tokens = std::span(models.tokens).first(kSequence);
  EXPECT_TRUE(check_tunable(models.original.config, "model"));
  const auto dense = compare_forward(models.original, tokens, threads);
  EXPECT_TRUE(dense) << dense.error().message;
  const auto packed = compare_forward(models.quantised, tokens, threads);
  EXPECT_TRUE(packed) << packed.error().message;
}

TEST(Check, WhatIsNoNumberIsNotTakenForEqual) {
  Threads threads(2);
  GoldenModels models(threads);
  models.original.layers[1].q_norm[3] = NAN;
  const auto off = compare_forward(models.original, std::span(models.tokens).first(kSequence), threads);
  ASSERT_FALSE(off);
  EXPECT_EQ(off.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(off.error().message.find("layer 1"), std::string::npos) << off.error().message;
}

}  // namespace
}  // namespace lieq::tune
