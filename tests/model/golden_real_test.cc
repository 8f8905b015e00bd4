/// Real models against transformers: SmolLM2-135M-Instruct, as GGUF and as Hugging Face folder
/// (../shared/golden/smollm2), Gemma 3 270M and two of Qwen2.5-Coder as GGUF (../shared/golden/real_models). SmolLM2 is
/// fetched by tools/get_smollm2
/// (./test does it); tests of models that are not in $LIEQ_TEST_MODELS are skipped.

#include <cmath>
#include <cstdlib>
#include <numeric>

#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "tests/support/golden.h"

namespace lieq::model {
namespace {

using test::GoldenArrays;
using test::Matrix;
using test::must;

// The golden README's bounds.
constexpr double kMeanNllBound = 1e-4, kNllBound = 2e-3, kLogitBound = 5e-3, kGreedyMargin = 0.01;

struct Case {
  const char* file;    ///< below the models folder
  const char* golden;  ///< below golden/, without the ending
  std::vector<std::string> windows;

  [[nodiscard]] std::string name() const { return std::string(golden).substr(std::string(golden).find('/') + 1); }
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.golden; }

class GoldenReal : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    LIEQ_NEEDS_SHARED(std::string("golden/") + GetParam().golden + ".json");
    const char* models = std::getenv("LIEQ_TEST_MODELS");
    path_ = std::filesystem::path(models ? models : "") / GetParam().file;
    if (!models || !std::filesystem::exists(path_))
      GTEST_SKIP() << "needs $LIEQ_TEST_MODELS/" << GetParam().file << " (of SmolLM2: tools/get_smollm2 FOLDER --hf)";
    model_ = std::make_unique<Model>(must(Model::load(path_, threads_, sink_)));
    state_ = std::make_unique<RunState>(*model_, threads_, kernels::Compute::kF32);
  }
  [[nodiscard]] std::filesystem::path golden(const char* suffix) const {
    return test::shared() / "golden" / (std::string(GetParam().golden) + suffix);
  }

  Threads threads_{2};
  Sink sink_;
  std::filesystem::path path_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<RunState> state_;
};

TEST_P(GoldenReal, WindowsOfWikiTextEqualTheReference) {
  const GoldenArrays arrays(golden(".safetensors"));
  const std::size_t vocab = model_->config.vocab_size;
  for (const std::string& window : GetParam().windows) {
    const auto ids = arrays.get<TokenId>(window + ".ids");
    const auto expected = arrays.get<float>(window + ".nll");
    Matrix hidden(ids.size(), model_->config.hidden_size);
    const SequenceSpan sequence{ids.size(), nullptr};
    forward(*model_, ids, {&sequence, 1}, *state_, hidden.view());
    double sum = 0, expected_sum = 0, worst = 0;
    constexpr std::size_t kSlice = 64;
    Matrix slice(kSlice, vocab);
    for (std::size_t first = 0; first < ids.size(); first += kSlice) {
      logits(*model_, hidden.view().rows(first, kSlice), *state_, slice.view());
      for (std::size_t t = first; t < std::min(first + kSlice, ids.size() - 1); ++t) {
        const auto scores = slice.view().row(t - first);
        const double nll =
            kernels::log_sum_exp(scores) - static_cast<double>(scores[static_cast<std::size_t>(ids[t + 1])]);
        sum += nll;
        expected_sum += static_cast<double>(expected[t]);
        worst = std::max(worst, std::abs(nll - static_cast<double>(expected[t])));
      }
    }
    EXPECT_LE(worst, kNllBound) << window;
    EXPECT_NEAR(sum / static_cast<double>(expected.size()), expected_sum / static_cast<double>(expected.size()),
                kMeanNllBound)
        << window;
    const auto top_ids = arrays.get<TokenId>(window + ".top20_ids");
    const auto top_logits = arrays.get<float>(window + ".top20_logits");
    for (std::size_t i = 0; i < top_ids.size(); ++i)
      EXPECT_NEAR(slice.view()(kSlice - 1, static_cast<std::size_t>(top_ids[i])), top_logits[i], kLogitBound)
          << window << ", rank " << i;
  }
}

TEST_P(GoldenReal, GreedyContinuationsEqualTheReference) {
  const Json numbers = must(read_json(golden(".json")));
  ASSERT_FALSE(numbers["greedy"].empty());
  for (const Json& run : numbers["greedy"]) {
    std::vector<TokenId> input = run["prompt_ids"].get<std::vector<TokenId>>();
    const auto expected = run["new_ids"].get<std::vector<TokenId>>();
    const auto margins = run["top1_minus_top2"].get<std::vector<double>>();
    KvCache cache(model_->config, input.size() + expected.size());
    Matrix row(1, model_->config.vocab_size);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      Matrix hidden(input.size(), model_->config.hidden_size);
      const SequenceSpan sequence{input.size(), &cache};
      forward(*model_, input, {&sequence, 1}, *state_, hidden.view());
      logits(*model_, hidden.view().rows(input.size() - 1, 1), *state_, row.view());
      const auto produced = static_cast<TokenId>(kernels::arg_max(row.view().row(0)));
      if (produced != expected[i]) {
        EXPECT_LE(margins[i], kGreedyMargin) << "token " << i << ": " << produced << " instead of " << expected[i];
        break;
      }
      input = {produced};
    }
  }
}

const std::vector<std::string> kSmolWindows = {"w512_0", "w512_1", "w512_2", "w512_3", "w2048_0", "w2048_1"};

INSTANTIATE_TEST_SUITE_P(
    All, GoldenReal,
    testing::Values(Case{"SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2/gguf_q4_1", kSmolWindows},
                    Case{"SmolLM2-135M-Instruct", "smollm2/fp16_safetensors", kSmolWindows},
                    Case{"gemma-3-270m.Q4_K_M.gguf", "real_models/gemma3_270m", {"w512_0", "w512_1", "w1024_0"}},
                    Case{"Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf", "real_models/qwen2_5_coder_0_5b", {"w512_0"}},
                    Case{"Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf", "real_models/qwen2_5_coder_1_5b", {"w512_0"}}),
    [](const auto& instance) { return instance.param.name(); });

}  // namespace
}  // namespace lieq::model
