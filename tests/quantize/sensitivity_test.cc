#include "lieq/quantize/sensitivity.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"
#include "lieq/quantize/run.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kScored = 32, kWindows = 8;
constexpr int kWidths[] = {2, 8};

/// Three equal layers; the file has one.
model::Model load(Threads& threads) {
  Sink sink;
  auto model = test::must(model::Model::load(test::data_dir() / "tiny-llama", threads, sink));
  model.layers.push_back(model.layers[0]);
  model.layers.push_back(model.layers[0]);
  return model;
}

std::vector<model::TokenId> ids_for(const model::Model& model) {
  std::vector<model::TokenId> ids;
  for (std::size_t t = 0; t < kWindows * kScored + 5; ++t)  // 5 that fill no window
    ids.push_back(static_cast<model::TokenId>((t * t * 7 + t / 3) % model.config.vocab_size));
  return ids;
}

Options with(Method method) {
  Options options;
  options.method = method;
  options.group_size = 32;
  options.sweeps = 1;
  return options;
}

/// Logits of a whole forward pass. [tokens, vocab_size]
MatrixView<float> logits_of(const model::Model& model, std::span<const model::TokenId> ids, Threads& threads,
                            kernels::Buffer<float>& buffer) {
  model::RunState run(model, threads, kernels::Compute::kF32);
  const std::vector<model::SequenceSpan> sequences(kWindows, {kScored, nullptr});
  kernels::Buffer<float> hidden;
  const MatrixView<float> x = hidden.matrix(ids.size(), model.config.hidden_size);
  const MatrixView<float> y = buffer.matrix(ids.size(), model.config.vocab_size);
  model::forward(model, ids, sequences, run, x);
  model::logits(model, x, run, y);
  return y;
}

class Sensitivity : public ::testing::TestWithParam<Method> {};

TEST_P(Sensitivity, IsLargerAtTwoBitsThanAtEightAndTheSameForAnyThreadCount) {
  Threads one(1), two(2);
  Sink sink;
  const model::Model model = load(one);
  const std::vector<model::TokenId> ids = ids_for(model), fit(ids.rbegin(), ids.rend());
  const auto found =
      test::must(measure_sensitivity(model, nullptr, fit, ids, kScored, kWidths, with(GetParam()), one, sink));
  EXPECT_EQ(found,
            test::must(measure_sensitivity(model, nullptr, fit, ids, kScored, kWidths, with(GetParam()), two, sink)));
  ASSERT_EQ(found.size(), model.layers.size());
  double at_two = 0, at_eight = 0;
  for (const auto& layer : found) {
    ASSERT_EQ(layer.size(), 2U);
    EXPECT_GE(layer.at(2), 0);
    EXPECT_GE(layer.at(8), 0);
    at_two += layer.at(2);
    at_eight += layer.at(8);
  }
  EXPECT_GT(at_two, at_eight);
}

INSTANTIATE_TEST_SUITE_P(Methods, Sensitivity, ::testing::Values(Method::kRtn, Method::kGptq));

/// Every layer rounded to nearest.
std::vector<model::Layer> rounded(const model::Model& model, unsigned bits, Threads& threads) {
  Sink sink;
  LayerWalk walk = test::must(LayerWalk::create(model, {}, kScored, with(Method::kRtn), threads, sink));
  std::vector<model::Layer> layers;
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    layers.push_back(PackedLayer(threads, model.layers[l], test::must(walk.quantize(l, bits))).layer());
  return layers;
}

class SensitivityOfRtn : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::map<int, double>> measure(const model::Model* running) {
    return test::must(
        measure_sensitivity(model_, running, {}, all_, kScored, kWidths, with(Method::kRtn), threads_, sink_));
  }
  /// Mean KL(model_ || changed) on the windows that are scored.
  [[nodiscard]] double divergence_of(const model::Model& changed) {
    const std::span<const model::TokenId> ids = std::span(all_).first(kWindows * kScored);
    const MatrixView<float> p = logits_of(model_, ids, threads_, p_), q = logits_of(changed, ids, threads_, q_);
    double sum = 0;
    for (std::size_t t = 0; t < p.rows(); ++t)
      sum += kernels::kl_divergence(p.row(t), kernels::log_sum_exp(p.row(t)), q.row(t), kernels::log_sum_exp(q.row(t)));
    return std::max(sum / static_cast<double>(p.rows()), 0.0);
  }

  Threads threads_{2};
  Sink sink_;
  const model::Model model_ = load(threads_);
  const std::vector<model::TokenId> all_ = ids_for(model_);
  kernels::Buffer<float> p_, q_;
};

TEST_F(SensitivityOfRtn, IsTheDivergenceOfAModelWithThatLayerReplaced) {
  const auto found = measure(nullptr);
  for (const int bits : kWidths) {
    const std::vector<model::Layer> layers = rounded(model_, static_cast<unsigned>(bits), threads_);
    for (std::size_t l = 0; l < model_.layers.size(); ++l) {
      model::Model changed = load(threads_);
      changed.layers[l] = layers[l];
      EXPECT_DOUBLE_EQ(found[l].at(bits), divergence_of(changed)) << l << " at " << bits;
    }
  }
}

TEST_F(SensitivityOfRtn, InARunningModelIsThatModelsDivergenceWithThatLayerReplaced) {
  model::Model running = load(threads_);
  running.layers = rounded(model_, 2, threads_);
  const auto found = measure(&running);
  const double as_it_is = divergence_of(running);
  const std::vector<model::Layer> wide = rounded(model_, 8, threads_);
  for (std::size_t l = 0; l < model_.layers.size(); ++l) {
    EXPECT_DOUBLE_EQ(found[l].at(2), as_it_is);
    model::Model changed = load(threads_);
    changed.layers = running.layers;
    changed.layers[l] = wide[l];
    EXPECT_DOUBLE_EQ(found[l].at(8), divergence_of(changed)) << l;
  }
}

TEST(SensitivityErrors, ARunningModelOfAnotherShapeIsRefused) {
  Threads threads(1);
  const model::Model model = load(threads);
  model::Model other = load(threads);
  EXPECT_TRUE(check_running(model, other));
  other.config.num_hidden_layers -= 1;
  const auto refused = check_running(model, other);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("expected a quantised form of"), std::string::npos);
}

TEST(SensitivityErrors, AreNamedBeforeAnythingRuns) {
  Threads threads(1);
  Sink sink;
  const model::Model model = load(threads);
  const std::vector<model::TokenId> ids = ids_for(model);
  const std::vector<model::TokenId> outside(kScored, static_cast<model::TokenId>(model.config.vocab_size));
  const auto refused = [&](std::span<const model::TokenId> text, std::size_t window, std::vector<int> widths,
                           Method method) {
    const auto result = measure_sensitivity(model, nullptr, ids, text, window, widths, with(method), threads, sink);
    return !result && result.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(ids, kScored, {}, Method::kRtn));
  EXPECT_TRUE(refused(ids, kScored, {5}, Method::kRtn));
  EXPECT_TRUE(refused(ids, kScored, {-2}, Method::kRtn));
  EXPECT_TRUE(refused(ids, kScored, {2}, Method::kAwq));
  EXPECT_TRUE(refused(ids, 0, {2}, Method::kRtn));
  EXPECT_TRUE(refused(ids, model.config.max_position_embeddings + 1, {2}, Method::kRtn));
  EXPECT_TRUE(refused(std::span(ids).first(kScored - 1), kScored, {2}, Method::kRtn));
  EXPECT_TRUE(refused(outside, kScored, {2}, Method::kRtn));
  EXPECT_FALSE(measure_sensitivity(model, nullptr, {}, ids, kScored, kWidths, with(Method::kGptq), threads, sink));
}

}  // namespace
}  // namespace lieq::quantize
