/// compressed-tensors and MLX folders as their tools write them.
#include "tests/model/foreign_folder.h"

namespace lieq::model {
namespace {

class ForeignRows : public testing::Test {
 protected:
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

Json scheme(unsigned bits, std::size_t group_size, bool symmetric) {
  return {{"num_bits", bits},
          {"type", "int"},
          {"symmetric", symmetric},
          {"strategy", group_size == 0 ? "channel" : "group"},
          {"group_size", group_size == 0 ? Json() : Json(group_size)},
          {"dynamic", false},
          {"actorder", nullptr}};
}
Json group(const std::vector<std::string>& targets, const Json& weights) {
  return {{"targets", targets}, {"weights", weights}, {"input_activations", nullptr}, {"output_activations", nullptr}};
}

class ForeignCompressed : public ForeignRows {
 protected:
  /// group_size 0: one group a row.
  void fill(unsigned bits, std::size_t group_size, DType scales, bool symmetric, std::size_t per_word = 0) {
    unsigned seed = 1;
    for (const LinearShape& shape : linear_shapes()) {
      ForeignLinear m = random_linear(shape.out, 32, bits, group_size == 0 ? 32 : group_size, scales, seed++);
      if (symmetric) m.zeros.assign(m.zeros.size(), 1U << (bits - 1));
      folder.put_compressed(shape.module, m, scales, symmetric, per_word);
      expected[shape.kind] = m.weights_by_zeros();
    }
    folder.config["quantization_config"] = {
        {"quant_method", "compressed-tensors"},
        {"format", "pack-quantized"},
        {"quantization_status", "compressed"},
        {"config_groups", {{"group_0", group({"Linear"}, scheme(bits, group_size, symmetric))}}},
        {"ignore", {"lm_head"}}};
  }
};

TEST_F(ForeignCompressed, WidthsScalesAndGrids) {
  for (const unsigned bits : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U})
    for (const std::size_t group_size : {std::size_t{0}, std::size_t{16}})
      for (const bool symmetric : {true, false})
        for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
          SCOPED_TRACE(std::to_string(bits) + " bits g" + std::to_string(group_size));
          fill(bits, group_size, type, symmetric);
          if (!symmetric) {
            // k and v have 16 outputs, too few to tell: each stream of zero points ends within a word at odd widths.
            ASSERT_TRUE(folder.has("model.layers.0.self_attn.k_proj.weight_zero_point"));
          }
          const Model model = test::must(folder.load(threads));
          expect_all(model);
          EXPECT_EQ(model.format, "compressed-tensors");
          if (type != DType::kF32) {
            EXPECT_EQ(model.layers[0].linear(LinearKind::kQ).weight.code_bits(), bits);
          }
          for (const LinearShape& shape : linear_shapes()) folder.erase(shape.module + ".weight_zero_point");
        }
}

TEST_F(ForeignCompressed, WholeCodesInAWord) {
  for (const unsigned bits : {3U, 5U, 6U, 7U})
    for (const bool symmetric : {true, false}) {
      fill(bits, 16, DType::kF16, symmetric, 32 / bits);
      expect_all(test::must(folder.load(threads)));
      for (const LinearShape& shape : linear_shapes()) folder.erase(shape.module + ".weight_zero_point");
    }
}

TEST_F(ForeignCompressed, OneScaleForAll) {
  fill(4, 0, DType::kF16, true);
  for (const LinearShape& shape : linear_shapes()) {
    ForeignLinear m = random_linear(shape.out, 32, 4, 32, DType::kF16, 4);
    m.scales.assign(m.scales.size(), 0.125F);
    m.zeros.assign(m.zeros.size(), 11);
    folder.put_compressed(shape.module, m, DType::kF16, true);
    folder.put_floats(shape.module + ".weight_scale", DType::kF16, {1}, {0.125F});
    folder.put(shape.module + ".weight_zero_point", DType::kI8, {1}, std::vector<std::int8_t>{3});
    expected[shape.kind] = m.weights_by_zeros();
  }
  Json& weights = folder.config["quantization_config"]["config_groups"]["group_0"]["weights"];
  weights["strategy"] = "tensor";
  weights["symmetric"] = false;
  expect_all(test::must(folder.load(threads)));
}

TEST_F(ForeignCompressed, ZeroPointsAsBytes) {
  fill(4, 16, DType::kBF16, false);
  for (const LinearShape& shape : linear_shapes()) {
    const ForeignLinear m = random_linear(shape.out, 32, 4, 16, DType::kBF16, 6);
    folder.put_compressed(shape.module, m, DType::kBF16, true);
    std::vector<std::int8_t> zeros;
    for (const std::uint32_t z : m.zeros) zeros.push_back(static_cast<std::int8_t>(static_cast<int>(z) - 8));
    folder.put(shape.module + ".weight_zero_point", DType::kI8, {shape.out, 2}, zeros);
    expected[shape.kind] = m.weights_by_zeros();
  }
  expect_all(test::must(folder.load(threads)));
}

TEST_F(ForeignCompressed, ActivationOrder) {
  fill(4, 16, DType::kF16, true);
  for (const LinearShape& shape : linear_shapes()) {
    ForeignLinear m = random_linear(shape.out, 32, 4, 16, DType::kF16, 8);
    m.zeros.assign(m.zeros.size(), 8);
    std::mt19937 random(5);
    std::shuffle(m.g_idx.begin(), m.g_idx.end(), random);
    folder.put_compressed(shape.module, m, DType::kF16, true);
    folder.put(shape.module + ".weight_g_idx", DType::kI32, {32}, m.g_idx);
    expected[shape.kind] = m.weights_by_zeros();
  }
  expect_all(test::must(folder.load(threads)));
  folder.put("model.layers.0.mlp.up_proj.weight_g_idx", DType::kI32, {32}, std::vector<std::int32_t>(32, 2));
  expect_error("up_proj: weight_g_idx: found group 2, expected below 2");
  folder.put("model.layers.0.mlp.up_proj.weight_g_idx", DType::kI32, {32}, std::vector<std::int32_t>(32, 1));
  expect_error("up_proj: weight_g_idx: found groups of different sizes");
}

TEST_F(ForeignCompressed, GroupsByNameExpressionAndClass) {
  fill(4, 16, DType::kF16, true);
  const auto change = [&](LinearKind kind, const std::string& module, unsigned bits) {
    ForeignLinear m = random_linear(32, 32, bits, 32, DType::kF16, 20 + bits);
    m.zeros.assign(m.zeros.size(), 1U << (bits - 1));
    folder.put_compressed(module, m, DType::kF16, true);
    expected[kind] = m.weights_by_zeros();
  };
  change(LinearKind::kUp, "model.layers.0.mlp.up_proj", 2);
  change(LinearKind::kGate, "model.layers.0.mlp.gate_proj", 8);
  Json& config = folder.config["quantization_config"];
  config["config_groups"] = {{"a", group({"Linear"}, scheme(4, 16, true))},
                             {"b", group({"re:.*layers\\.(0|7)\\.mlp\\.(up|gate)_proj"}, scheme(2, 32, true))},
                             {"c", group({"model.layers.0.mlp.gate_proj"}, scheme(8, 32, true))}};
  config["ignore"] = {"lm_head", "re:.*o_proj$"};
  for (const char* part : {".weight_packed", ".weight_scale", ".weight_shape"})
    folder.erase("model.layers.0.self_attn.o_proj" + std::string(part));
  folder.put_floats("model.layers.0.self_attn.o_proj.weight", DType::kF16, {32, 32}, std::vector<float>(1024, 0.5F));
  expected[LinearKind::kO] = std::vector<float>(1024, 0.5F);
  expect_all(test::must(folder.load(threads)));
}

TEST_F(ForeignCompressed, WhatItDoesNotRunIsRefused) {
  fill(4, 16, DType::kF16, true);
  const Json good = folder.config["quantization_config"];
  Json& config = folder.config["quantization_config"];
  const auto refused = [&](const char* pointer, const Json& value, const std::string& part) {
    config = good;
    config[Json::json_pointer(pointer)] = value;
    expect_error(part);
  };
  refused("/format", "nvfp4-pack-quantized", "field 'format': found 'nvfp4-pack-quantized', expected 'pack-quantized'");
  refused("/config_groups/group_0/input_activations", {{"num_bits", 8}}, "field 'input_activations': found an object");
  refused("/config_groups/group_0/weights/type", "float", "field 'type': found 'float', expected 'int'");
  refused("/config_groups/group_0/weights/num_bits", 9, "field 'num_bits': found 9, expected 1 to 8");
  refused("/config_groups/group_0/weights/strategy", "block", "field 'strategy': found 'block'");
  refused("/config_groups/group_0/targets", {"re:("}, "found rule '(', expected a regular expression");
  refused("/config_groups/group_0/weights/group_size", 24, "found groups of 24, expected a divisor of 32 inputs");
  refused("/config_groups/group_0/weights/symmetric", false, "weight_zero_point': missing");
  refused("/quantization_status", "frozen", "field 'quantization_status': found 'frozen', expected 'compressed'");
  refused("/kv_cache_scheme", {{"num_bits", 8}}, "field 'kv_cache_scheme': found an object, expected null");
  refused("/sparsity_config", {{"format", "sparse-bitmask"}}, "found 'sparse-bitmask', expected 'dense'");
  refused("/config_groups", nullptr, "field 'config_groups': missing");
  config = good;
  folder.put("model.layers.0.mlp.up_proj.weight_shape", DType::kI64, {2}, std::vector<std::int64_t>{32, 64});
  expect_error("up_proj: weight_shape: found [32, 64], expected [32, 32]");
}

class ForeignMlx : public ForeignRows {
 protected:
  void fill(unsigned bits, DType type) {
    unsigned seed = 1;
    for (const LinearShape& shape : linear_shapes()) {
      const ForeignLinear m = random_linear(shape.out, 32, bits, 32, type, seed++);
      folder.put_mlx(shape.module, m, type);
      expected[shape.kind] = m.weights_by_biases();
    }
    folder.config["quantization"] = {{"group_size", 32}, {"bits", bits}, {"mode", "affine"}};
    folder.config["quantization_config"] = folder.config["quantization"];
  }
};

TEST_F(ForeignMlx, WidthsAndTypes) {
  for (const unsigned bits : {2U, 3U, 4U, 5U, 6U, 8U})
    for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
      SCOPED_TRACE(std::to_string(bits) + " bits, " + std::string(lieq::name(type)));
      fill(bits, type);
      const Model model = test::must(folder.load(threads));
      expect_all(model);
      EXPECT_EQ(model.format, "MLX");
      const pack::StoredMatrix& q = model.layers[0].linear(LinearKind::kQ).weight;
      if (type == DType::kF16) {
        ASSERT_TRUE(q.packed);
        EXPECT_EQ(q.format(), std::to_string(bits) + "-bit g32");
        EXPECT_EQ(q.bytes(), 32 * 32 * bits / 8 + 32 * 4U);
      }
    }
}

TEST_F(ForeignMlx, OnlyTheCopyOfTheBlock) {
  fill(4, DType::kF16);
  folder.config.erase("quantization");
  expect_all(test::must(folder.load(threads)));
}

TEST_F(ForeignMlx, ModulesWithWidthsOfTheirOwnAndTheEmbedding) {
  fill(2, DType::kBF16);
  const ForeignLinear up = random_linear(32, 32, 8, 32, DType::kBF16, 30),
                      down = random_linear(32, 32, 4, 16, DType::kF16, 31),
                      embedding = random_linear(272, 32, 4, 32, DType::kF16, 32);
  folder.put_mlx("model.layers.0.mlp.up_proj", up, DType::kBF16);
  folder.put_mlx("model.layers.0.mlp.down_proj", down, DType::kF16);  // not named below: its shapes tell
  folder.put_mlx("model.embed_tokens", embedding, DType::kF16);
  folder.erase("model.layers.0.mlp.gate_proj.scales");
  folder.erase("model.layers.0.mlp.gate_proj.biases");
  folder.put_floats("model.layers.0.mlp.gate_proj.weight", DType::kF16, {32, 32}, std::vector<float>(1024, 0.5F));
  folder.config["quantization"]["model.layers.0.mlp.up_proj"] = {{"group_size", 32}, {"bits", 8}};
  folder.config["quantization"]["model.embed_tokens"] = {{"group_size", 32}, {"bits", 4}};
  folder.config["quantization"]["model.layers.0.mlp.gate_proj"] = false;
  expected[LinearKind::kUp] = up.weights_by_biases();
  expected[LinearKind::kDown] = down.weights_by_biases();
  expected[LinearKind::kGate] = std::vector<float>(1024, 0.5F);
  const Model model = test::must(folder.load(threads));
  expect_all(model);
  expect_weights(model.embed_tokens, embedding.weights_by_biases());
  expect_weights(model.lm_head, embedding.weights_by_biases());
}

TEST_F(ForeignMlx, AGroupOfZeroCodesFreesItsScale) {
  fill(4, DType::kF16);
  ForeignLinear m = random_linear(32, 32, 4, 32, DType::kF16, 40);
  for (std::size_t j = 0; j < 32; ++j) m.codes[j] = 0;
  m.scales[0] = bf16_to_float(float_to_bf16(1e-7F));  // what MLX gives a group of zeros, and no half
  m.biases[0] = 0;
  for (float& scale : m.scales) scale = as_stored(scale, DType::kBF16);
  for (float& bias : m.biases) bias = as_stored(bias, DType::kBF16);
  folder.put_mlx("model.layers.0.self_attn.q_proj", m, DType::kBF16);
  const Model model = test::must(folder.load(threads));
  expect_weights(model.layers[0].linear(LinearKind::kQ).weight, m.weights_by_biases());
  EXPECT_TRUE(model.layers[0].linear(LinearKind::kQ).weight.packed);
}

TEST_F(ForeignMlx, WhatItDoesNotRunIsRefused) {
  fill(4, DType::kF16);
  folder.config["quantization"]["mode"] = "mxfp4";
  expect_error("config.json: quantization: field 'mode': found 'mxfp4', expected 'affine'");
  folder.config["quantization"]["mode"] = "affine";
  folder.config["quantization"]["bits"] = 7;
  expect_error("field 'bits': found 7, expected 2, 3, 4, 5, 6 or 8");
  folder.config["quantization"]["bits"] = 4;
  folder.config["quantization"]["model.layers.0.mlp.up_proj"] = {{"group_size", 32}, {"bits", 8}};
  expect_error("up_proj.weight': shape [32, 4] of U32, expected [32, 8] of U32");
  folder.config["quantization"].erase("model.layers.0.mlp.up_proj");
  folder.erase("model.layers.0.mlp.up_proj.biases");
  expect_error("up_proj.biases': missing, expected shape [32, 1] of F16, BF16 or F32");
}

}  // namespace
}  // namespace lieq::model
