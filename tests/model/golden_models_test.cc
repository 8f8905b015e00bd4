/// The forward pass against transformers' float32 results: ../shared/golden/models and golden/gguf.

#include <cmath>

#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "tests/support/golden.h"

namespace lieq::model {
namespace {

using test::GoldenArrays;
using test::Matrix;
using test::must;

// The golden README's bounds for an independent float32 implementation.
constexpr double kLogitBound = 1e-4, kNllBound = 1e-4, kPerplexityBound = 1e-5;

struct Case {
  std::string model;  ///< folder below golden/models, or golden/more_models
  std::string gguf;   ///< file below golden/gguf (or golden/more_models/gguf), or empty for the folder itself
  bool more = false;  ///< in golden/more_models

  [[nodiscard]] std::filesystem::path folder() const {
    return test::shared() / (more ? "golden/more_models" : "golden/models") / model;
  }
  /// A file beside the weights, e.g. with the end ".golden.json"; of a folder one inside.
  [[nodiscard]] std::filesystem::path file(const std::string& end) const {
    return test::shared() / (more ? "golden/more_models/gguf" : "golden/gguf") / (gguf + end);
  }
};

void PrintTo(const Case& c, std::ostream* out) { *out << (c.gguf.empty() ? c.model : c.gguf); }

/// A loaded model and what the runs share.
struct Fixture {
  Threads threads{2};
  Sink sink;
  Model model;
  RunState state;

  explicit Fixture(const std::filesystem::path& path, kernels::Compute compute = kernels::Compute::kF32)
      : model(must(Model::load(path, threads, sink))), state(model, threads, compute) {}

  Matrix hidden(const std::vector<TokenId>& ids, const ForwardOptions& options = {}) {
    Matrix out(ids.size(), model.config.hidden_size);
    const SequenceSpan sequence{ids.size(), nullptr};
    forward(model, ids, {&sequence, 1}, state, out.view(), options);
    return out;
  }
  Matrix all_logits(const std::vector<TokenId>& ids) {
    Matrix h = hidden(ids);
    Matrix out(ids.size(), model.config.vocab_size);
    logits(model, h.view(), state, out.view());
    return out;
  }
  /// -log p(id t+1) for all but the last token.
  std::vector<double> nll(const std::vector<TokenId>& ids, const ForwardOptions& options = {}) {
    Matrix h = hidden(ids, options);
    Matrix out(ids.size(), model.config.vocab_size);
    logits(model, h.view(), state, out.view());
    std::vector<double> values;
    for (std::size_t t = 0; t + 1 < ids.size(); ++t)
      values.push_back(kernels::log_sum_exp(out.view().row(t)) -
                       static_cast<double>(out.view()(t, static_cast<std::size_t>(ids[t + 1]))));
    return values;
  }
  /// The likeliest ids one after the other, each behind a cache of all before it or by a pass over them.
  std::vector<TokenId> greedy(const std::vector<TokenId>& prompt, std::size_t count, bool cached) {
    KvCache cache(model.config, prompt.size() + count);
    std::vector<TokenId> all = prompt, input = prompt;
    Matrix row(1, model.config.vocab_size);
    while (all.size() < prompt.size() + count) {
      Matrix h(input.size(), model.config.hidden_size);
      const SequenceSpan sequence{input.size(), cached ? &cache : nullptr};
      forward(model, input, {&sequence, 1}, state, h.view());
      logits(model, h.view().rows(input.size() - 1, 1), state, row.view());
      all.push_back(static_cast<TokenId>(kernels::arg_max(row.view().row(0))));
      input = cached ? std::vector<TokenId>{all.back()} : all;
    }
    return {all.begin() + static_cast<std::ptrdiff_t>(prompt.size()), all.end()};
  }
  double window_nll(const std::vector<TokenId>& windows, std::size_t window, const ForwardOptions& options = {}) {
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t first = 0; first < windows.size(); first += window) {
      for (const double v : nll({windows.begin() + static_cast<std::ptrdiff_t>(first),
                                 windows.begin() + static_cast<std::ptrdiff_t>(first + window)},
                                options)) {
        sum += v;
        ++count;
      }
    }
    return sum / static_cast<double>(count);
  }
};

double max_difference(std::span<const float> a, std::span<const float> b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

class GoldenModel : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (GetParam().more) {
      LIEQ_NEEDS_SHARED("golden/more_models");
    } else {
      LIEQ_NEEDS_SHARED("golden/models");
    }
  }
  [[nodiscard]] std::filesystem::path folder() const { return GetParam().folder(); }
  [[nodiscard]] std::filesystem::path path() const {
    return GetParam().gguf.empty() ? folder() : GetParam().file(".gguf");
  }
  [[nodiscard]] GoldenArrays arrays() const {
    return GoldenArrays(GetParam().gguf.empty() ? folder() / "golden.safetensors"
                                                : GetParam().file(".golden.safetensors"));
  }
  [[nodiscard]] Json numbers() const {
    return must(read_json(GetParam().gguf.empty() ? folder() / "golden.json" : GetParam().file(".golden.json")));
  }
};

TEST_P(GoldenModel, LogitsAndNllEqualTheReference) {
  Fixture f(path());
  const GoldenArrays golden = arrays();
  for (const std::string n : {"1", "7", "72", "128", "300"}) {
    if (!golden.has("logits_" + n)) continue;
    const auto ids = golden.get<TokenId>("ids_" + n);
    Matrix logits = f.all_logits(ids);
    const auto expected = golden.get<float>("logits_" + n);
    std::vector<std::int32_t> rows(ids.size());
    for (std::size_t t = 0; t < rows.size(); ++t) rows[t] = static_cast<std::int32_t>(t);
    if (golden.has("rows_" + n)) rows = golden.get<std::int32_t>("rows_" + n);
    const std::size_t vocab = f.model.config.vocab_size;
    ASSERT_EQ(expected.size(), rows.size() * vocab);
    for (std::size_t r = 0; r < rows.size(); ++r)
      EXPECT_LE(max_difference(logits.view().row(static_cast<std::size_t>(rows[r])),
                               std::span(expected).subspan(r * vocab, vocab)),
                kLogitBound)
          << n << " tokens, row " << rows[r];
    if (!golden.has("nll_" + n)) continue;
    const auto expected_nll = golden.get<float>("nll_" + n);
    const auto nll = f.nll(ids);
    ASSERT_EQ(nll.size(), expected_nll.size());
    for (std::size_t t = 0; t < nll.size(); ++t)
      EXPECT_NEAR(nll[t], static_cast<double>(expected_nll[t]), kNllBound) << n << ", token " << t;
  }
}

TEST_P(GoldenModel, PerplexityEqualsTheReference) {
  Fixture f(path());
  const GoldenArrays source(folder() / "golden.safetensors");
  const Json golden = numbers();
  const double expected = golden["ppl"].is_object() ? golden["ppl"]["ppl"].get<double>() : golden["ppl"].get<double>();
  const double perplexity = std::exp(f.window_nll(source.get<TokenId>("ppl_ids"), 256));
  EXPECT_NEAR(perplexity / expected, 1, kPerplexityBound);
}

const auto kAllCases = testing::Values(
    Case{"llama_bias_sharded_bf16", ""}, Case{"llama_gqa_untied_f32", ""}, Case{"llama_rope3_tied_f16", ""},
    Case{"qwen2_tied_bf16", ""}, Case{"qwen3_tied_f16", ""}, Case{"qwen3_untied_f32_sharded", ""},
    Case{"llama_bias_sharded_bf16", "llama_bias_sharded_bf16.Q8_0"},
    Case{"llama_rope3_tied_f16", "llama_rope3_tied_f16.F16"}, Case{"llama_rope3_tied_f16", "llama_rope3_tied_f16.Q4_0"},
    Case{"llama_rope3_tied_f16", "llama_rope3_tied_f16.Q4_1"},
    Case{"llama_rope3_tied_f16", "llama_rope3_tied_f16.Q8_0"}, Case{"qwen2_tied_bf16", "qwen2_tied_bf16.BF16"},
    Case{"qwen2_tied_bf16", "qwen2_tied_bf16.Q4_0"}, Case{"qwen3_tied_f16", "qwen3_tied_f16.F16"},
    Case{"qwen3_tied_f16", "qwen3_tied_f16.Q4_1"}, Case{"qwen3_tied_f16", "qwen3_tied_f16.Q8_0"});

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.gguf.empty() ? info.param.model : info.param.gguf + "_gguf";
  std::ranges::replace(name, '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModel, kAllCases, case_name);

const char* const kMoreFolders[] = {
    "gemma3_linear_f16_sharded", "gemma3_qscale_bf16",  "granite_scaled_f16",   "llama_dynamic_f16",
    "llama_linear_bf16",         "llama_yarn_f32",      "ministral3_yarn_bf16", "mistral_full_bf16_sharded",
    "mistral_window_f16",        "olmo2_postnorm_bf16", "olmo3_window_bf16",    "phi3_longrope_bf16_sharded",
    "phi3_partial_f16",          "phi3_window_f32",     "qwen2_window_bf16",    "qwen3_yarn_f16",
    "smollm3_nope_bf16"};

std::vector<Case> more_folders() {
  std::vector<Case> cases;
  for (const char* folder : kMoreFolders) cases.push_back({folder, "", true});
  return cases;
}

/// Folders, and the files of each type that were made of some of them.
std::vector<Case> more_models() {
  std::vector<Case> cases = more_folders();
  for (const char* file :
       {"gemma3_linear_f16_sharded.F16", "gemma3_linear_f16_sharded.Q4_0", "gemma3_linear_f16_sharded.Q8_0",
        "granite_scaled_f16.F16", "granite_scaled_f16.Q4_0", "granite_scaled_f16.Q8_0", "mistral_full_bf16_sharded.F16",
        "mistral_full_bf16_sharded.Q8_0", "olmo2_postnorm_bf16.F16", "olmo2_postnorm_bf16.Q4_0",
        "olmo2_postnorm_bf16.Q8_0", "phi3_longrope_bf16_sharded.Q8_0", "phi3_partial_f16.F16", "phi3_partial_f16.Q4_0",
        "phi3_partial_f16.Q8_0", "qwen3_yarn_f16.Q8_0", "smollm3_nope_bf16.F16", "smollm3_nope_bf16.Q4_0",
        "smollm3_nope_bf16.Q8_0"}) {
    const std::string name = file;
    cases.push_back({name.substr(0, name.rfind('.')), name, true});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(More, GoldenModel, testing::ValuesIn(more_models()), case_name);

/// What only the source folders have golden results for.
class GoldenFolder : public GoldenModel {
 protected:
  [[nodiscard]] std::vector<TokenId> some_ids() const {
    const GoldenArrays golden = arrays();
    return golden.get<TokenId>(golden.has("ids_128") ? "ids_128" : "ids_72");
  }
};

/// Keeps every block's output.
struct BlockOutputs : Observer {
  std::vector<std::vector<float>> inputs, outputs;
  void block_input(std::size_t, MatrixView<const float> x) override {
    inputs.emplace_back(x.data(), x.data() + x.rows() * x.cols());
  }
  void block_output(std::size_t, MatrixView<const float> x) override {
    outputs.emplace_back(x.data(), x.data() + x.rows() * x.cols());
  }
};

TEST_P(GoldenFolder, HiddenStatesEqualTheReference) {
  Fixture f(path());
  const GoldenArrays golden = arrays();
  BlockOutputs seen;
  const Matrix final_hidden = f.hidden(golden.get<TokenId>("ids_7"), {.skip_layer = std::nullopt, .observer = &seen});
  EXPECT_LE(max_difference(seen.inputs.at(0), golden.get<float>("hidden_7.embed")), kLogitBound);
  for (std::size_t l = 0; l < seen.outputs.size(); ++l)
    EXPECT_LE(max_difference(seen.outputs[l], golden.get<float>("hidden_7.layer_" + std::to_string(l))), kLogitBound)
        << "layer " << l;
  EXPECT_LE(max_difference(final_hidden.values, golden.get<float>("hidden_7.final_norm")), kLogitBound);
}

/// Keeps what q_proj of every layer reads.
struct QueryInputs : Observer {
  std::vector<std::vector<float>> inputs;
  void linear_input(std::size_t, std::span<const LinearKind> kinds, MatrixView<const float> x) override {
    if (kinds.front() == LinearKind::kQ) inputs.emplace_back(x.data(), x.data() + x.rows() * x.cols());
  }
};

TEST_P(GoldenFolder, ObserverSeesTheInputOfTheProjections) {
  Fixture f(path());
  const GoldenArrays golden = arrays();
  QueryInputs seen;
  (void)f.hidden(golden.get<TokenId>("svd_ids"), {.skip_layer = std::nullopt, .observer = &seen});
  std::size_t compared = 0;
  for (std::size_t l = 0; l < seen.inputs.size(); ++l) {
    const std::string name = "svd_X.layer_" + std::to_string(l);
    if (!golden.has(name)) continue;
    EXPECT_LE(max_difference(seen.inputs[l], golden.get<float>(name)), kLogitBound) << "layer " << l;
    ++compared;
  }
  EXPECT_EQ(compared, 2U);
}

TEST_P(GoldenFolder, SkippingALayerEqualsTheReference) {
  Fixture f(path());
  const auto ids = arrays().get<TokenId>("ppl_ids");
  const Json golden = numbers();
  const Json& removed = golden["ppl"]["layer_removed"];
  ASSERT_EQ(removed.size(), f.model.layers.size());
  for (std::size_t l = 0; l < f.model.layers.size(); ++l) {
    const Json& one = removed.is_array() ? removed[l] : removed[std::to_string(l)];
    const double expected = one["ppl"].get<double>();
    const double without = std::exp(f.window_nll(ids, 256, {.skip_layer = l, .observer = nullptr}));
    EXPECT_NEAR(without / expected, 1, 1e-4) << "layer " << l;
  }
}

TEST_P(GoldenFolder, GreedyContinuationsWithCacheEqualTheReference) {
  Fixture f(path());
  const Json golden = numbers();
  ASSERT_FALSE(golden["greedy"].empty());
  for (const Json& run : golden["greedy"]) {
    const auto prompt = run["prompt_ids"].get<std::vector<TokenId>>();
    const auto expected = run["new_ids"].get<std::vector<TokenId>>();
    const auto margins = run["top1_minus_top2"].get<std::vector<double>>();
    for (const bool cached : {true, false}) {
      if (cached && !run.value("kv_cache", true)) continue;  // frequencies that change with the length
      const std::vector<TokenId> produced = f.greedy(prompt, expected.size(), cached);
      const auto mismatch = std::ranges::mismatch(produced, expected);
      if (mismatch.in1 == produced.end()) continue;
      const auto at = static_cast<std::size_t>(mismatch.in1 - produced.begin());
      EXPECT_LE(margins[at], 1e-3) << "first difference at token " << at << ", where the choice was not close"
                                   << (cached ? "" : ", without a cache");
    }
  }
}

TEST_P(GoldenFolder, PiecesBehindACacheEqualOnePass) {
  Fixture f(path());
  const GoldenArrays golden = arrays();
  const auto ids = golden.get<TokenId>("ids_300");
  const RopeConfig& rope = f.model.config.rope;
  if (rope.length_key(ids.size()) != rope.length_key(1)) GTEST_SKIP() << "frequencies change with the length";
  const Matrix whole = f.hidden(ids);
  KvCache cache(f.model.config, ids.size(), DType::kF32);
  std::size_t first = 0;
  for (const std::size_t count : {std::size_t{1}, std::size_t{40}, std::size_t{7}, std::size_t{1}, std::size_t{100},
                                  std::size_t{149}, std::size_t{1}, std::size_t{1}}) {
    const std::vector<TokenId> piece(ids.begin() + static_cast<std::ptrdiff_t>(first),
                                     ids.begin() + static_cast<std::ptrdiff_t>(first + count));
    Matrix hidden(count, f.model.config.hidden_size);
    const SequenceSpan sequence{count, &cache};
    forward(f.model, piece, {&sequence, 1}, f.state, hidden.view());
    EXPECT_LE(max_difference(hidden.values, std::span(whole.values).subspan(first * whole.cols, count * whole.cols)),
              2e-5)
        << count << " tokens behind " << first;
    first += count;
  }
}

TEST_P(GoldenFolder, ResultsDoNotDependOnBatchingOrThreads) {
  const auto ids = some_ids();
  Fixture f(path());
  const Matrix together = f.hidden(ids);
  // The same sequence three times in one batch, on one thread.
  Threads one(1);
  RunState state(f.model, one, kernels::Compute::kF32);
  std::vector<TokenId> thrice;
  for (int i = 0; i < 3; ++i) thrice.insert(thrice.end(), ids.begin(), ids.end());
  const std::vector<SequenceSpan> sequences(3, {ids.size(), nullptr});
  Matrix batched(thrice.size(), f.model.config.hidden_size);
  forward(f.model, thrice, sequences, state, batched.view());
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_LE(max_difference(std::span(batched.values).subspan(i * together.values.size(), together.values.size()),
                             together.values),
              1e-5);
  Matrix again(ids.size(), f.model.config.hidden_size);
  const SequenceSpan sequence{ids.size(), nullptr};
  forward(f.model, ids, {&sequence, 1}, state, again.view());
  EXPECT_EQ(again.values, together.values) << "one and two threads differ";
}

TEST_P(GoldenFolder, BrainFloatComputeStaysClose) {
  const auto ids = some_ids();
  Fixture exact(path()), rounded(path(), kernels::Compute::kBF16);
  const auto a = exact.nll(ids), b = rounded.nll(ids);
  double difference = 0, most = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    difference += (b[t] - a[t]) / static_cast<double>(a.size());
    most = std::max(most, std::abs(b[t] - a[t]));
  }
  // bfloat16 keeps 8 significant bits: single tokens move by some per cent of a nat, the mean by far less.
  EXPECT_LE(std::abs(difference), 0.02);
  EXPECT_LE(most, 0.5);
  EXPECT_GT(most, 0) << "nothing was rounded";
}

INSTANTIATE_TEST_SUITE_P(All, GoldenFolder,
                         testing::Values(Case{"llama_bias_sharded_bf16", ""}, Case{"llama_gqa_untied_f32", ""},
                                         Case{"llama_rope3_tied_f16", ""}, Case{"qwen2_tied_bf16", ""},
                                         Case{"qwen3_tied_f16", ""}, Case{"qwen3_untied_f32_sharded", ""}),
                         case_name);
INSTANTIATE_TEST_SUITE_P(More, GoldenFolder, testing::ValuesIn(more_folders()), case_name);

}  // namespace
}  // namespace lieq::model
