/// Folders and files as other programs write them: what is read differently, warned of, or refused.

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "lieq/io/safetensors.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/model/config.h"
#include "lieq/model/model.h"
#include "lieq/model/quantization_config.h"
#include "tests/io/build_files.h"
#include "tests/support/paths.h"

namespace lieq::model {
namespace {

const std::filesystem::path kTiny = test::data_dir() / "tiny-llama";

/// Keeps what it is told.
struct Heard : Sink {
  std::string all;
  void warn(std::string_view line) override { all.append(line).append("\n"); }
};

/// tiny-llama with changes, in a folder of its own.
class Reading : public testing::Test {
 protected:
  Reading() : config_(read_json(kTiny / "config.json").value()) {
    Sink quiet;
    source_ = io::open_safetensors_folder(kTiny, quiet).value();
    for (const auto& [name, tensor] : source_.all()) tensors_[name] = &tensor;
  }

  Result<Model> load() {
    std::ofstream(folder_.path() / "config.json") << config_.dump();
    std::vector<io::TensorInfo> infos;
    for (const auto& [name, tensor] : tensors_) infos.push_back({name, tensor->type, tensor->shape});
    auto writer = io::SafetensorsWriter::create(folder_.path() / "model.safetensors", infos).value();
    for (const auto& [name, tensor] : tensors_)
      EXPECT_TRUE(writer.write(name, tensor->data.data(), tensor->data.size()));
    EXPECT_TRUE(std::move(writer).finish());
    heard_.all.clear();
    return Model::load(folder_.path(), threads_, heard_);
  }
  [[nodiscard]] std::string refusal() {
    const auto model = load();
    return model ? "was loaded" : model.error().message;
  }
  void expect_said(const std::string& part) const { EXPECT_NE(heard_.all.find(part), std::string::npos) << heard_.all; }
  void expect_refused(const std::string& part) {
    const std::string message = refusal();
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }

  Threads threads_{1};
  Heard heard_;
  io::TemporaryFolder folder_;
  io::TensorSet source_;
  Json config_;
  std::map<std::string, const io::Tensor*> tensors_;
};

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

TEST_F(Reading, ATiedHeadThatIsACopyIsTheEmbedding) {
  config_["tie_word_embeddings"] = true;
  tensors_[kHead] = tensors_.at(kEmbedding);
  const auto model = load();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_TRUE(model->config.tie_word_embeddings);
  EXPECT_EQ(heard_.all, "");
}

TEST_F(Reading, ATiedHeadThatDiffersIsUsed) {
  config_["tie_word_embeddings"] = true;
  io::Tensor other = *tensors_.at(kEmbedding);
  std::vector<std::byte> bytes(other.data.begin(), other.data.end());
  bytes[100] ^= std::byte{1};
  other.data = bytes;
  tensors_[kHead] = &other;
  const auto model = load();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_FALSE(model->config.tie_word_embeddings);
  EXPECT_NE(model->lm_head.data, model->embed_tokens.data);
  expect_said("tie_word_embeddings is true, but 'lm_head.weight' is no copy");
}

TEST_F(Reading, ATiedHeadAloneIsTheEmbeddingToo) {
  config_["tie_word_embeddings"] = true;
  tensors_[kHead] = tensors_.at(kEmbedding);
  tensors_.erase(kEmbedding);
  const auto model = load();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->embed_tokens.data, model->lm_head.data);
  EXPECT_EQ(model->embed_tokens.rows, model->config.vocab_size);
}

TEST_F(Reading, NamesMayComeWithoutModel) {
  std::map<std::string, const io::Tensor*> bare;
  for (const auto& [name, tensor] : tensors_) bare[name.starts_with("model.") ? name.substr(6) : name] = tensor;
  tensors_ = bare;
  config_["architectures"] = {"LlamaModel"};
  const auto model = load();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(heard_.all, "");
}

TEST_F(Reading, RopeScalingGoesBeforeRopeParameters) {
  config_["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 777.0}};
  config_["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  config_["rope_theta"] = 500.0;
  const auto model = load();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->config.rope.factor, 4);
  EXPECT_EQ(model->config.rope.theta, 500);
  expect_said("which differ: rope_scaling is used");
  config_["rope_scaling"] = Json::object();
  EXPECT_EQ(load()->config.rope.theta, 777);
  config_["rope_scaling"] = {{"rope_type", "spiral"}};
  expect_refused("rope_scaling: field 'rope_type': found 'spiral'");
}

TEST_F(Reading, KeysThatChangeTheArithmeticAreRefused) {
  const Json good = config_;
  const auto refused = [&](const char* key, const Json& value, const std::string& says) {
    config_ = good;
    config_[key] = value;
    expect_refused(says);
  };
  refused("is_causal", false, "field 'is_causal': found false, expected true");
  refused("attention_multiplier", 0.1, "field 'attention_multiplier': found 0.1, expected 0 or null");
  refused("final_logit_softcapping", 30.0, "final_logit_softcapping");
  refused("num_local_experts", 8, "num_local_experts");
  refused("partial_rotary_factor", 0.5, "partial_rotary_factor");
  refused("rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}, "partial_rotary_factor");
  refused("hidden_act", "gelu", "hidden_act");
  refused("model_type", "qwen2", "field 'model_type': found 'qwen2', expected 'llama'");
  config_ = good;
  config_["is_causal"] = true;
  config_["attn_logit_softcapping"] = nullptr;
  config_["unsloth_fixed"] = true;
  config_["hidden_act"] = "swish";
  ASSERT_TRUE(load());
  EXPECT_EQ(heard_.all, "");
  config_["attention_mystery"] = 3;
  config_["rope_parameters"] = {{"rope_type", "default"}, {"twist", 2}};
  ASSERT_TRUE(load());
  expect_said("fields 'attention_mystery', 'rope_parameters.twist' are not known");
}

TEST_F(Reading, OddValues) {
  config_["initializer_range"] = 0;
  config_["eos_token_id"] = -1;
  config_["bos_token_id"] = {-1, 1};
  const auto model = load();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_TRUE(model->config.eos_token_id.empty());
  EXPECT_EQ(model->config.bos_token_id, std::vector<std::uint64_t>{1});
  config_["rms_norm_eps"] = "NaN";
  expect_refused("field 'rms_norm_eps': found \"NaN\", expected a number");
}

TEST_F(Reading, NumbersThatPythonWritesAndJsonHasNot) {
  ASSERT_TRUE(load());
  std::string text = config_.dump();
  text.insert(1, "\"pad_token_id\": NaN, \"time_limit\": [-Infinity, Infinity], ");
  folder_.write("config.json", text);
  const auto model = Model::load(folder_.path(), threads_, heard_);
  ASSERT_TRUE(model) << model.error().message;
  expect_said("field 'time_limit' is not known");
  text.insert(1, "\"rms_norm_eps\": NaN, ");
  text.replace(text.rfind("rms_norm_eps"), 12, "other_key_xx");
  folder_.write("config.json", text);
  const auto refused = Model::load(folder_.path(), threads_, heard_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("field 'rms_norm_eps': found \"NaN\""), std::string::npos);
}

TEST_F(Reading, RulesOfAQuantizationKeepTheirOrderBesideNan) {
  config_["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 32}};
  std::string text = config_.dump();
  text.replace(text.find("\"bits\""), 6, R"("dynamic": {"+:^z": {"bits": 8}, "+:^.*": {"bits": 2}}, "bits")");
  text.insert(1, "\"pad_token_id\": NaN, ");
  folder_.write("config.json", text);
  const auto config = QuantizationConfig::read(folder_.path() / "config.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ((*config)->find("z.proj", ModuleClass::kLinear)->bits, 8U) << "the first rule that matches counts";
  EXPECT_EQ((*config)->find("a.proj", ModuleClass::kLinear)->bits, 2U);
}

TEST_F(Reading, TextInAnotherEncoding) {
  ASSERT_TRUE(load());
  std::string wide = "\xFF\xFE";
  for (const char c : config_.dump()) wide.append({c, '\0'});
  folder_.write("config.json", wide);
  const auto model = Model::load(folder_.path(), threads_, heard_);
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("found text in UTF-16, expected UTF-8"), std::string::npos);
}

TEST_F(Reading, TensorsThatNobodyReadsMayBeMissing) {
  ASSERT_TRUE(load());
  const auto index = [&](const std::string& extra) {
    Json map;
    for (const auto& [name, _] : tensors_) map[name] = "model.safetensors";
    map[extra] = "model.safetensors";
    std::ofstream(folder_.path() / "model.safetensors.index.json") << Json{{"weight_map", map}}.dump();
    return Model::load(folder_.path(), threads_, heard_);
  };
  EXPECT_TRUE(index("model.layers.0.self_attn.rotary_emb.inv_freq"));
  tensors_.erase("model.norm.weight");
  ASSERT_FALSE(load());
  const auto model = index("model.norm.weight");
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("tensor 'model.norm.weight': missing, expected here"), std::string::npos)
      << model.error().message;
}

TEST_F(Reading, FoldersThatHoldSomethingElseSayWhat) {
  const auto message = [&](std::initializer_list<const char*> files) {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) std::filesystem::remove(entry.path());
    for (const char* file : files) folder_.write(file, config_.dump());
    const auto model = Model::load(folder_.path(), threads_, heard_);
    return model ? std::string("was loaded") : model.error().message;
  };
  const auto expect = [&](std::initializer_list<const char*> files, const char* part) {
    EXPECT_NE(message(files).find(part), std::string::npos) << message(files);
  };
  expect({"m.gguf"}, "'m.gguf', expected a model folder: give the .gguf file itself");
  expect({"adapter_config.json", "adapter_model.safetensors"}, "found a LoRA adapter");
  expect({"config.json", "pytorch_model.bin"}, "found 'pytorch_model.bin', expected weights as safetensors");
  config_["architectures"] = {"Qwen3MoeForCausalLM"};
  config_["num_experts"] = 128;
  expect({"config.json", "model.safetensors"}, "'Qwen3MoeForCausalLM' (a mixture of experts)");
}

/// A file whose metadata a test may change; reading the configuration needs no tensor but one.
struct GgufConfig {
  io::Gguf gguf;
  Heard heard;

  GgufConfig() {
    gguf.file = "m.gguf";
    gguf.metadata["general.architecture"] = std::string_view("qwen2");
    for (const auto& [key, value] : {std::pair{"embedding_length", 64}, {"feed_forward_length", 64}, {"block_count", 2},
                                     {"attention.head_count", 2}, {"vocab_size", 100}, {"context_length", 128}})
      set(key, static_cast<std::uint64_t>(value));
    EXPECT_TRUE(gguf.tensors.add({"token_embd.weight", DType::kF32, {100, 64}, {}, "m.gguf"}));
  }
  void set(const std::string& key, io::GgufValue value) { gguf.metadata["qwen2." + key] = std::move(value); }
  Result<ModelConfig> read() { return config_from_gguf(gguf, heard); }
  std::string refusal() {
    const auto config = read();
    return config ? "was read" : config.error().message;
  }
};

TEST(ReadingGguf, RopeKeysOldAndNew) {
  GgufConfig file;
  EXPECT_EQ(file.read()->rope.type, RopeType::kDefault);
  file.set("rope.scale_linear", 4.0);
  EXPECT_EQ(file.read()->rope.type, RopeType::kLinear);
  EXPECT_EQ(file.read()->rope.factor, 4);
  file.set("rope.scaling.factor", 8.0);  // the newer key counts, and means linear without a type
  EXPECT_EQ(file.read()->rope.factor, 8);
  file.set("rope.scaling.type", std::string_view("none"));
  EXPECT_EQ(file.read()->rope.type, RopeType::kDefault);
  file.set("rope.scaling.type", std::string_view("yarn"));
  file.set("rope.scaling.original_context_length", std::uint64_t{32});
  file.set("rope.scaling.attn_factor", 0.5);
  const RopeConfig rope = file.read()->rope;
  EXPECT_EQ(rope.type, RopeType::kYarn);
  EXPECT_EQ(rope.original_max_position_embeddings, 32);
  EXPECT_NEAR(rope.attention_factor, 0.5 * (0.1 * std::log(8.0) + 1), 1e-12);
  file.set("rope.scaling.type", std::string_view("spiral"));
  EXPECT_NE(file.refusal().find("'spiral', expected one of none, linear, yarn, longrope"), std::string::npos);
  file.set("rope.scaling.type", std::string_view("linear"));
  file.set("rope.scaling.factor", 0.0);
  EXPECT_EQ(file.read()->rope.type, RopeType::kDefault);
}

TEST(ReadingGguf, KeysThatChangeTheArithmeticAreRefused) {
  GgufConfig file;
  file.set("attention.causal", true);
  file.set("expert_count", std::uint64_t{0});
  ASSERT_TRUE(file.read());
  EXPECT_EQ(file.heard.all, "");
  file.set("attention.mystery", 3.0);
  ASSERT_TRUE(file.read());
  EXPECT_NE(file.heard.all.find("field 'qwen2.attention.mystery' is not known"), std::string::npos) << file.heard.all;
  file.set("attention.causal", false);
  EXPECT_EQ(file.refusal(), "m.gguf: field 'qwen2.attention.causal': found false, expected true");
  file.set("attention.causal", true);
  file.set("final_logit_softcapping", 30.0);
  EXPECT_EQ(file.refusal(), "m.gguf: field 'qwen2.final_logit_softcapping': found 30, expected 0");
}

TEST(ReadingGguf, FilesThatHoldNoModelSayWhat) {
  GgufConfig file;
  file.gguf.metadata["general.type"] = std::string_view("adapter");
  EXPECT_NE(file.refusal().find("found a LoRA adapter"), std::string::npos);
  file.gguf.metadata["general.type"] = std::string_view("model");
  file.gguf.metadata["general.architecture"] = std::string_view("qwen3moe");
  file.gguf.metadata["qwen3moe.expert_count"] = std::uint64_t{64};
  EXPECT_NE(file.refusal().find("'qwen3moe' (a mixture of experts)"), std::string::npos) << file.refusal();
}

}  // namespace
}  // namespace lieq::model
