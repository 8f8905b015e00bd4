/// Layer removal, spectra and random projections against ../shared/golden/models (transformers and float64 SVDs).

#include <cmath>

#include "lieq/diagnose/geometry.h"
#include "lieq/diagnose/perplexity_drop.h"
#include "lieq/kernels/linear.h"
#include "lieq/linalg/singular_values.h"
#include "tests/support/golden.h"

namespace lieq::diagnose {
namespace {

using model::LinearKind;
using model::Model;
using model::TokenId;
using test::GoldenArrays;
using test::Matrix;
using test::must;

struct Projection {
  LinearKind kind;
  std::string name;
};
const Projection kProjections[] = {{LinearKind::kQ, "q"}, {LinearKind::kK, "k"}, {LinearKind::kV, "v"}};

class GoldenDiagnosis : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    LIEQ_NEEDS_SHARED("golden/" + GetParam());
    folder_ = test::shared() / "golden" / GetParam();
    model_.emplace(must(Model::load(folder_, threads_, sink_)));
    arrays_.emplace(folder_ / "golden.safetensors");
    golden_ = must(read_json(folder_ / "golden.json"));
  }
  /// X of the golden passage, as q, k and v of each layer read it.
  std::vector<Matrix> inputs() {
    struct Keep : model::Observer {
      std::vector<Matrix> seen;
      void linear_input(std::size_t, std::span<const LinearKind> kinds, MatrixView<const float> x) override {
        if (kinds.front() != LinearKind::kQ) return;
        Matrix& copy = seen.emplace_back(x.rows(), x.cols());
        for (std::size_t t = 0; t < x.rows(); ++t) std::ranges::copy(x.row(t), copy.view().row(t).begin());
      }
    } keep;
    const auto ids = arrays_->get<TokenId>("svd_ids");
    model::RunState state(*model_, threads_, kernels::Compute::kF32);
    const model::SequenceSpan sequence{ids.size(), nullptr};
    Matrix hidden(ids.size(), model_->config.hidden_size);
    model::forward(*model_, ids, {&sequence, 1}, state, hidden.view(), {.skip_layer = std::nullopt, .observer = &keep});
    return std::move(keep.seen);
  }
  std::vector<double> project(Matrix& x, const pack::StoredMatrix& weight) {
    Matrix z(x.rows, weight.rows);
    kernels::LinearScratch scratch;
    kernels::linear(threads_, weight, {}, x.view(), kernels::Compute::kF32, scratch, z.view());
    return linalg::singular_values(z.view());
  }

  Threads threads_{2};
  Sink sink_;
  std::filesystem::path folder_;
  std::optional<Model> model_;
  std::optional<GoldenArrays> arrays_;
  Json golden_;
};

TEST_P(GoldenDiagnosis, PerplexityDropsEqualTheReference) {
  const auto ids = arrays_->get<TokenId>("ppl_ids");
  std::vector<std::vector<TokenId>> passages;
  for (std::size_t first = 0; first < ids.size(); first += 256)
    passages.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(first),
                          ids.begin() + static_cast<std::ptrdiff_t>(first + 256));
  const double predicted = static_cast<double>(passages.size()) * 255;
  const auto perplexity = [&](const std::vector<double>& sums) {
    double sum = 0;
    for (const double s : sums) sum += s;
    return std::exp(sum / predicted);
  };
  const RemovalNll nll = must(removal_nll(*model_, passages, {}, threads_, sink_));
  const double whole = perplexity(nll.whole);
  EXPECT_NEAR(whole / golden_["ppl"]["ppl"].get<double>(), 1, 1e-5);
  const Json& removed = golden_["ppl"]["layer_removed"];
  ASSERT_EQ(removed.size(), nll.without.size());
  for (std::size_t l = 0; l < removed.size(); ++l) {
    const double without = perplexity(nll.without[l]);
    // The golden README's bound; and the issue's, 0.1 % of the drop itself.
    EXPECT_NEAR(without - whole, removed[l]["delta_ppl"].get<double>(), 1e-4 * without) << "layer " << l;
    EXPECT_NEAR((without - whole) / removed[l]["delta_ppl"].get<double>(), 1, 1e-3) << "layer " << l;
  }

  // Chunks and batches as small as they can be.
  Result<RemovalNll> chunked = fail(ErrorCode::kInvalidArgument, "");
  for (std::size_t memory = std::size_t{60} << 20; !chunked; memory += std::size_t{1} << 16)
    chunked = removal_nll(*model_, passages, {.compute = kernels::Compute::kF32, .memory = memory}, threads_, sink_);
  for (std::size_t l = 0; l < removed.size(); ++l)
    EXPECT_NEAR(perplexity(chunked->without[l]) / perplexity(nll.without[l]), 1, 1e-5);
}

TEST_P(GoldenDiagnosis, SpectraEqualTheReference) {
  std::vector<Matrix> x = inputs();
  std::size_t compared = 0;
  for (const Json& layer : golden_["svd"]["layers"]) {
    const auto l = layer["layer"].get<std::size_t>();
    for (const Projection& p : kProjections) {
      const auto values = project(x.at(l), model_->layers[l].linear(p.kind).weight);
      const Json& expected = layer[p.name];
      ASSERT_EQ(values.size(), expected["rank_max"].get<std::size_t>());
      for (const auto& [k, energy] : expected["topk_energy"].items())
        EXPECT_NEAR(spectrum_of(values, std::stoul(k)).top_energy, energy.get<double>(), 1e-5)
            << l << p.name << " k " << k;
      const double r = spectrum_of(values, 8).effective_rank;
      EXPECT_NEAR(r / expected["r"].get<double>(), 1, 1e-4) << l << p.name;
      const std::string name = "sv_" + p.name + ".layer_" + std::to_string(l);
      if (!arrays_->has(name)) continue;
      const auto golden = arrays_->get<double>(name);
      for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_NEAR(values[i], golden[i], 1e-5 * golden[0]) << name << " " << i;
      ++compared;
    }
  }
  EXPECT_GE(compared, 6U);
}

/// The model that has golden random matrices.
class GoldenRandom : public GoldenDiagnosis {};

TEST_P(GoldenRandom, DifferencesToRandomProjectionsEqualTheReference) {
  std::vector<Matrix> x = inputs();
  for (const Json& layer : golden_["svd"]["layers"]) {
    const auto l = layer["layer"].get<std::size_t>();
    for (const Projection& p : kProjections) {
      const std::string name = "w_rand_" + p.name + ".layer_" + std::to_string(l);
      const pack::StoredMatrix& weight = model_->layers[l].linear(p.kind).weight;
      const auto random = arrays_->get<float>(name);
      ASSERT_EQ(random.size(), weight.rows * weight.cols);
      const pack::StoredMatrix stored{.name = name,
                                      .type = DType::kF32,
                                      .rows = weight.rows,
                                      .cols = weight.cols,
                                      .data = reinterpret_cast<const std::byte*>(random.data()),
                                      .interleaved_head_dim = 0};
      const Json& expected = layer[p.name + "_rand"];
      for (const auto& [k, gain] : expected["delta_E"].items()) {
        const std::size_t top_k = std::stoul(k);
        const Spectrum untrained = spectrum_of(project(x.at(l), stored), top_k);
        const Geometry difference = compare(spectrum_of(project(x.at(l), weight), top_k), {&untrained, 1});
        EXPECT_NEAR(difference.energy_gain, gain.get<double>(), 2e-5) << name << " k " << k;
        EXPECT_NEAR(difference.compactness, expected["delta_r_rel"].get<double>(), 2e-4) << name;
      }
    }
  }
}

TEST_P(GoldenDiagnosis, GeometryOfAModelIsTheMeanOverItsProjections) {
  const auto ids = arrays_->get<TokenId>("svd_ids");
  const GeometryOptions options{
      .top_k = 8, .draws = 2, .seed = 5, .input = GeometryInput::kNormed, .compute = kernels::Compute::kF32};
  const auto metrics = must(geometry(*model_, std::vector<std::vector<TokenId>>{ids}, options, threads_, sink_));
  ASSERT_EQ(metrics.size(), 1U);
  std::vector<Matrix> x = inputs();
  for (std::size_t l = 0; l < model_->layers.size(); ++l) {
    Geometry mean;
    for (std::size_t p = 0; p < 3; ++p) {
      const pack::StoredMatrix& weight = model_->layers[l].linear(kProjections[p].kind).weight;
      Matrix random(weight.rows, weight.cols);
      std::vector<Spectrum> untrained;
      for (std::size_t draw = 0; draw < options.draws; ++draw) {
        draw_projection(options.seed, p, draw, model_->config.initializer_range, threads_, random.view());
        untrained.push_back(spectrum_of(project(x[l], {.name = "",
                                                       .type = DType::kF32,
                                                       .rows = weight.rows,
                                                       .cols = weight.cols,
                                                       .data = reinterpret_cast<const std::byte*>(random.values.data()),
                                                       .interleaved_head_dim = 0}),
                                        8));
      }
      const Geometry one = compare(spectrum_of(project(x[l], weight), 8), untrained);
      mean.compactness += one.compactness / 3;
      mean.energy_gain += one.energy_gain / 3;
    }
    EXPECT_NEAR(metrics[0][l].compactness, mean.compactness, 1e-6) << "layer " << l;
    EXPECT_NEAR(metrics[0][l].energy_gain, mean.energy_gain, 1e-6) << "layer " << l;
  }
}

TEST_P(GoldenDiagnosis, ResultsDoNotDependOnThreads) {
  const auto ids = arrays_->get<TokenId>("svd_ids");
  const std::vector<std::vector<TokenId>> passages = {
      ids, {ids.begin(), ids.begin() + 40}, {ids.begin() + 7, ids.begin() + 60}};
  Threads one(1), three(3);
  const auto a = must(geometry(*model_, passages, {}, one, sink_)),
             b = must(geometry(*model_, passages, {}, three, sink_));
  const RemovalNll x = must(removal_nll(*model_, passages, {}, one, sink_)),
                   y = must(removal_nll(*model_, passages, {}, three, sink_));
  EXPECT_EQ(x.whole, y.whole);
  EXPECT_EQ(x.without, y.without);
  for (std::size_t p = 0; p < passages.size(); ++p) {
    for (std::size_t l = 0; l < model_->layers.size(); ++l) {
      EXPECT_EQ(a[p][l].compactness, b[p][l].compactness);
      EXPECT_EQ(a[p][l].energy_gain, b[p][l].energy_gain);
    }
  }
}

std::string folder_name(const testing::TestParamInfo<std::string>& test) {
  return test.param.substr(test.param.find('/') + 1);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenRandom, testing::Values("models/llama_bias_sharded_bf16"), folder_name);
INSTANTIATE_TEST_SUITE_P(All, GoldenDiagnosis,
                         testing::Values("models/llama_bias_sharded_bf16", "models/llama_gqa_untied_f32",
                                         "models/llama_rope3_tied_f16", "models/qwen2_tied_bf16",
                                         "models/qwen3_tied_f16", "models/qwen3_untied_f32_sharded"),
                         folder_name);
INSTANTIATE_TEST_SUITE_P(More, GoldenDiagnosis,
                         testing::Values("more_models/gemma3_linear_f16_sharded", "more_models/gemma3_qscale_bf16",
                                         "more_models/granite_scaled_f16", "more_models/mistral_window_f16",
                                         "more_models/ministral3_yarn_bf16", "more_models/olmo2_postnorm_bf16",
                                         "more_models/olmo3_window_bf16", "more_models/phi3_longrope_bf16_sharded",
                                         "more_models/phi3_partial_f16", "more_models/phi3_window_f32",
                                         "more_models/qwen2_window_bf16", "more_models/smollm3_nope_bf16"),
                         folder_name);

}  // namespace
}  // namespace lieq::diagnose
