/// The whole diagnosis on a model of one layer with random weights, where nothing can be ranked and everything must
/// still hold.

#include <cmath>
#include <limits>

#include "lieq/diagnose/diagnose.h"
#include "lieq/diagnose/geometry.h"
#include "lieq/diagnose/perplexity_drop.h"
#include "lieq/diagnose/score.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::diagnose {
namespace {

using test::must;
using Passages = std::vector<std::vector<TokenId>>;

struct TinyModel : testing::Test {
  Threads threads{3};
  Sink sink;
  model::Model model =
      must(model::Model::load(test::data_dir() / "tiny-llama", threads, sink));

  static std::vector<TokenId> passage(std::size_t tokens, TokenId first) {
    std::vector<TokenId> ids;
    for (std::size_t t = 0; t < tokens; ++t)
      ids.push_back(static_cast<TokenId>((static_cast<std::size_t>(first) + 37 * t) % 270));
    return ids;
  }
  static std::vector<Cell> cells() {
    return {{"a.txt", "33-128", {passage(40, 1), passage(64, 2), passage(90, 3)}},
            {"b.txt", "129-512", {passage(200, 4)}}};
  }
};

TEST_F(TinyModel, IsDiagnosedAndWrittenAndRead) {
  DiagnoseOptions options;
  options.score.score = "lieq";
  ASSERT_TRUE(set_weights(options.score, {}, {}, {}));
  const LayerScores scores = must(diagnose(model, "tiny", cells(), options, threads, sink));
  ASSERT_EQ(scores.layers.size(), 1U);
  EXPECT_EQ(scores.layers[0].rank, 1U);
  EXPECT_EQ(scores.layers[0].weights, model::footprint(model.layers[0]).parameters);
  ASSERT_EQ(scores.cells.size(), 2U);
  EXPECT_EQ(scores.cells[0].tokens, 194U);
  EXPECT_NEAR(*scores.layers[0].perplexity_drop,
              (scores.cells[0].perplexity_drop[0] + scores.cells[1].perplexity_drop[0]) / 2, 1e-9);
  EXPECT_FALSE(scores.cells[0].rho_compactness) << "one layer has no order";
  const Json json = to_json(scores);
  EXPECT_EQ(to_json(must(layer_scores_from_json(json, "scores.json"))), json);
}

TEST_F(TinyModel, GeometryAloneMeasuresNoPerplexity) {
  const LayerScores scores = must(diagnose(model, "tiny", cells(), {}, threads, sink));
  EXPECT_FALSE(scores.layers[0].perplexity_drop);
  EXPECT_FALSE(scores.cells[0].perplexity);
  DiagnoseOptions options;
  options.perplexity_drop = true;
  EXPECT_TRUE(must(diagnose(model, "tiny", cells(), options, threads, sink)).layers[0].perplexity_drop);
}

TEST_F(TinyModel, ResultsDoNotDependOnThreads) {
  DiagnoseOptions options;
  options.perplexity_drop = true;
  const Json three = to_json(must(diagnose(model, "tiny", cells(), options, threads, sink)));
  Threads one(1);
  EXPECT_EQ(to_json(must(diagnose(model, "tiny", cells(), options, one, sink))), three);
  options.score.seed = 43;
  EXPECT_NE(to_json(must(diagnose(model, "tiny", cells(), options, one, sink))), three);
}

TEST_F(TinyModel, GeometryInputMatters) {
  GeometryOptions options;
  const std::vector<std::vector<TokenId>> passages = {passage(60, 9)};
  const auto normed = must(geometry(model, passages, options, threads, sink));
  options.input = GeometryInput::kResidual;
  const auto residual = must(geometry(model, passages, options, threads, sink));
  EXPECT_NE(normed[0][0].compactness, residual[0][0].compactness);
}

TEST_F(TinyModel, RefusesWhatCannotRun) {
  const auto code = [](const auto& result) { return result ? ErrorCode::kIo : result.error().code; };
  EXPECT_EQ(code(geometry(model, Passages{passage(300, 1)}, {}, threads, sink)), ErrorCode::kInvalidArgument)
      << "max 256";
  EXPECT_EQ(code(geometry(model, Passages{std::vector<TokenId>{1, 272}}, {}, threads, sink)),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(removal_nll(model, Passages{std::vector<TokenId>{1}}, {}, threads, sink)),
            ErrorCode::kInvalidArgument);
  const auto small =
      removal_nll(model, Passages{passage(100, 1)}, {.compute = kernels::Compute::kF32, .memory = 1000}, threads, sink);
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().message.find("memory: found 0 MiB, expected at least"), 0U) << small.error().message;
}

TEST(SpectrumOf, KnownSpectra) {
  const std::vector<double> flat(10, 3.0);
  EXPECT_NEAR(spectrum_of(flat, 4).effective_rank, 10, 1e-12);
  EXPECT_NEAR(spectrum_of(flat, 4).top_energy, 0.4, 1e-12);
  EXPECT_NEAR(spectrum_of(flat, 40).top_energy, 1, 1e-12);
  const std::vector<double> one = {5, 0, 0};
  EXPECT_NEAR(spectrum_of(one, 1).effective_rank, 1, 1e-12);
  EXPECT_NEAR(spectrum_of(one, 1).top_energy, 1, 1e-12);
  const std::vector<double> none = {0, 0};
  EXPECT_EQ(spectrum_of(none, 1).effective_rank, 0);
  // Half of the random rank: dr = 0.5; the mean over draws counts.
  const Spectrum trained{5, 0.9}, random[] = {{8, 0.3}, {12, 0.5}};
  EXPECT_NEAR(compare(trained, random).compactness, 0.5, 1e-12);
  EXPECT_NEAR(compare(trained, random).energy_gain, 0.5, 1e-12);
}

}  // namespace
}  // namespace lieq::diagnose
