#include "lieq/quantize/head_fit.h"

#include <vector>

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "lieq/quantize/fit.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kHeadWindow = 32;

struct Head {
  std::vector<std::uint8_t> codes;
  std::vector<float> weights;  // [vocab_size, hidden_size]

  void take(std::size_t first, const pack::QuantizedMatrix& rows) {
    EXPECT_EQ(first * rows.cols, codes.size());
    codes.insert(codes.end(), rows.codes.begin(), rows.codes.end());
    weights.resize((first + rows.rows) * rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i) dequantize_row(rows, i, &weights[(first + i) * rows.cols]);
  }
};

std::vector<model::TokenId> some_ids(const model::Model& model) {
  std::vector<model::TokenId> all;
  for (std::size_t t = 0; t < 12 * kHeadWindow; ++t)
    all.push_back(static_cast<model::TokenId>((t * t * 7 + t / 3) % model.config.vocab_size));
  return all;
}

Head fitted(const model::Model& model, std::size_t thread_count) {
  Threads threads(thread_count);
  Sink sink;
  Head head;
  const auto take = [&](std::size_t first, const pack::QuantizedMatrix& rows) { head.take(first, rows); };
  EXPECT_TRUE(fit_head(model, model.lm_head, some_ids(model), kHeadWindow, kHeadDamping, threads, sink, take));
  return head;
}

/// The sum over tokens and rows of squared errors of the logits.
double logit_error(const model::Model& model, const std::vector<float>& weights, Threads& threads) {
  const std::size_t in = model.config.hidden_size;
  const std::vector<model::TokenId> ids = some_ids(model);
  std::vector<float> hidden(ids.size() * in), row(in);
  model::RunState state(model, threads, kernels::Compute::kF32);
  const std::vector<model::SequenceSpan> sequences(ids.size() / kHeadWindow, {kHeadWindow, nullptr});
  model::forward(model, ids, sequences, state, {hidden.data(), ids.size(), in});
  double sum = 0;
  for (std::size_t v = 0; v < model.lm_head.rows; ++v) {
    kernels::decode_row(model.lm_head, v, row.data());
    for (std::size_t t = 0; t < ids.size(); ++t) {
      double error = 0;
      for (std::size_t j = 0; j < in; ++j)
        error += static_cast<double>(hidden[t * in + j]) * static_cast<double>(weights[v * in + j] - row[j]);
      sum += error * error;
    }
  }
  return sum;
}

TEST(HeadFit, LosesLessOfTheLogitsThanRoundingAndIsTheSameForAnyThreads) {
  Threads threads(2);
  Sink sink;
  const model::Model model = test::must(model::Model::load(test::demo_dir(), threads, sink));
  const Head head = fitted(model, 1);
  ASSERT_EQ(head.weights.size(), model.config.vocab_size * model.config.hidden_size);
  EXPECT_EQ(fitted(model, 3).codes, head.codes);

  std::vector<float> rows(head.weights.size());
  const MatrixView<float> weight(rows.data(), model.config.vocab_size, model.config.hidden_size);
  for (std::size_t v = 0; v < weight.rows(); ++v) kernels::decode_row(model.lm_head, v, weight.row(v).data());
  Options options;
  options.grid = Grid::kSkew;
  options.group_size = kHeadGroup;
  Head rounded;
  rounded.take(0, to_quantized(rtn(threads, weight, fit_rules(options, 4, weight.cols())), options.grid));
  EXPECT_LT(logit_error(model, head.weights, threads), 0.7 * logit_error(model, rounded.weights, threads));
}

TEST(HeadFit, CanBeCancelled) {
  struct Impatient : Sink {
    [[nodiscard]] bool cancelled() const override { return true; }
  } sink;
  Threads threads(2);
  Sink quiet;
  const model::Model model = test::must(model::Model::load(test::data_dir() / "tiny-llama", threads, quiet));
  const auto ended = fit_head(model, model.lm_head, some_ids(model), kHeadWindow, kHeadDamping, threads, sink,
                              [](std::size_t, const pack::QuantizedMatrix&) {});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace lieq::quantize
