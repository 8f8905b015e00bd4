/// A model run from packed codes beside the same weights decoded to float32.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::model {
namespace {

constexpr std::size_t kTokens = 96, kGroup = 32;

Model load_demo(Threads& threads) {
  Sink sink;
  return test::must(Model::load(test::demo_dir(), threads, sink));
}

/// Every group of every row between its least and its largest weight.
pack::QuantizedMatrix round_to_nearest(const pack::StoredMatrix& weight, unsigned bits) {
  pack::QuantizedMatrix m{weight.rows, weight.cols, bits, kGroup, {}, {}, {}, {}};
  const float top = static_cast<float>((1U << bits) - 1);
  std::vector<float> row(weight.cols);
  for (std::size_t i = 0; i < m.rows; ++i) {
    kernels::decode_row(weight, i, row.data());
    for (std::size_t g = 0; g < m.groups(); ++g) {
      const auto [low, high] = std::minmax_element(row.data() + g * kGroup, row.data() + (g + 1) * kGroup);
      m.scales.push_back(float_to_f16(std::max((*high - *low) / top, 1e-6F)));
      const float scale = f16_to_float(m.scales.back()), zero = std::clamp(std::nearbyint(-*low / scale), 0.0F, top);
      m.double_zeros.push_back(static_cast<std::uint16_t>(2 * zero));
      for (std::size_t j = g * kGroup; j < (g + 1) * kGroup; ++j)
        m.codes.push_back(static_cast<std::uint8_t>(std::clamp(std::nearbyint(row[j] / scale) + zero, 0.0F, top)));
    }
  }
  return m;
}

double mean_nll(const Model& model, Threads& threads) {
  std::vector<TokenId> tokens;
  for (std::size_t t = 0; t < kTokens; ++t)
    tokens.push_back(static_cast<TokenId>((t * t * 37 + 11) % model.config.vocab_size));
  RunState state(model, threads, kernels::Compute::kF32);
  kernels::Buffer<float> hidden_buffer, logits_buffer;
  const MatrixView<float> hidden = hidden_buffer.matrix(kTokens, model.config.hidden_size);
  const MatrixView<float> scores = logits_buffer.matrix(kTokens, model.config.vocab_size);
  const SequenceSpan alone{kTokens, nullptr};
  forward(model, tokens, {&alone, 1}, state, hidden);
  logits(model, hidden, state, scores);
  double sum = 0;
  for (std::size_t t = 0; t + 1 < kTokens; ++t)
    sum += kernels::log_sum_exp(scores.row(t)) - scores(t, static_cast<std::size_t>(tokens[t + 1]));
  return sum / (kTokens - 1);
}

class PackedModel : public ::testing::TestWithParam<unsigned> {
 protected:
  PackedModel() : model_(load_demo(threads_)) {
    for (std::size_t l = 0; l < model_.layers.size(); ++l)
      for (const LinearKind kind : kLinearKinds) {
        pack::StoredMatrix& weight = model_.layers[l].linear(kind).weight;
        const pack::QuantizedMatrix matrix = round_to_nearest(weight, GetParam());
        weight.packed = std::make_shared<const pack::PackedMatrix>(threads_, matrix);
      }
  }

  /// The same weights in float32, each changed by at most `change` of itself.
  Model decoded(float change, unsigned seed) {
    Model copy = load_demo(threads_);
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> relative(-change, change);
    for (std::size_t l = 0; l < copy.layers.size(); ++l)
      for (const LinearKind kind : kLinearKinds) {
        const pack::StoredMatrix& packed = model_.layers[l].linear(kind).weight;
        floats_.emplace_back(packed.rows * packed.cols);
        for (std::size_t i = 0; i < packed.rows; ++i)
          kernels::decode_row(packed, i, floats_.back().data() + i * packed.cols);
        if (change > 0)
          for (float& w : floats_.back()) w *= 1 + relative(random);
        pack::StoredMatrix& weight = copy.layers[l].linear(kind).weight;
        weight.type = DType::kF32;
        weight.data = reinterpret_cast<const std::byte*>(floats_.back().data());
      }
    return copy;
  }

  Threads threads_{2};
  Model model_;
  std::vector<std::vector<float>> floats_;
};

/// A dot product of n terms computed in any order is the exact one of weights off by at most gamma = n u / (1 - n u) of
/// themselves. So two ways to compute the model are two models with such weights, and their perplexities differ by no
/// more than such weights make them differ: what a few random draws of them show.
TEST_P(PackedModel, HasThePerplexityOfItsDecodedWeights) {
  const double packed = mean_nll(model_, threads_), dense = mean_nll(decoded(0, 0), threads_);
  const double nu = static_cast<double>(model_.config.intermediate_size) * 0x1p-24;
  double bound = 0;
  for (unsigned seed = 1; seed <= 4; ++seed)
    bound = std::max(bound, std::abs(mean_nll(decoded(static_cast<float>(nu / (1 - nu)), seed), threads_) - dense));
  EXPECT_LE(std::abs(packed - dense), bound);
  EXPECT_LT(bound, 1e-3);  // else the test would say nothing
}

INSTANTIATE_TEST_SUITE_P(Widths, PackedModel, ::testing::Values(2U, 3U, 4U, 8U));

}  // namespace
}  // namespace lieq::model
