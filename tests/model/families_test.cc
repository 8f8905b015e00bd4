/// What configurations of the supported families say, in config.json of both generations and in GGUF.

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>

#include "lieq/io/safetensors_writer.h"
#include "lieq/model/forward.h"
#include "tests/io/build_files.h"
#include "tests/support/golden.h"

namespace lieq::model {
namespace {

using test::must;

/// Keeps what it is told.
struct Heard : Sink {
  std::string all;
  void warn(std::string_view line) override { all.append(line).append("\n"); }
};

/// A config.json with small sizes.
class FamilyConfig : public testing::Test {
 protected:
  Result<ModelConfig> read(const char* architecture, const char* type, const char* more) {
    Json json = {{"architectures", {architecture}}, {"model_type", type},     {"hidden_size", 64},
                 {"intermediate_size", 128},        {"num_hidden_layers", 6}, {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},        {"vocab_size", 100}};
    json.update(Json::parse(more));
    heard_.all.clear();
    return config_from_json(Json::parse(json.dump()), "config.json", heard_);
  }
  std::string refusal(const char* architecture, const char* type, const char* more) {
    const auto config = read(architecture, type, more);
    return config ? "was read" : config.error().message;
  }
  static std::string windows(const ModelConfig& config) {
    std::string text;
    for (const LayerKind& kind : config.layer_kinds) text += kind.window == 0 ? "F" : "w";
    return text;
  }
  static std::string rotations(const ModelConfig& config) {
    std::string text;
    for (const LayerKind& kind : config.layer_kinds) text += kind.rotated ? "r" : "n";
    return text;
  }

  Heard heard_;
};

TEST_F(FamilyConfig, WindowsFollowEachFamilysRule) {
  const auto mistral = [&](const char* more) { return must(read("MistralForCausalLM", "mistral", more)); };
  EXPECT_EQ(mistral("{}").layer_kinds[0].window, 4096U);  // what the class has where nothing is said
  EXPECT_EQ(windows(mistral(R"({"sliding_window": 16})")), "wwwwww");
  EXPECT_EQ(windows(mistral(R"({"sliding_window": null})")), "FFFFFF");
  EXPECT_EQ(heard_.all, "");
  EXPECT_EQ(windows(mistral(R"({"sliding_window": 16, "layer_types": ["full_attention", "full_attention",
    "full_attention", "full_attention", "full_attention", "full_attention"]})")),
            "wwwwww");
  EXPECT_NE(heard_.all.find("'layer_types' means nothing in this family"), std::string::npos);

  const char* types = R"({"sliding_window": 16, "layer_types": ["full_attention", "sliding_attention",
    "sliding_attention", "full_attention", "sliding_attention", "full_attention"]})";
  EXPECT_EQ(windows(must(read("MinistralForCausalLM", "ministral", types))), "FwwFwF");
  EXPECT_EQ(windows(must(read("Olmo3ForCausalLM", "olmo3", types))), "FwwFwF");
  EXPECT_EQ(windows(must(read("Olmo3ForCausalLM", "olmo3", "{}"))), "wwwFww");
  EXPECT_EQ(windows(must(read("Gemma3ForCausalLM", "gemma3_text", "{}"))), "wwwwwF");
  EXPECT_EQ(windows(must(read("Gemma3ForCausalLM", "gemma3_text", R"({"sliding_window_pattern": 2})"))), "wFwFwF");
  EXPECT_EQ(windows(must(read("Gemma3ForCausalLM", "gemma3_text", types))), "FwwFwF");
  EXPECT_NE(refusal("Gemma3ForCausalLM", "gemma3_text", R"({"sliding_window": null})").find("found null"),
            std::string::npos);
  EXPECT_NE(refusal("Olmo3ForCausalLM", "olmo3", R"({"layer_types": ["full_attention"]})")
                .find("found a list of 1, expected a list of 6"),
            std::string::npos);
  EXPECT_NE(refusal("Olmo3ForCausalLM", "olmo3", R"({"layer_types": ["linear_attention", "full_attention",
    "full_attention", "full_attention", "full_attention", "full_attention"]})")
                .find("\"linear_attention\""),
            std::string::npos);

  const auto qwen = [&](const char* more) { return must(read("Qwen3ForCausalLM", "qwen3", more)); };
  EXPECT_EQ(windows(qwen(R"({"sliding_window": 16, "max_window_layers": 2})")), "FFFFFF");
  EXPECT_EQ(windows(qwen(R"({"use_sliding_window": true, "sliding_window": 16, "max_window_layers": 2})")), "FFwwww");
  EXPECT_EQ(windows(qwen(R"({"use_sliding_window": true, "sliding_window": null, "max_window_layers": 2})")), "FFFFFF");
  EXPECT_NE(refusal("Qwen3ForCausalLM", "qwen3", types).find("beside use_sliding_window false"), std::string::npos);
}

TEST_F(FamilyConfig, LayersWithoutRope) {
  const auto config = [&](const char* more) { return must(read("SmolLM3ForCausalLM", "smollm3", more)); };
  EXPECT_EQ(rotations(config("{}")), "rrrnrr");
  EXPECT_EQ(rotations(config(R"({"no_rope_layer_interval": 2})")), "rnrnrn");
  EXPECT_EQ(rotations(config(R"({"no_rope_layers": [1, 0, 0, 1, 1, 1, 0]})")), "rnnrrr");
  EXPECT_EQ(windows(config(R"({"use_sliding_window": true, "sliding_window": 8})")), "FFFwFF");
  EXPECT_EQ(config("{}").rope.theta, 2000000);
  EXPECT_TRUE(config("{}").tie_word_embeddings);
  EXPECT_NE(refusal("SmolLM3ForCausalLM", "smollm3", R"({"no_rope_layers": [1, 0]})").find("field 'no_rope_layers'"),
            std::string::npos);
}

TEST_F(FamilyConfig, RopesOfBothKindsOfLayers) {
  const auto config = [&](const char* more) { return must(read("Gemma3ForCausalLM", "gemma3_text", more)); };
  const ModelConfig plain = config("{}");
  EXPECT_EQ(plain.rope.theta, 1000000);
  EXPECT_EQ(plain.window_rope->theta, 10000);
  const ModelConfig old = config(R"({"rope_theta": 500.0, "rope_local_base_freq": 50.0,
    "rope_scaling": {"rope_type": "linear", "factor": 8.0}})");
  EXPECT_EQ(old.rope.theta, 500);
  EXPECT_EQ(old.rope.factor, 8);
  EXPECT_EQ(old.window_rope->theta, 50);
  EXPECT_EQ(old.window_rope->type, RopeType::kDefault);
  const ModelConfig fresh = config(R"({"rope_parameters": {
    "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 700.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 70.0}}})");
  EXPECT_EQ(fresh.rope.theta, 700);
  EXPECT_EQ(fresh.rope.factor, 4);
  EXPECT_EQ(fresh.window_rope->theta, 70);
  EXPECT_EQ(heard_.all, "");
  EXPECT_NE(refusal("Gemma3ForCausalLM", "gemma3_text", R"({"rope_parameters": {"rope_theta": 5.0}})")
                .find("expected an object with full_attention and sliding_attention"),
            std::string::npos);
  (void)config(R"({"rope_parameters": {"full_attention": {"rope_type": "default", "twist": 1}}})");
  EXPECT_NE(heard_.all.find("'rope_parameters.full_attention.twist'"), std::string::npos) << heard_.all;
  // OLMo 3 has one theta for both.
  const ModelConfig olmo =
      must(read("Olmo3ForCausalLM", "olmo3", R"({"rope_theta": 900.0, "max_position_embeddings": 512,
    "rope_scaling": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64}})"));
  EXPECT_EQ(olmo.rope.type, RopeType::kYarn);
  EXPECT_EQ(olmo.window_rope->type, RopeType::kDefault);
  EXPECT_EQ(olmo.window_rope->theta, 900);
}

TEST_F(FamilyConfig, PartOfAHeadIsRotated) {
  const auto config = [&](const char* more) { return must(read("Phi3ForCausalLM", "phi3", more)); };
  EXPECT_EQ(config("{}").rotated(), 16U);
  EXPECT_EQ(config(R"({"partial_rotary_factor": 0.75})").rotated(), 12U);
  EXPECT_EQ(config(R"({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5},
                       "partial_rotary_factor": 0.75})")
                .rotated(),
            8U);
  EXPECT_NE(refusal("Phi3ForCausalLM", "phi3", R"({"partial_rotary_factor": 0.2})").find("even part of head_dim = 16"),
            std::string::npos);
  EXPECT_NE(refusal("GraniteForCausalLM", "granite", R"({"partial_rotary_factor": 0.5})").find("expected 1"),
            std::string::npos);
}

TEST_F(FamilyConfig, LongropeAndItsOlderNames) {
  const std::string factors = R"("short_factor": [1, 1, 1, 1, 1, 1, 1, 2], "long_factor": [1, 2, 3, 4, 5, 6, 7, 8])";
  const auto config = [&](const std::string& object, const char* context) {
    return must(read(
        "Phi3ForCausalLM", "phi3",
        (R"({"rope_scaling": {)" + factors + object + R"(}, "max_position_embeddings": )" + context + "}").c_str()));
  };
  for (const char* type : {"longrope", "su", "yarn"}) {
    const RopeConfig rope = config(std::string(R"(, "type": ")") + type + '"', "16384").rope;
    EXPECT_EQ(rope.type, RopeType::kLongRope) << type;
    EXPECT_EQ(rope.original_max_position_embeddings, 4096) << "what the class has";
    EXPECT_NEAR(rope.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(4096.0)), 1e-12);
    EXPECT_EQ(rope.length_key(4096), 0U);
    EXPECT_EQ(rope.length_key(4097), 1U);
    const std::vector<float> within = inverse_frequencies(rope, 16, 4096), beyond = inverse_frequencies(rope, 16, 4097);
    for (std::size_t j = 0; j < 8; ++j) {
      const double plain = 1 / std::pow(10000.0, 2 * static_cast<double>(j) / 16);
      EXPECT_NEAR(static_cast<double>(within[j]) / plain, j == 7 ? 0.5 : 1, 1e-6);
      EXPECT_NEAR(static_cast<double>(beyond[j]) / plain, 1 / (1 + static_cast<double>(j)), 1e-6);
    }
  }
  EXPECT_EQ(config(R"(, "type": "longrope")", "4096").rope.attention_factor, 1);
  EXPECT_EQ(config(R"(, "type": "longrope", "attention_factor": 1.5)", "16384").rope.attention_factor, 1.5);
  EXPECT_NE(refusal("Phi3ForCausalLM", "phi3", R"({"rope_scaling": {"type": "longrope", "short_factor": [1],
    "long_factor": [1]}})")
                .find("field 'short_factor': found a list of 1, expected a list of 8"),
            std::string::npos);
}

TEST_F(FamilyConfig, ScalesAndActivations) {
  const ModelConfig granite = must(read("GraniteForCausalLM", "granite", R"({"attention_multiplier": 0.25,
    "embedding_multiplier": 12, "residual_multiplier": 0.5, "logits_scaling": 8, "attention_bias": true})"));
  EXPECT_EQ(granite.attention_scale, 0.25F);
  EXPECT_EQ(granite.embedding_multiplier, 12);
  EXPECT_EQ(granite.residual_multiplier, 0.5F);
  EXPECT_EQ(granite.logits_scaling, 8);
  EXPECT_TRUE(granite.qkv_bias && granite.o_bias);
  EXPECT_EQ(must(read("GraniteForCausalLM", "granite", "{}")).attention_scale, 1);  // the default of the class
  const ModelConfig gemma = must(
      read("Gemma3ForCausalLM", "gemma3_text", R"({"query_pre_attn_scalar": 64, "final_logit_softcapping": 30.0})"));
  EXPECT_EQ(gemma.attention_scale, 0.125F);
  EXPECT_EQ(gemma.embedding_multiplier, 8);
  EXPECT_EQ(gemma.final_logit_softcap, 30);
  EXPECT_EQ(gemma.activation, Activation::kGeluTanh);
  EXPECT_NE(
      refusal("Gemma3ForCausalLM", "gemma3_text", R"({"attn_logit_softcapping": 50.0})").find("expected 0 or null"),
      std::string::npos);
  EXPECT_NE(refusal("Gemma3ForCausalLM", "gemma3_text", R"({"use_bidirectional_attention": true})").find("found true"),
            std::string::npos);
  EXPECT_NE(refusal("Gemma3ForCausalLM", "gemma3_text", R"({"hidden_activation": "gelu"})").find("hidden_activation"),
            std::string::npos);
}

TEST_F(FamilyConfig, ADenseGranite4HasOnlyAttention) {
  const char* dense = R"({"num_local_experts": 0, "shared_intermediate_size": 96, "position_embedding_type": "rope",
    "attention_multiplier": 0.25, "mamba_d_conv": 4,
    "layer_types": ["attention", "attention", "attention", "attention", "attention", "attention"]})";
  const ModelConfig config = must(read("GraniteMoeHybridForCausalLM", "granitemoehybrid", dense));
  EXPECT_EQ(config.intermediate_size, 96U);
  EXPECT_EQ(rotations(config), "rrrrrr");
  EXPECT_EQ(heard_.all, "");
  EXPECT_NE(refusal("GraniteMoeHybridForCausalLM", "granitemoehybrid", "{}").find("num_local_experts"),
            std::string::npos);
  EXPECT_NE(refusal("GraniteMoeHybridForCausalLM", "granitemoehybrid", R"({"num_local_experts": 0, "layer_types":
    ["mamba", "attention", "attention", "attention", "attention", "attention"]})")
                .find("field 'layer_types'"),
            std::string::npos);
}

/// Metadata of a GGUF file.
struct FamilyFile {
  io::Gguf gguf;
  Heard heard;
  std::string prefix;

  explicit FamilyFile(std::string_view architecture, std::uint64_t layers = 8)
      : prefix(std::string(architecture) + ".") {
    gguf.file = "m.gguf";
    gguf.metadata["general.architecture"] = architecture;
    for (const auto& [key, value] : {std::pair{"embedding_length", std::uint64_t{64}},
                                     {"feed_forward_length", 64},
                                     {"block_count", layers},
                                     {"attention.head_count", 2},
                                     {"vocab_size", 100},
                                     {"attention.key_length", 16},
                                     {"attention.value_length", 16},
                                     {"context_length", 128}})
      set(key, value);
    EXPECT_TRUE(gguf.tensors.add({"token_embd.weight", DType::kF32, {100, 64}, {}, "m.gguf"}));
  }
  void set(const std::string& key, io::GgufValue value) { gguf.metadata[prefix + key] = std::move(value); }
  ModelConfig read() { return must(config_from_gguf(gguf, heard)); }
  std::string windows() {
    std::string text;
    for (const LayerKind& kind : read().layer_kinds) text += kind.window == 0 ? "F" : "w";
    return text;
  }
};

TEST(FamilyGguf, WindowsOfGemmaAndOlmo) {
  FamilyFile gemma("gemma3");
  EXPECT_EQ(gemma.windows(), "FFFFFFFF");
  gemma.set("attention.sliding_window", std::uint64_t{32});
  EXPECT_EQ(gemma.windows(), "wwwwwFww");
  gemma.set("attention.sliding_window_pattern", std::uint64_t{2});
  EXPECT_EQ(gemma.windows(), "wFwFwFwF");
  gemma.set("attention.sliding_window_pattern", std::vector<bool>{true, true, false, true, true, false, true, true});
  EXPECT_EQ(gemma.windows(), "wwFwwFww");
  EXPECT_EQ(gemma.read().window_rope->theta, 10000);
  gemma.set("rope.freq_base_swa", 77.0);
  gemma.set("rope.freq_base", 5000.0);
  gemma.set("rope.scaling.type", std::string_view("linear"));
  gemma.set("rope.scaling.factor", 8.0);
  EXPECT_EQ(gemma.read().window_rope->theta, 77);
  EXPECT_EQ(gemma.read().window_rope->type, RopeType::kDefault);
  EXPECT_EQ(gemma.read().rope.factor, 8);
  EXPECT_EQ(gemma.read().attention_scale, 0);  // 1 / sqrt(head_dim)
  EXPECT_EQ(gemma.heard.all, "");
  EXPECT_EQ(FamilyFile("gemma3", 62).read().attention_scale, 1 / std::sqrt(32.0F));  // the largest one

  FamilyFile olmo("olmo2");
  EXPECT_EQ(olmo.read().architecture, "Olmo2ForCausalLM");
  olmo.set("attention.sliding_window", std::uint64_t{32});
  EXPECT_EQ(olmo.read().architecture, "Olmo3ForCausalLM");
  EXPECT_EQ(olmo.windows(), "wwwFwwwF");
  olmo.set("rope.freq_base", 5000.0);
  EXPECT_EQ(olmo.read().window_rope->theta, 5000);
}

TEST(FamilyGguf, OthersKeepTheirOwnRules) {
  FamilyFile phi("phi3");
  phi.set("attention.sliding_window", std::uint64_t{0});
  phi.set("rope.dimension_count", std::uint64_t{12});
  EXPECT_EQ(phi.read().rotated(), 12U);
  EXPECT_EQ(phi.heard.all, "");
  phi.set("attention.sliding_window", std::uint64_t{32});
  EXPECT_EQ(phi.windows(), "wwwwwwww");
  EXPECT_NE(phi.heard.all.find("llama.cpp ignores it"), std::string::npos);

  FamilyFile smol("smollm3");
  EXPECT_FALSE(smol.read().layer_kinds[3].rotated);
  EXPECT_TRUE(smol.read().layer_kinds[4].rotated);

  FamilyFile granite("granite");
  granite.set("attention.scale", 0.5);
  granite.set("residual_scale", 0.0);
  granite.set("logit_scale", 4.0);
  EXPECT_EQ(granite.read().attention_scale, 0.5F);
  EXPECT_EQ(granite.read().residual_multiplier, 1);  // 0 is none
  EXPECT_EQ(granite.read().logits_scaling, 4);
  granite.set("rope.scaling.finetuned", false);  // what this family calls its switch of the rotation
  EXPECT_FALSE(granite.read().layer_kinds[0].rotated);

  FamilyFile mistral("mistral3");
  mistral.set("attention.temperature_scale", 0.1);
  mistral.set("rope.scaling.type", std::string_view("yarn"));
  mistral.set("rope.scaling.factor", 8.0);
  mistral.set("rope.scaling.original_context_length", std::uint64_t{16});
  mistral.set("rope.scaling.yarn_log_multiplier", 1.0);
  EXPECT_EQ(mistral.read().rope.query_growth, 0.1);
  EXPECT_EQ(mistral.read().rope.growth_period, 16);
  EXPECT_NEAR(mistral.read().rope.attention_factor, 1, 1e-12);

  FamilyFile qwen("qwen2");
  qwen.set("attention.sliding_window", std::uint64_t{128});  // as wide as the context
  EXPECT_EQ(qwen.windows(), "FFFFFFFF");
  qwen.set("attention.sliding_window", std::uint64_t{32});
  EXPECT_FALSE(config_from_gguf(qwen.gguf, qwen.heard));
}

/// Golden folders written again as other programs lay them out.
class FamilyFolder : public testing::Test {
 protected:
  void SetUp() override { LIEQ_NEEDS_SHARED("golden/more_models"); }

  static std::filesystem::path golden(const char* name) { return test::shared() / "golden/more_models" / name; }

  /// Tensors as `place` names them; an empty name leaves one out.
  template <class Place>
  void write(const char* name, const Json& config, const Place& place) {
    Sink quiet;
    const io::TensorSet source = must(io::open_safetensors_folder(golden(name), quiet));
    std::vector<io::TensorInfo> infos;
    std::vector<std::string> bytes;
    for (const auto& [tensor, view] : source.all()) place(source, tensor, infos, bytes);
    folder_.write("config.json", config.dump());
    auto writer = must(io::SafetensorsWriter::create(folder_.path() / "model.safetensors", infos));
    for (std::size_t i = 0; i < infos.size(); ++i)
      ASSERT_TRUE(writer.write(infos[i].name, bytes[i].data(), bytes[i].size()));
    ASSERT_TRUE(std::move(writer).finish());
  }
  static std::string bytes_of(const io::Tensor& tensor) {
    return {reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()};
  }

  std::vector<float> logits_of(const std::filesystem::path& path, const std::vector<TokenId>& ids) {
    const Model model = must(Model::load(path, threads_, heard_));
    RunState state(model, threads_, kernels::Compute::kF32);
    test::Matrix hidden(ids.size(), model.config.hidden_size), out(ids.size(), model.config.vocab_size);
    const SequenceSpan sequence{ids.size(), nullptr};
    forward(model, ids, {&sequence, 1}, state, hidden.view());
    logits(model, hidden.view(), state, out.view());
    return out.values;
  }
  void expect_same_logits(const char* name) {
    const auto ids = test::GoldenArrays(golden(name) / "golden.safetensors").get<TokenId>("ids_72");
    EXPECT_EQ(logits_of(folder_.path(), ids), logits_of(golden(name), ids)) << name;
  }

  Threads threads_{2};
  Heard heard_;
  io::TemporaryFolder folder_;
};

TEST_F(FamilyFolder, TheTextPartOfMultimodalCheckpoints) {
  for (const char* prefix : {"model.language_model.", "language_model.model."}) {
    const char* name = "gemma3_qscale_bf16";
    Json text = must(read_json(golden(name) / "config.json"));
    for (const char* key : {"architectures", "model_type", "tie_word_embeddings", "bos_token_id", "rope_theta"})
      text.erase(key);
    write(name,
          {{"architectures", {"Gemma3ForConditionalGeneration"}},
           {"model_type", "gemma3"},
           {"bos_token_id", 2},
           {"text_config", text},
           {"vision_config", {{"hidden_size", 8}}}},
          [&](const io::TensorSet& source, const std::string& tensor, auto& infos, auto& bytes) {
            const io::Tensor& one = *source.find(tensor);
            infos.push_back({prefix + tensor.substr(std::string("model.").size()), one.type, one.shape});
            bytes.push_back(bytes_of(one));
          });
    expect_same_logits(name);
  }
  Json config = must(read_json(folder_.path() / "config.json"));
  config["text_config"]["model_type"] = "gemma3n_text";
  EXPECT_FALSE(config_from_json(config, "config.json", heard_));
}

TEST_F(FamilyFolder, ADenseGranite4IsAGraniteWithFusedGates) {
  const char* name = "granite_scaled_f16";
  Json config = must(read_json(golden(name) / "config.json"));
  config.update({{"architectures", {"GraniteMoeHybridForCausalLM"}},
                 {"model_type", "granitemoehybrid"},
                 {"shared_intermediate_size", config["intermediate_size"]},
                 {"num_local_experts", 0},
                 {"position_embedding_type", "rope"},
                 {"layer_types", Json::array({"attention", "attention", "attention"})}});
  write(name, config, [](const io::TensorSet& source, const std::string& tensor, auto& infos, auto& bytes) {
    const io::Tensor& one = *source.find(tensor);
    std::string renamed = tensor, contents = bytes_of(one);
    std::vector<std::size_t> shape = one.shape;
    if (tensor.ends_with("mlp.up_proj.weight")) return;
    if (const std::size_t at = tensor.find("mlp.gate_proj"); at != std::string::npos) {
      const io::Tensor& up = *source.find(tensor.substr(0, at) + "mlp.up_proj.weight");
      contents += bytes_of(up);
      shape[0] += up.shape[0];
      renamed = tensor.substr(0, at) + "shared_mlp.input_linear.weight";
    }
    if (const std::size_t at = tensor.find("mlp.down_proj"); at != std::string::npos)
      renamed = tensor.substr(0, at) + "shared_mlp.output_linear.weight";
    infos.push_back({renamed, one.type, shape});
    bytes.push_back(contents);
  });
  expect_same_logits(name);
  EXPECT_EQ(heard_.all, "");
}

}  // namespace
}  // namespace lieq::model
