/// Quantising on several ranks gives what one gives.

#include <numeric>
#include <optional>

#include <gtest/gtest.h>

#include "lieq/quantize/activations.h"
#include "lieq/quantize/run.h"
#include "lieq/quantize/sensitivity.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"
#include "tests/support/thread_ranks.h"

namespace lieq::quantize {
namespace {

using test::must;
using test::on_ranks;

constexpr std::size_t kWindow = 32, kWindows = 21;  // leaves of one and of two windows

/// Rows of 256 and more, so that ranks get parts of one linear.
model::Model demo() {
  Threads threads(1);
  Sink sink;
  model::Model model = must(model::Model::load(test::demo_dir(), threads, sink));
  model.layers.resize(2);
  return model;
}

std::vector<model::TokenId> ids_for(const model::Model& model, std::size_t windows) {
  std::vector<model::TokenId> ids;
  for (std::size_t t = 0; t < windows * kWindow; ++t)
    ids.push_back(static_cast<model::TokenId>((t * t * 7 + t / 3) % model.config.vocab_size));
  return ids;
}

/// Both layers, the second one perhaps after the first was read from elsewhere.
std::vector<QuantizedLayer> quantise(const model::Model& model, std::size_t windows, const Options& options,
                                     Threads& threads, const QuantizedLayer* first = nullptr) {
  Sink sink;
  const std::vector<model::TokenId> ids = ids_for(model, windows);
  LayerWalk walk = must(LayerWalk::create(model, ids, kWindow, options, threads, sink));
  std::vector<QuantizedLayer> made;
  if (first) {
    EXPECT_TRUE(walk.resume_with(0, *first));
    made.push_back(*first);
  } else {
    made.push_back(must(walk.quantize(0, 4)));
  }
  made.push_back(must(walk.quantize(1, options.grid == Grid::kK ? 3 : 2)));
  return made;
}

void expect_equal(const QuantizedLayer& a, const QuantizedLayer& b) {
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
    EXPECT_EQ(a.linears[k].codes, b.linears[k].codes) << k;
    EXPECT_EQ(a.linears[k].scales, b.linears[k].scales) << k;
    EXPECT_EQ(a.linears[k].double_zeros, b.linears[k].double_zeros) << k;
    EXPECT_EQ(a.linears[k].g_idx, b.linears[k].g_idx) << k;
    EXPECT_EQ(a.blocks[k].bytes, b.blocks[k].bytes) << k;
    EXPECT_EQ(a.biases[k], b.biases[k]) << k;
    EXPECT_EQ(a.reports[k].loss, b.reports[k].loss) << k;
    EXPECT_EQ(a.reports[k].relative_loss, b.reports[k].relative_loss) << k;
    EXPECT_EQ(a.reports[k].compared_loss, b.reports[k].compared_loss) << k;
  }
  EXPECT_EQ(a.input_layernorm, b.input_layernorm);
  EXPECT_EQ(a.post_attention_layernorm, b.post_attention_layernorm);
}

class OnRanks : public ::testing::TestWithParam<Options> {};

TEST_P(OnRanks, TheBytesAreThoseOfOne) {
  const model::Model model = demo();
  Threads one(2);
  const std::vector<QuantizedLayer> expected = quantise(model, kWindows, GetParam(), one);
  for (const std::size_t ranks : {2U, 4U}) {
    SCOPED_TRACE(std::to_string(ranks) + " ranks");
    const bool resumes = ranks == 4;
    const auto made = on_ranks<std::vector<QuantizedLayer>>(ranks, [&](Threads& threads) {
      return quantise(model, kWindows, GetParam(), threads, resumes ? &expected[0] : nullptr);
    });
    for (const auto& layers : made)
      for (std::size_t l = 0; l < 2; ++l) expect_equal(layers[l], expected[l]);
  }
}

Options with(Method method, Grid grid, bool corrected, ActOrder order = ActOrder::kNone) {
  Options options;
  options.method = method;
  options.grid = grid;
  options.act_order = order;
  options.corrected_target = corrected;
  options.inner_gains = corrected;
  options.sweeps = 1;
  if (grid == Grid::kHalf) options.compare_grid = Grid::kSkew;
  return options;
}

INSTANTIATE_TEST_SUITE_P(Methods, OnRanks,
                         ::testing::Values(with(Method::kRtn, Grid::kHalf, false),
                                           with(Method::kGptq, Grid::kHalf, true),
                                           with(Method::kGptq, Grid::kAsym, false, ActOrder::kDynamic),
                                           with(Method::kGptq, Grid::kK, true),
                                           with(Method::kAwq, Grid::kSkew, false)));

/// Leaves without a window, ranks without a leaf and without a row.
TEST(Ranks, ThatHaveNothingOfTheirOwnGetTheLayerAsWell) {
  const model::Model model = demo();
  Options options;
  options.sweeps = 0;
  options.grid = Grid::kSkew;
  const auto first_layer = [&](Threads& threads) {
    Sink sink;
    const std::vector<model::TokenId> ids = ids_for(model, 5);
    return must(must(LayerWalk::create(model, ids, kWindow, options, threads, sink)).quantize(0, 2));
  };
  Threads one(2);
  const QuantizedLayer expected = first_layer(one);
  for (const QuantizedLayer& made : on_ranks<QuantizedLayer>(32, first_layer)) expect_equal(made, expected);
}

TEST(Ranks, ThatAreNoPowerOfTwoAreRefused) {
  const model::Model model = demo();
  const auto errors = on_ranks<std::string>(3, [&](Threads& threads) {
    Sink sink;
    const auto walk = LayerWalk::create(model, ids_for(model, 5), kWindow, {}, threads, sink);
    return walk ? "" : walk.error().message;
  });
  for (const std::string& error : errors)
    EXPECT_EQ(error, "quantising: found 3 ranks, expected a power of two of them: 1, 2, 4, 8, ...");
}

TEST(Ranks, ShareSensitivities) {
  const model::Model model = demo();
  const std::vector<model::TokenId> ids = ids_for(model, 6);
  constexpr int kWidths[] = {2, 3, 4};
  Options options;
  options.sweeps = 1;
  using Sensitivities = std::vector<std::map<int, double>>;
  const std::function<Sensitivities(Threads&)> measure = [&](Threads& threads) {
    Sink sink;
    return must(
        measure_sensitivity(model, nullptr, ids, std::span(ids).first(3 * kWindow), kWindow, kWidths, options, threads, sink));
  };
  Threads one(2);
  const Sensitivities expected = measure(one);
  for (const std::size_t ranks : {2U, 3U})
    for (const Sensitivities& measured : on_ranks<Sensitivities>(ranks, measure)) EXPECT_EQ(measured, expected);
}

TEST(PairwiseSums, AddInTheOrderOfTheTree) {
  Threads threads(1);
  // Sums of powers of two that a float cannot hold together show the order.
  const float big = 0x1p25F;
  const auto sum = [&](const std::vector<std::pair<std::size_t, float>>& leaves) {
    PairwiseSums<float> sums;
    for (const auto& [leaf, value] : leaves) sums.add(threads, leaf, {value});
    return sums.take(threads).at(0);
  };
  EXPECT_EQ(sum({{0, big}, {1, 1}, {2, 1}, {3, 1}}), big + 0) << "(big + 1) + (1 + 1), 1 being lost";
  EXPECT_EQ(sum({{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, big}, {7, 1}}), big + 4);
  EXPECT_EQ(sum({{1, 1}, {4, big}, {5, -big}, {6, 3}}), 4) << "1 + ((big - big) + 3), not (1 + big) - big";
  EXPECT_TRUE(PairwiseSums<float>().take(threads).empty());
}

TEST(WindowTree, LeavesOfRanksAreThoseOfOne) {
  for (const std::size_t windows : {0U, 1U, 5U, 16U, 33U, 64U, 1000U}) {
    const WindowTree whole(windows, 512, Ranks::alone());
    EXPECT_EQ(whole.own_windows().count(), windows);
    for (const std::size_t size : {2U, 4U, 16U, 64U, 128U}) {
      test::RankTeam team(size);
      std::size_t next_leaf = 0, next_window = 0;
      for (std::size_t r = 0; r < size; ++r) {
        const test::ThreadRanks ranks(team, r);
        const WindowTree tree(windows, 512, ranks);
        EXPECT_EQ(tree.own_leaves().first, next_leaf);
        EXPECT_EQ(tree.own_windows().first, next_window);
        next_leaf = tree.own_leaves().last;
        next_window = tree.own_windows().last;
      }
      EXPECT_EQ(next_leaf, whole.own_leaves().last);
      EXPECT_EQ(next_window, windows);
    }
  }
}

}  // namespace
}  // namespace lieq::quantize
