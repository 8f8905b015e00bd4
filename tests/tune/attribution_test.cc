#include "lieq/tune/attribution.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "lieq/tune/kl_gradient.h"
#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

/// A model whose linear is `part` of the way from the quantised weights to the original's, as dense float32.
struct Moved {
  Moved(const GoldenModels& models, std::size_t l, model::LinearKind kind, float part) : model(models.quantised) {
    const pack::StoredMatrix& from = models.quantised.layers[l].linear(kind).weight;
    const pack::StoredMatrix& to = models.original.layers[l].linear(kind).weight;
    values.resize(from.rows * from.cols);
    std::vector<float> row(from.cols);
    for (std::size_t i = 0; i < from.rows; ++i) {
      kernels::decode_row(from, i, &values[i * from.cols]);
      kernels::decode_row(to, i, row.data());
      for (std::size_t j = 0; j < from.cols; ++j)
        values[i * from.cols + j] += part * (row[j] - values[i * from.cols + j]);
    }
    pack::StoredMatrix& weight = model.layers[l].linear(kind).weight;
    weight.packed.reset();
    weight.type = DType::kF32;
    weight.data = reinterpret_cast<const std::byte*>(values.data());
  }
  std::vector<float> values;
  model::Model model;
};

double kl_of(const model::Model& original, const model::Model& quantised, std::span<const model::TokenId> tokens,
             Threads& threads) {
  Sink sink;
  KlGradient walk(original, kSequence, threads);
  test::Matrix hidden(tokens.size(), original.config.hidden_size);
  walk.run_original(tokens, hidden.view());
  return test::must(walk.kl(
      tokens, hidden.view(), [&](std::size_t l) { return TunedLayer(quantised.layers[l]); }, sink));
}

TEST(Attribution, IsTheSlopeTowardsTheOriginalWeights) {
  Threads threads(2);
  Sink sink;
  const GoldenModels models(threads);
  const auto found =
      test::must(attribute_kl(models.original, models.quantised, models.tokens, kSequence, threads, sink));
  EXPECT_NEAR(found.kl, kl_of(models.original, models.quantised, models.tokens, threads), 1e-9);
  for (std::size_t l = 0; l < models.original.layers.size(); ++l)
    for (const model::LinearKind kind : model::kLinearKinds) {
      constexpr float kStep = 2e-2F;
      const auto kl_at = [&](float part) {
        const Moved moved(models, l, kind, part);
        return kl_of(models.original, moved.model, models.tokens, threads);
      };
      const double slope = (kl_at(-kStep) - kl_at(kStep)) / (2 * static_cast<double>(kStep));
      const double share = found.shares[l][static_cast<std::size_t>(kind)];
      EXPECT_NEAR(share, slope, 0.02 * std::fabs(slope) + 2e-5) << l << " " << model::name(kind);
    }
}

/// Gains that went from a norm into the columns of what it feeds are no rounding.
TEST(Attribution, LeavesGainsOfNormsOut) {
  Threads threads(2);
  Sink sink;
  const GoldenModels models(threads);
  model::Model same = models.original;
  std::vector<std::vector<float>> kept;
  for (model::Layer& layer : same.layers) {
    for (float& gain : layer.input_layernorm) gain *= 2;
    for (const model::LinearKind kind : {model::LinearKind::kQ, model::LinearKind::kK, model::LinearKind::kV}) {
      pack::StoredMatrix& weight = layer.linear(kind).weight;
      std::vector<float>& values = kept.emplace_back(weight.rows * weight.cols);
      for (std::size_t i = 0; i < weight.rows; ++i) kernels::decode_row(weight, i, &values[i * weight.cols]);
      for (float& one : values) one /= 2;
      weight.type = DType::kF32;
      weight.data = reinterpret_cast<const std::byte*>(values.data());
    }
  }
  const auto found = test::must(attribute_kl(models.original, same, models.tokens, kSequence, threads, sink));
  EXPECT_NEAR(found.kl, 0, 1e-6);
  for (const LinearShares& shares : found.shares)
    for (const double share : shares) EXPECT_NEAR(share, 0, 1e-6);
}

TEST(Attribution, GivesTheSameBitsForAnyThreadCount) {
  std::vector<LinearShares> first;
  for (const std::size_t count : {1U, 2U, 3U}) {
    Threads threads(count);
    Sink sink;
    const GoldenModels models(threads);
    const auto found =
        test::must(attribute_kl(models.original, models.quantised, models.tokens, kSequence, threads, sink));
    if (first.empty()) first = found.shares;
    EXPECT_EQ(first, found.shares) << count;
  }
}

TEST(Attribution, TellsHowFarSequencesDisagree) {
  Threads threads(2);
  Sink sink;
  const GoldenModels models(threads);
  const std::size_t sequences = models.tokens.size() / kSequence;
  ASSERT_GT(sequences, 1U);
  const auto attribute = [&](std::size_t first, std::size_t count) {
    const auto tokens = std::span(models.tokens).subspan(first * kSequence, count * kSequence);
    return test::must(attribute_kl(models.original, models.quantised, tokens, kSequence, threads, sink));
  };
  const Attribution all = attribute(0, sequences);
  std::vector<Attribution> single;
  for (std::size_t s = 0; s < sequences; ++s) single.push_back(attribute(s, 1));
  const auto n = static_cast<double>(sequences);
  for (std::size_t l = 0; l < all.shares.size(); ++l)
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      double mean = 0, squares = 0;
      for (const Attribution& one : single) mean += one.shares[l][k] / n;
      for (const Attribution& one : single) squares += std::pow(one.shares[l][k] - mean, 2);
      EXPECT_NEAR(all.shares[l][k], mean, 1e-5 * std::fabs(mean) + 1e-9) << l << " " << k;
      const double error = std::sqrt(squares / (n - 1) / n);
      EXPECT_NEAR(all.errors[l][k], error, 1e-4 * error + 1e-9) << l << " " << k;
      EXPECT_EQ(single[0].errors[l][k], 0);
    }
}

TEST(Attribution, WantsAWholeSequence) {
  Threads threads(1);
  Sink sink;
  const GoldenModels models(threads);
  const auto refused = attribute_kl(models.original, models.quantised, std::span(models.tokens).first(kSequence - 1),
                                    kSequence, threads, sink);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "found 19 tokens, expected at least one sequence of 20");
}

}  // namespace
}  // namespace lieq::tune
