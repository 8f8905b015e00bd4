/// Families whose layers differ from Llama's, through quantising, saving and exporting: ../shared/golden/more_models.

#include <cmath>

#include "lieq/model/forward.h"
#include "lieq/save/export.h"
#include "lieq/save/pruned_folder.h"
#include "tests/save/fixture.h"
#include "tests/support/golden.h"

namespace lieq::save {
namespace {

using model::LinearKind;
using model::TokenId;
using test::GoldenArrays;
using test::must;

/// Keeps what it is told.
struct Heard : Sink {
  std::string warnings, notes;
  void warn(std::string_view line) override { warnings.append(line).append("\n"); }
  void note(std::string_view line) override { notes.append(line).append("\n"); }
};

/// Numbers of the configuration, such as an attention scale, are rounded to float32 once more.
constexpr double kRounding = 1e-5;

double most_apart(const std::vector<float>& a, const std::vector<float>& b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

class Families : public SaveTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    LIEQ_NEEDS_SHARED("golden/more_models");
    SaveTest::SetUp();
  }
  [[nodiscard]] static std::filesystem::path golden(const std::string& name) {
    return test::shared() / "golden/more_models" / name;
  }
  [[nodiscard]] static std::vector<TokenId> ids(const std::string& name, const char* array) {
    return GoldenArrays(golden(name) / "golden.safetensors").get<TokenId>(array);
  }

  std::vector<float> logits(const model::Model& model, const std::vector<TokenId>& tokens) {
    model::RunState state(model, threads_, kernels::Compute::kF32);
    test::Matrix hidden(tokens.size(), model.config.hidden_size), out(tokens.size(), model.config.vocab_size);
    const model::SequenceSpan sequence{tokens.size(), nullptr};
    model::forward(model, tokens, {&sequence, 1}, state, hidden.view());
    model::logits(model, hidden.view(), state, out.view());
    return out.values;
  }

  /// Quantises with the whole recipe and saves; `quantised` becomes the model as it was while quantising.
  std::filesystem::path quantize_whole(const model::Model& model, const std::vector<TokenId>& calibration,
                                       quantize::Grid grid, model::Model& quantised) {
    quantize::Options options;
    options.grid = grid;
    options.group_size = 32;
    options.inner_gains = grid == quantize::Grid::kHalf;
    const std::vector<unsigned> bits(model.layers.size(), 4);
    auto walk = value(quantize::LayerWalk::create(model, calibration, 64, options, threads_, heard_));
    quantised.config = model.config;
    quantised.embed_tokens = model.embed_tokens;
    quantised.lm_head = model.lm_head;
    quantised.norm = model.norm;
    FolderContents contents;
    contents.source = &model;
    contents.options = options;
    for (const unsigned one : bits) contents.widths.push_back(quantize::uniform_widths(one));
    contents.quantizer = "lieq:test";
    contents.layer = [&](std::size_t l) -> Result<quantize::QuantizedLayer> {
      LIEQ_ASSIGN(quantize::QuantizedLayer done, walk.quantize(l, 4));
      quantised.layers.push_back(quantize::PackedLayer(threads_, model.layers[l], done).layer());
      return done;
    };
    const std::filesystem::path folder = path_ / "quantized";
    const auto written = write_gptq_folder(contents, folder);
    if (!written) throw std::runtime_error(written.error().message);
    return folder;
  }

  static void expect_same_codes(const model::Model& a, const model::Model& b) {
    ASSERT_EQ(a.layers.size(), b.layers.size());
    for (std::size_t l = 0; l < a.layers.size(); ++l) {
      for (const LinearKind kind : model::kLinearKinds) {
        const pack::StoredMatrix &x = a.layers[l].linear(kind).weight, &y = b.layers[l].linear(kind).weight;
        ASSERT_EQ(x.rows, y.rows);
        ASSERT_EQ(x.cols, y.cols);
        std::size_t different = 0;
        for (std::size_t i = 0; i < x.rows; ++i) different += row(x, i) == row(y, i) ? 0 : 1;
        EXPECT_EQ(different, 0U) << "layer " << l << " " << model::name(kind);
        EXPECT_EQ(a.layers[l].linear(kind).bias, b.layers[l].linear(kind).bias);
      }
      for (const model::Role role :
           {model::Role::kInputNorm, model::Role::kAttentionOutputNorm, model::Role::kPostAttentionNorm,
            model::Role::kMlpOutputNorm, model::Role::kQNorm, model::Role::kKNorm})
        EXPECT_EQ(a.layers[l].norm(role), b.layers[l].norm(role)) << "layer " << l;
      EXPECT_EQ(a.layers[l].attention, b.layers[l].attention);
    }
    EXPECT_EQ(a.norm, b.norm);
  }

  /// Over the layers' weights, norms and biases.
  ExportRecord exported(const char* target, const model::Model& model, const std::string& name) {
    ExportOptions options;
    options.output = path_ / name;
    return value(export_model(**find_target(target), model, options, threads_, heard_));
  }

  Heard heard_;
};

class QuantisedFamilies : public Families {};

TEST_P(QuantisedFamilies, TheSavedFolderIsTheModelThatWasCalibrated) {
  const model::Model model = load(golden(GetParam()));
  model::Model quantised;
  const auto folder = quantize_whole(model, ids(GetParam(), "eval_ids"), quantize::Grid::kHalf, quantised);
  const model::Model saved = load(folder);
  expect_same_codes(saved, quantised);
  const std::vector<TokenId> text = ids(GetParam(), "ids_72");
  EXPECT_EQ(logits(saved, text), logits(quantised, text));
  // Four bits stay close to the model.
  const std::vector<float> a = logits(model, text), b = logits(saved, text);
  double square = 0, error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    square += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    error += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  }
  EXPECT_LT(error / square, 0.05);
  const bool after = model.config.norms != model::NormPlacement::kBefore;
  EXPECT_EQ(heard_.notes.find("a norm is behind them") != std::string::npos, after) << heard_.notes;
  EXPECT_EQ(heard_.notes.find("no norm is before them") != std::string::npos,
            model.config.norms == model::NormPlacement::kAfter);
  for (const char* target : {"mlx", "hf-fp16"}) exported(target, saved, target);  // compares on its own
}

TEST_P(QuantisedFamilies, AGgufFileHoldsTheSameCodes) {
  const model::Model model = load(golden(GetParam()));
  model::Model quantised;
  const model::Model saved = load(quantize_whole(model, ids(GetParam(), "eval_ids"), quantize::Grid::kSkew, quantised));
  const ExportRecord record = exported("gguf", saved, "m.gguf");
  EXPECT_EQ(record.largest_difference(), 0);
  const model::Model read = load(path_ / "m.gguf");
  expect_same_codes(read, quantised);
  const std::vector<TokenId> text = ids(GetParam(), "ids_72");
  EXPECT_LE(most_apart(logits(read, text), logits(quantised, text)), kRounding);
  exported("gptq_v2", saved, "gptq_v2");
  exported("compressed-tensors", saved, "ct");
}

INSTANTIATE_TEST_SUITE_P(All, QuantisedFamilies,
                         testing::Values("olmo2_postnorm_bf16", "phi3_partial_f16", "phi3_longrope_bf16_sharded",
                                         "gemma3_linear_f16_sharded"),
                         [](const auto& test) { return std::string(test.param); });

/// Dense folders as GGUF files, and those as folders again.
class DenseFamilies : public Families {};

TEST_P(DenseFamilies, ThroughGgufAndBack) {
  const model::Model model = load(golden(GetParam()));
  const std::vector<TokenId> text = ids(GetParam(), "ids_72");
  const std::vector<float> expected = logits(model, text);
  exported("gguf", model, "m.gguf");
  const model::Model file = load(path_ / "m.gguf");
  EXPECT_LE(most_apart(logits(file, text), expected), kRounding);
  exported("hf-fp16", file, "folder");
  const model::Model folder = load(path_ / "folder");
  EXPECT_EQ(folder.config.layer_kinds, model.config.layer_kinds);
  EXPECT_LE(most_apart(logits(folder, text), expected), 2e-2);  // some weights lie below the range of half precision
  EXPECT_EQ(heard_.warnings, "");
}

INSTANTIATE_TEST_SUITE_P(All, DenseFamilies,
                         testing::Values("olmo2_postnorm_bf16", "olmo3_window_bf16", "phi3_partial_f16",
                                         "phi3_longrope_bf16_sharded", "gemma3_linear_f16_sharded",
                                         "granite_scaled_f16", "smollm3_nope_bf16", "ministral3_yarn_bf16",
                                         "mistral_full_bf16_sharded"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(Families, WhatGgufCannotSayIsRefused) {
  const auto refusal = [&](const char* name) {
    const model::Model model = load(golden(name));
    ExportOptions options;
    options.output = path_ / "m.gguf";
    const auto record = export_model(**find_target("gguf"), model, options, threads_, heard_);
    EXPECT_FALSE(std::filesystem::exists(options.output)) << name;
    return record ? std::string("was written") : record.error().message;
  };
  EXPECT_NE(refusal("mistral_window_f16").find("field 'sliding_window': found a window of 20, but gguf holds none"),
            std::string::npos);
  EXPECT_NE(refusal("qwen2_window_bf16").find("a window of 18"), std::string::npos);
  EXPECT_NE(refusal("gemma3_qscale_bf16").find("field 'query_pre_attn_scalar': found an attention scale of 0.158"),
            std::string::npos);
}

TEST_F(Families, LayersGoWhereTheConfigurationListsThem) {
  const std::vector<std::size_t> kept = {1, 2, 3};
  const auto prune = [&](const char* name) {
    const model::Model model = load(golden(name));
    EXPECT_TRUE(check_prunable(model)) << name;
    const std::filesystem::path folder = path_ / name;
    std::filesystem::create_directory(folder);
    EXPECT_TRUE(write_pruned_folder(model, kept, folder, threads_));
    const std::vector<TokenId> text = ids(name, "ids_72");
    EXPECT_EQ(logits(load(folder), text), logits(keep_layers(model, kept), text)) << name;
  };
  prune("gemma3_linear_f16_sharded");
  prune("olmo3_window_bf16");
  prune("qwen2_window_bf16");
  EXPECT_FALSE(check_prunable(load(golden("smollm3_nope_bf16"))));
  EXPECT_FALSE(check_prunable(load(golden("gemma3_qscale_bf16"))));
}

}  // namespace
}  // namespace lieq::save
