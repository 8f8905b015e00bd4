/// GPTQ and AWQ folders as other tools write them.
#include "tests/model/foreign_folder.h"

namespace lieq::model {
namespace {

class ForeignGptq : public testing::Test {
 protected:
  /// All linears of the layer with these widths.
  void fill(unsigned bits, std::size_t group_size, DType scales, std::uint32_t stored_less = 1) {
    unsigned seed = 1;
    for (const LinearShape& shape : linear_shapes()) {
      const ForeignLinear m = random_linear(shape.out, 32, bits, group_size, scales, seed++);
      folder.put_gptq(shape.module, m, scales, stored_less);
      expected[shape.kind] = m.weights_by_zeros();
    }
    folder.config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", bits}, {"group_size", group_size}};
  }
  void expect_all(const Model& model) {
    for (const LinearShape& shape : linear_shapes())
      expect_weights(model.layers[0].linear(shape.kind).weight, expected[shape.kind]);
  }
  void expect_error(const std::string& part) {
    const auto model = folder.load(threads);
    ASSERT_FALSE(model);
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
    EXPECT_EQ(model.error().message.find('\n'), std::string::npos);
  }

  Threads threads{2};
  ForeignFolder folder;
  std::map<LinearKind, std::vector<float>> expected;
};

TEST_F(ForeignGptq, ScalesMayBeBf16OrF32) {
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    SCOPED_TRACE(std::string(lieq::name(type)));
    fill(4, 16, type);
    const Model model = test::must(folder.load(threads));
    expect_all(model);
    // Random F32 scales are no halves, so those weights are kept as they are.
    EXPECT_EQ(model.layers[0].linear(LinearKind::kQ).weight.packed == nullptr, type == DType::kF32);
    EXPECT_EQ(model.format, "GPTQ");
  }
}

TEST_F(ForeignGptq, F32ScalesThatAreHalvesArePacked) {
  fill(2, 16, DType::kF16);
  for (const LinearShape& shape : linear_shapes()) {
    const ForeignLinear m = random_linear(shape.out, 32, 2, 16, DType::kF16, 5);
    folder.put_gptq(shape.module, m, DType::kF32, 1);
    expected[shape.kind] = m.weights_by_zeros();
  }
  const Model model = test::must(folder.load(threads));
  expect_all(model);
  EXPECT_TRUE(model.layers[0].linear(LinearKind::kQ).weight.packed);
}

TEST_F(ForeignGptq, TheLastGroupMayBeShort) {
  for (const unsigned bits : {2U, 4U, 8U}) {
    fill(bits, 24, DType::kF16);
    expect_all(test::must(folder.load(threads)));
  }
}

TEST_F(ForeignGptq, ActivationOrderWithAShortLastGroup) {
  fill(4, 24, DType::kF16);
  for (const LinearShape& shape : linear_shapes()) {
    ForeignLinear m = random_linear(shape.out, 32, 4, 24, DType::kF16, 9);
    std::mt19937 random(3);
    std::shuffle(m.g_idx.begin(), m.g_idx.end(), random);
    folder.put_gptq(shape.module, m, DType::kF16, 1);
    expected[shape.kind] = m.weights_by_zeros();
  }
  expect_all(test::must(folder.load(threads)));
}

TEST_F(ForeignGptq, GroupsOfOddSizesAreRefused) {
  fill(4, 16, DType::kF16);
  ForeignLinear m = random_linear(32, 32, 4, 16, DType::kF32, 9);
  m.g_idx[31] = 0;
  folder.put_gptq("model.layers.0.self_attn.q_proj", m, DType::kF32, 1);
  expect_error("model.layers.0.self_attn.q_proj.g_idx: found groups of odd sizes");
}

TEST_F(ForeignGptq, ZeroBiasesMeanNoBias) {
  fill(4, 16, DType::kF16);
  for (const LinearShape& shape : linear_shapes())
    folder.put_floats(shape.module + ".bias", DType::kF16, {shape.out}, std::vector<float>(shape.out, 0));
  const Model model = test::must(folder.load(threads));
  EXPECT_TRUE(model.layers[0].linear(LinearKind::kQ).bias.empty());
  std::vector<float> bias(32, 0);
  bias[31] = 0.5F;
  folder.put_floats("model.layers.0.self_attn.q_proj.bias", DType::kF16, {32}, bias);
  expect_error("tensor 'model.layers.0.self_attn.q_proj.bias': found, expected none");
}

TEST_F(ForeignGptq, QuantizeConfigAloneAndAnotherFileName) {
  fill(4, 16, DType::kF16);
  const Json old = {{"bits", 4}, {"group_size", 16}, {"desc_act", false}, {"damp_percent", 0.01}};
  folder.config.erase("quantization_config");
  std::ofstream(folder.path() / "quantize_config.json") << old.dump();
  expect_all(test::must(folder.load(threads, "gptq_model-4bit-16g.safetensors")));
}

TEST_F(ForeignGptq, ModulesLeftDenseNeedNoRule) {
  fill(4, 16, DType::kF16);
  ForeignFolder dense;
  const std::string module = "model.layers.0.mlp.down_proj";
  for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"}) folder.erase(module + part);
  folder.put_floats(module + ".weight", DType::kF16, {32, 32}, std::vector<float>(1024, 0.25F));
  const Model model = test::must(folder.load(threads));
  expect_weights(model.layers[0].linear(LinearKind::kDown).weight, std::vector<float>(1024, 0.25F));
  folder.erase(module + ".weight");
  expect_error("tensor 'model.layers.0.mlp.down_proj.qweight': missing");
}

TEST_F(ForeignGptq, CodesThatARuleExcludesAreRefused) {
  fill(4, 16, DType::kF16);
  folder.config["quantization_config"]["dynamic"] = {{"-:.*down_proj", Json::object()}};
  expect_error("quantization_config leaves 'model.layers.0.mlp.down_proj' as it was");
}

TEST_F(ForeignGptq, AQuantizedHeadIsUsedAndNotTied) {
  fill(4, 16, DType::kF16);
  const ForeignLinear head = random_linear(272, 32, 4, 16, DType::kF16, 77);
  folder.put_gptq("lm_head", head, DType::kF16, 1);
  folder.config["quantization_config"]["lm_head"] = true;
  for (const bool tied : {true, false}) {
    folder.config["tie_word_embeddings"] = tied;
    const Model model = test::must(folder.load(threads));
    expect_weights(model.lm_head, head.weights_by_zeros());
    EXPECT_FALSE(model.config.tie_word_embeddings);
  }
}

TEST_F(ForeignGptq, AutoRound) {
  fill(4, 16, DType::kF16);
  const ForeignLinear down = random_linear(32, 32, 2, 32, DType::kF16, 50);
  const ForeignLinear up = random_linear(32, 32, 8, 16, DType::kF16, 51);
  folder.put_gptq("model.layers.0.mlp.down_proj", down, DType::kF16, 1);
  folder.put_gptq("model.layers.0.mlp.up_proj", up, DType::kF16, 1);
  folder.config["quantization_config"] = {{"quant_method", "auto-round"},
                                          {"packing_format", "auto_round:auto_gptq"},
                                          {"bits", 4},
                                          {"group_size", 16},
                                          {"sym", true},
                                          {"data_type", "int"},
                                          {"extra_config",
                                           {{".*mlp.*", {{"bits", 8}}},
                                            {"model.layers.0.mlp.down_proj", {{"bits", 2}, {"group_size", 32}}},
                                            {"model.layers.0.mlp.gate_proj", {{"bits", 16}}}}}};
  for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"})
    folder.erase("model.layers.0.mlp.gate_proj" + std::string(part));
  folder.put_floats("model.layers.0.mlp.gate_proj.weight", DType::kF16, {32, 32}, std::vector<float>(1024, 0.5F));
  expected[LinearKind::kDown] = down.weights_by_zeros();
  expected[LinearKind::kUp] = up.weights_by_zeros();
  expected[LinearKind::kGate] = std::vector<float>(1024, 0.5F);
  expect_all(test::must(folder.load(threads)));

  folder.config["quantization_config"]["act_bits"] = 8;
  expect_error("field 'act_bits': found 8, expected 16");
  folder.config["quantization_config"].erase("act_bits");
  folder.config["quantization_config"]["packing_format"] = "auto_round:llm_compressor";
  expect_error("field 'packing_format': found 'auto_round:llm_compressor'");
}

TEST_F(ForeignGptq, AutoRoundsOwnPackingStoresZeroPointsAsTheyAre) {
  fill(4, 16, DType::kF16, 0);
  folder.config["quantization_config"] = {
      {"quant_method", "auto-round"}, {"packing_format", "auto_round"}, {"bits", 4}, {"group_size", 16}};
  expect_all(test::must(folder.load(threads)));
}

class ForeignAwq : public ForeignGptq {
 protected:
  void fill_awq(DType scales, std::size_t group_size) {
    unsigned seed = 1;
    for (const LinearShape& shape : linear_shapes()) {
      ForeignLinear m = random_linear(shape.out, 32, 4, group_size, scales, seed++);
      for (std::uint32_t& zero : m.zeros) zero &= 15U;
      m.zeros[0] = 0;
      folder.put_awq(shape.module, m, scales);
      expected[shape.kind] = m.weights_by_zeros();
    }
    folder.config["quantization_config"] = {
        {"quant_method", "awq"}, {"version", "gemm"}, {"bits", 4}, {"group_size", group_size}, {"zero_point", true}};
  }
};

TEST_F(ForeignAwq, GemmLayout) {
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    fill_awq(type, 16);
    const Model model = test::must(folder.load(threads));
    expect_all(model);
    EXPECT_EQ(model.format, "AWQ");
  }
}

TEST_F(ForeignAwq, AutoAwqsFirstConfiguration) {
  fill_awq(DType::kF16, 32);
  const Json old = {{"zero_point", true}, {"q_group_size", 32}, {"w_bit", 4}, {"version", "GEMM"}};
  folder.config.erase("quantization_config");
  std::ofstream(folder.path() / "quant_config.json") << old.dump();
  expect_all(test::must(folder.load(threads)));
}

TEST_F(ForeignAwq, OtherLayoutsAndWidthsAreRefused) {
  fill_awq(DType::kF16, 16);
  folder.config["quantization_config"]["version"] = "gemv";
  expect_error("field 'version': found 'gemv', expected 'gemm'");
  folder.config["quantization_config"]["version"] = "GEMM";
  folder.config["quantization_config"]["bits"] = 3;
  expect_error("field 'bits': found 3, expected 4");
  folder.config["quantization_config"]["bits"] = 4;
  folder.config["quantization_config"]["group_size"] = 24;
  expect_error("found groups of 24, expected a divisor of 32 inputs");
  folder.config["quantization_config"]["group_size"] = 32;
  expect_error("q_proj.qzeros': shape [2, 4] of I32, expected [1, 4] of I32");
}

}  // namespace
}  // namespace lieq::model
