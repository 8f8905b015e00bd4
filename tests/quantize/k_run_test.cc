// A whole layer on the K grid: the walk, what it leaves, and that layer run from its blocks.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "lieq/quantize/run.h"
#include "lieq/quantize/sensitivity.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kWindow = 32;

/// The tiny model with its widths raised to one block: random weights in memory.
class KWalk : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = test::must(
        model::Model::load(test::data_dir() / "tiny-llama", threads_, sink_));
    model::ModelConfig& config = model_.config;
    config.hidden_size = config.intermediate_size = 256;
    config.head_dim = 128;
    config.num_hidden_layers = 2;
    model_.embed_tokens = model_.lm_head = random_matrix(config.vocab_size, 256, 0.1F);
    model_.norm.assign(256, 1);
    model_.layers.resize(1);
    model::Layer& layer = model_.layers[0];
    layer.input_layernorm.assign(256, 1);
    layer.post_attention_layernorm.assign(256, 1);
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      const auto kind = static_cast<model::LinearKind>(k);
      const bool keys = kind == model::LinearKind::kK || kind == model::LinearKind::kV;
      layer.linears[k] = {random_matrix(keys ? config.kv_size() : 256, 256, 0.06F), {}};
    }
    model_.layers.push_back(layer);
    for (std::size_t t = 0; t < 24 * kWindow; ++t)
      ids_.push_back(static_cast<model::TokenId>(random_() % config.vocab_size));
    options_.grid = Grid::kK;
    options_.sweeps = 1;
  }

  pack::StoredMatrix random_matrix(std::size_t rows, std::size_t cols, float size) {
    std::normal_distribution<float> normal(0, size);
    auto bytes = std::make_shared<std::vector<std::byte>>(rows * cols * sizeof(float));
    for (std::size_t k = 0; k < rows * cols; ++k) {
      const float value = normal(random_);
      std::memcpy(bytes->data() + k * sizeof value, &value, sizeof value);
    }
    pack::StoredMatrix matrix;
    matrix.rows = rows;
    matrix.cols = cols;
    matrix.owner = bytes;
    matrix.data = bytes->data();
    return matrix;
  }

  LayerWalk walk(Threads& threads) {
    return test::must(LayerWalk::create(model_, ids_, kWindow, options_, threads, sink_));
  }

  Threads threads_{2};
  Sink sink_;
  std::mt19937 random_{3};
  model::Model model_;
  std::vector<model::TokenId> ids_;
  Options options_;
};

TEST_F(KWalk, GivesTheSameBlocksForAnyThreadCountAndWhenResumed) {
  for (const Method method : {Method::kRtn, Method::kGptq}) {
    for (const bool inner_gains : {false, true}) {
      options_.method = method;
      options_.inner_gains = inner_gains;
      Threads one(1), three(3);
      LayerWalk first = walk(one), second = walk(three), resumed = walk(three);
      const QuantizedLayer done = test::must(first.quantize(0, 4));
      test::must(second.quantize(0, 4));
      ASSERT_TRUE(resumed.resume_with(0, done));
      const QuantizedLayer last = test::must(first.quantize(1, 2));
      for (LayerWalk* other : {&second, &resumed}) {
        const QuantizedLayer again = test::must(other->quantize(1, 2));
        for (const model::LinearKind kind : model::kLinearKinds) {
          EXPECT_TRUE(again.is_blocks(kind));
          EXPECT_EQ(again.block(kind).type, DType::kQ2_K);
          EXPECT_EQ(again.block(kind).bytes, last.block(kind).bytes) << model::name(kind);
        }
      }
      EXPECT_EQ(done.block(model::LinearKind::kDown).type, DType::kQ4_K);
    }
  }
}

TEST_F(KWalk, ALayerRunsFromItsBlocks) {
  options_.corrected_target = false;  // which moves away from the weights
  LayerWalk w = walk(threads_);
  const QuantizedLayer done = test::must(w.quantize(0, 4));
  const PackedLayer packed(threads_, model_.layers[0], done);
  std::vector<float> original(256), quantised(256);
  for (const model::LinearKind kind : model::kLinearKinds) {
    EXPECT_LT(done.reports[static_cast<std::size_t>(kind)].relative_loss, 0.02) << model::name(kind);
    const pack::StoredMatrix& stored = packed.layer().linear(kind).weight;
    EXPECT_EQ(stored.format(), "Q4_K");
    double error = 0, energy = 0;
    for (std::size_t i = 0; i < stored.rows; ++i) {
      kernels::decode_row(model_.layers[0].linear(kind).weight, i, original.data());
      kernels::decode_row(stored, i, quantised.data());
      for (std::size_t j = 0; j < 256; ++j) {
        error += std::pow(static_cast<double>(original[j]) - static_cast<double>(quantised[j]), 2);
        energy += std::pow(static_cast<double>(original[j]), 2);
      }
    }
    EXPECT_LT(error, 0.02 * energy) << model::name(kind);
  }
  const model::Footprint size = model::footprint(packed.layer());
  EXPECT_EQ(size.mean_code_bits(), 4);
  EXPECT_EQ(size.mean_true_bits(), 4.5);
}

TEST_F(KWalk, EachWidthIsMeasuredOnItsOwnBlocks) {
  const int widths[] = {2, 3, 4};
  const auto text = std::span(ids_).first(8 * kWindow);
  const auto kl =
      test::must(measure_sensitivity(model_, nullptr, ids_, text, kWindow, widths, options_, threads_, sink_));
  ASSERT_EQ(kl.size(), 2U);
  for (const auto& layer : kl) {
    EXPECT_LT(layer.at(3), layer.at(2));
    EXPECT_LT(layer.at(4), layer.at(3));
    EXPECT_GT(layer.at(4), 0);
  }
}

TEST_F(KWalk, RefusesWidthsWithoutABlock) {
  LayerWalk w = walk(threads_);
  const auto eight = w.quantize(0, 8);
  ASSERT_FALSE(eight);
  EXPECT_NE(eight.error().message.find("grid k: found 8 bits"), std::string::npos) << eight.error().message;
}

}  // namespace
}  // namespace lieq::quantize
