#include "lieq/pipeline/run_memory.h"

#include <gtest/gtest.h>

#include "lieq/pipeline/recipe.h"

namespace lieq::pipeline {
namespace {

/// The shape of a model, without weights.
model::Model shape_of(std::size_t hidden, std::size_t inner, std::size_t vocab) {
  model::Model model;
  model.config.hidden_size = hidden;
  model.config.intermediate_size = inner;
  model.config.num_attention_heads = 32;
  model.config.num_key_value_heads = 8;
  model.config.head_dim = 128;
  model.config.vocab_size = vocab;
  model::Layer& layer = model.layers.emplace_back();
  const auto set = [&](model::LinearKind kind, std::size_t rows, std::size_t cols) {
    layer.linear(kind).weight.rows = rows;
    layer.linear(kind).weight.cols = cols;
  };
  using model::LinearKind;
  set(LinearKind::kQ, 4096, hidden), set(LinearKind::kK, 1024, hidden), set(LinearKind::kV, 1024, hidden);
  set(LinearKind::kO, hidden, 4096);
  set(LinearKind::kGate, inner, hidden), set(LinearKind::kUp, inner, hidden), set(LinearKind::kDown, hidden, inner);
  return model;
}

const model::Model kQwen4B = shape_of(2560, 9728, 151936), kLlama8B = shape_of(4096, 14336, 128256);

double recipe_memory(const model::Model& model, std::string_view recipe, std::size_t windows) {
  const WalkSize size{.tokens = windows * 2048, .window = 2048, .threads = 2};
  return base_memory(model.config) + walk_memory(model, recipe_from_name(recipe)->options, size);
}

TEST(WalkMemory, IsWhatWasMeasured) {
  EXPECT_NEAR(recipe_memory(kQwen4B, "paper-gptq", 2), 2.224e9, 0.1 * 2.224e9);  // docs/scale.md
}

TEST(WalkMemory, OfLargeModelsFitsOneMachine) {
  constexpr std::size_t kWindows = 24;  // by default
  EXPECT_LT(recipe_memory(kQwen4B, "lieq", kWindows), 8e9);
  EXPECT_LT(recipe_memory(kLlama8B, "lieq", kWindows), 12e9);
}

TEST(WalkMemory, GrowsWithTheTextByItsStreamsAlone) {
  // Two residual streams and the attention's outputs, in float32: more gated activations than 1 GiB are not kept.
  const double more = recipe_memory(kLlama8B, "lieq", 44) - recipe_memory(kLlama8B, "lieq", 36);
  EXPECT_DOUBLE_EQ(more, 4.0 * 8 * 2048 * (2 * 4096 + 4096));
  EXPECT_LT(recipe_memory(kLlama8B, "paper-gptq", 44), recipe_memory(kLlama8B, "lieq", 44));
}

TEST(GeometryMemory, IsWhatWasMeasured) {
  const diagnose::GeometryLoad load{
      .passages = 2, .tokens = 592, .batches = 1, .batch = 592, .longest = 512, .draws = 4};
  const double found = base_memory(kQwen4B.config) + geometry_memory(kQwen4B.config, load, 2);
  EXPECT_NEAR(found, 0.32e9, 0.1 * 0.32e9);  // docs/scale.md
}

TEST(GeometryMemory, GrowsWithDrawsAndThreads) {
  const diagnose::GeometryLoad one{
      .passages = 1, .tokens = 100, .batches = 1, .batch = 100, .longest = 100, .draws = 1};
  diagnose::GeometryLoad four = one;
  four.draws = 4;
  // Three more products of q, k and v in float32; a thread more has a matrix and two squares in double.
  EXPECT_DOUBLE_EQ(geometry_memory(kLlama8B.config, four, 1) - geometry_memory(kLlama8B.config, one, 1),
                   4.0 * 3 * 100 * (4096 + 2 * 1024));
  EXPECT_DOUBLE_EQ(geometry_memory(kLlama8B.config, one, 3) - geometry_memory(kLlama8B.config, one, 2),
                   8.0 * (100 * 4096 + 2 * 100 * 100));
}

TEST(PassMemory, CountsASliceOfLogitsWhateverTheVocabulary) {
  EXPECT_EQ(pass_memory(kQwen4B.config, 2048), pass_memory(shape_of(2560, 9728, 32000).config, 2048));
  EXPECT_GT(pass_memory(kLlama8B.config, 2048), pass_memory(kQwen4B.config, 2048));
}

}  // namespace
}  // namespace lieq::pipeline
