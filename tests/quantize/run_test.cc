#include "lieq/quantize/run.h"

#include <cmath>
#include <filesystem>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "lieq/tune/block.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kWindow = 32;

class Walk : public ::testing::TestWithParam<Options> {
 protected:
  static model::Model load(Threads& threads) {
    Sink sink;
    auto model = test::must(model::Model::load(test::data_dir() / "tiny-llama", threads, sink));
    model.layers.push_back(model.layers[0]);  // it has one layer only
    model.layers.push_back(model.layers[0]);
    return model;
  }
  static std::vector<model::TokenId> ids(const model::Model& model) {
    std::vector<model::TokenId> all;
    for (std::size_t t = 0; t < 12 * kWindow; ++t)
      all.push_back(static_cast<model::TokenId>((t * t * 7 + t / 3) % model.config.vocab_size));
    return all;
  }
  static void expect_equal(const QuantizedLayer& a, const QuantizedLayer& b) {
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      EXPECT_EQ(a.linears[k].codes, b.linears[k].codes) << k;
      EXPECT_EQ(a.linears[k].scales, b.linears[k].scales) << k;
      EXPECT_EQ(a.linears[k].double_zeros, b.linears[k].double_zeros) << k;
      EXPECT_EQ(a.biases[k], b.biases[k]) << k;
      EXPECT_EQ(a.reports[k].loss, b.reports[k].loss) << k;
    }
    EXPECT_EQ(a.input_layernorm, b.input_layernorm);
    EXPECT_EQ(a.post_attention_layernorm, b.post_attention_layernorm);
  }
  Sink sink_;
};

TEST_P(Walk, GivesTheSameBytesForAnyThreadCountAndWhenResumed) {
  Threads one(1), three(3);
  const model::Model model = load(one);
  const std::vector<model::TokenId> tokens = ids(model);
  LayerWalk first = test::must(LayerWalk::create(model, tokens, kWindow, GetParam(), one, sink_));
  LayerWalk second = test::must(LayerWalk::create(model, tokens, kWindow, GetParam(), three, sink_));
  LayerWalk resumed = test::must(LayerWalk::create(model, tokens, kWindow, GetParam(), three, sink_));
  for (std::size_t l = 0; l < model.layers.size(); ++l) {
    SCOPED_TRACE(l);
    const QuantizedLayer done = test::must(first.quantize(l, l == 0 ? 4 : 2));
    expect_equal(test::must(second.quantize(l, l == 0 ? 4 : 2)), done);
    if (l + 1 < model.layers.size()) {
      ASSERT_TRUE(resumed.resume_with(l, done));
    } else {
      expect_equal(test::must(resumed.quantize(l, 2)), done);
    }
  }
}

TEST_P(Walk, EightBitsStayCloseToTheModel) {
  Threads threads(2);
  const model::Model model = load(threads);
  LayerWalk walk = test::must(LayerWalk::create(model, ids(model), kWindow, GetParam(), threads, sink_));
  const QuantizedLayer done = test::must(walk.quantize(0, 8));
  const PackedLayer packed(threads, model.layers[0], done);
  EXPECT_EQ(done.linear(model::LinearKind::kDown).cols, model.config.intermediate_size);
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) EXPECT_LT(done.reports[k].relative_loss, 1e-3) << k;
  EXPECT_EQ(packed.layer().linears[0].weight.packed->bits(), 8U);
}

Options with(Method method, bool corrected, bool inner_gains) {
  Options options;
  options.method = method;
  options.group_size = 32;
  options.corrected_target = corrected;
  options.inner_gains = inner_gains;
  options.sweeps = 1;
  return options;
}

Options omniquant() {
  Options options = with(Method::kOmniQuant, false, false);
  options.grid = Grid::kAsym;
  options.range = Range::kMinMax;
  options.clip_epochs = 2;
  return options;
}

INSTANTIATE_TEST_SUITE_P(Methods, Walk,
                         ::testing::Values(with(Method::kRtn, false, false), with(Method::kGptq, false, false),
                                           with(Method::kGptq, true, false), with(Method::kGptq, true, true),
                                           with(Method::kAwq, false, false), omniquant()));

/// Clipping that is learnt keeps the layer's output better than ranges that hold every weight do.
TEST(OmniQuant, BringsTheLayersOutputCloser) {
  Threads threads(2);
  Sink sink;
  const model::Model model = test::must(model::Model::load(test::demo_dir(), threads, sink));
  std::vector<model::TokenId> tokens;
  for (std::size_t t = 0; t < 32 * kWindow; ++t)
    tokens.push_back(static_cast<model::TokenId>((t * t * 5 + t / 3) % model.config.vocab_size));
  const auto error_of = [&](const Options& options) {
    LayerWalk walk = test::must(LayerWalk::create(model, tokens, kWindow, options, threads, sink));
    const QuantizedLayer done = test::must(walk.quantize(0, 2));
    const PackedLayer packed(threads, model.layers[0], done);
    const auto output = [&](const model::Layer& layer) {
      std::vector<float> x(tokens.size() * model.config.hidden_size);
      const MatrixView<float> rows(x.data(), tokens.size(), model.config.hidden_size);
      model::embed(model, tokens, threads, rows);
      tune::Block(model.config, kWindow, threads).forward(tune::TunedLayer(layer), rows);
      return x;
    };
    const std::vector<float> wanted = output(model.layers[0]), found = output(packed.layer());
    double sum = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) sum += std::pow(static_cast<double>(wanted[i] - found[i]), 2);
    return sum;
  };
  Options learnt = omniquant(), plain;
  learnt.group_size = 64;
  learnt.clip_epochs = 0;  // 0.982 of every range
  plain = learnt;
  plain.method = Method::kRtn;
  const double rounded = error_of(plain), begun = error_of(learnt);
  EXPECT_NEAR(begun / rounded, 1, 0.1);
  learnt.clip_epochs = 100;
  EXPECT_LT(error_of(learnt), 0.8 * begun);
}

TEST(WalkErrors, AreNamedBeforeAnythingRuns) {
  Threads threads(1);
  Sink sink;
  const model::Model model = test::must(model::Model::load(test::data_dir() / "tiny-llama", threads, sink));
  const std::vector<model::TokenId> tokens(64, 1), bad(64, static_cast<model::TokenId>(model.config.vocab_size));
  Options options;
  options.group_size = 32;
  const auto refused = [&](std::span<const model::TokenId> ids, std::size_t window, const Options& asked) {
    const auto result = LayerWalk::create(model, ids, window, asked, threads, sink);
    return !result && result.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused(tokens, 32, options));
  EXPECT_TRUE(refused(tokens, 65, options));
  EXPECT_TRUE(refused(tokens, 1, options));
  EXPECT_TRUE(refused(bad, 32, options));
  options.method = Method::kOmniQuant;
  EXPECT_TRUE(refused(tokens, 32, options));  // on its grid alone
  options.grid = Grid::kAsym;
  EXPECT_FALSE(refused(tokens, 32, options));
  options.group_size = 7;
  EXPECT_TRUE(refused(tokens, 32, options));
}

}  // namespace
}  // namespace lieq::quantize
