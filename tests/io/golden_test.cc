// Files that other programs wrote: the models and GGUF files in LIEQ_SHARED_DIR/golden.

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/json.h"
#include "lieq/io/gguf.h"
#include "lieq/io/safetensors.h"
#include "tests/support/paths.h"
#include "tests/support/quiet.h"

namespace lieq::io {
namespace {

const std::filesystem::path kGolden = test::shared_dir() / "golden";

#define SKIP_WITHOUT_GOLDEN()          \
  if (!std::filesystem::exists(kGolden)) \
  GTEST_SKIP() << "golden files not found: " << kGolden << " (set LIEQ_SHARED_DIR)"

std::vector<std::filesystem::path> entries(const std::filesystem::path& folder, const std::string& suffix) {
  std::vector<std::filesystem::path> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().string().ends_with(suffix)) all.push_back(entry.path());
  }
  return all;
}

/// Hugging Face's name of a GGUF tensor; empty where it has none.
std::string hf_name(const std::string& gguf_name) {
  static const std::vector<std::pair<std::string, std::string>> kParts = {
      {"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
      {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
      {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
      {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
      {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"},
  };
  if (gguf_name == "token_embd.weight") return "model.embed_tokens.weight";
  if (gguf_name == "output_norm.weight") return "model.norm.weight";
  if (gguf_name == "output.weight") return "lm_head.weight";
  if (gguf_name.rfind("blk.", 0) != 0) return "";
  const std::size_t layer_end = gguf_name.find('.', 4), kind = gguf_name.rfind('.');
  for (const auto& [from, to] : kParts) {
    if (gguf_name.substr(layer_end + 1, kind - layer_end - 1) == from)
      return "model.layers." + gguf_name.substr(4, layer_end - 4) + "." + to + gguf_name.substr(kind);
  }
  return "";
}

TEST(GoldenSafetensors, EveryModelOpens) {
  SKIP_WITHOUT_GOLDEN();
  std::size_t models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden / "models")) {
    if (!entry.is_directory()) continue;
    ++models;
    const auto set = open_safetensors_folder(entry.path(), quiet);
    ASSERT_TRUE(set) << set.error().message;
    const auto config = read_json(entry.path() / "config.json");
    ASSERT_TRUE(config) << config.error().message;
    const Tensor* embedding = set->find("model.embed_tokens.weight");
    ASSERT_NE(embedding, nullptr) << entry.path();
    EXPECT_EQ(embedding->shape, (std::vector<std::size_t>{config->at("vocab_size"), config->at("hidden_size")}));
    const std::string last = "model.layers." + std::to_string(config->at("num_hidden_layers").get<int>() - 1);
    EXPECT_NE(set->find(last + ".mlp.down_proj.weight"), nullptr) << entry.path();
    EXPECT_EQ(set->find("lm_head.weight") == nullptr, config->at("tie_word_embeddings").get<bool>()) << entry.path();
  }
  EXPECT_EQ(models, 6U);
}

TEST(GoldenSafetensors, EveryArrayFileOpens) {
  SKIP_WITHOUT_GOLDEN();
  for (const char* folder : {"gguf", "gguf_blocks", "pack_gptq", "quant", "smollm2"}) {
    for (const auto& file : entries(kGolden / folder, ".safetensors")) {
      const auto set = open_safetensors(file);
      EXPECT_TRUE(set) << set.error().message;
    }
  }
}

TEST(GoldenGguf, TensorsHaveTheShapesOfTheirModel) {
  SKIP_WITHOUT_GOLDEN();
  std::size_t files = 0;
  for (const auto& file : entries(kGolden / "gguf", ".gguf")) {
    ++files;
    const auto gguf = open_gguf(file);
    ASSERT_TRUE(gguf) << gguf.error().message;
    const std::string model = file.stem().stem().string();
    const auto source = open_safetensors_folder(kGolden / "models" / model, quiet);
    ASSERT_TRUE(source) << source.error().message;
    std::size_t matched = 0;
    for (const auto& [name, tensor] : gguf->tensors.all()) {
      if (name == "rope_freqs.weight") continue;
      const Tensor* original = source->find(hf_name(name));
      ASSERT_NE(original, nullptr) << file << ": " << name;
      EXPECT_EQ(tensor.shape, original->shape) << file << ": " << name;
      ++matched;
    }
    EXPECT_EQ(matched, source->all().size()) << file;
  }
  EXPECT_EQ(files, 10U);
}

TEST(GoldenGguf, StoredTypesKeepTheirBytes) {
  SKIP_WITHOUT_GOLDEN();
  // Qwen files keep the order of rows, so that the bytes of a file of the stored type are those of the model.
  for (const auto& [file, model] : {std::pair{"qwen3_tied_f16.F16.gguf", "qwen3_tied_f16"},
                                    {"qwen2_tied_bf16.BF16.gguf", "qwen2_tied_bf16"}}) {
    const auto gguf = open_gguf(kGolden / "gguf" / file);
    ASSERT_TRUE(gguf) << gguf.error().message;
    const auto source = open_safetensors_folder(kGolden / "models" / model, quiet);
    ASSERT_TRUE(source) << source.error().message;
    std::size_t compared = 0;
    for (const auto& [name, tensor] : gguf->tensors.all()) {
      if (tensor.shape.size() != 2) continue;
      const Tensor* original = source->find(hf_name(name));
      ASSERT_NE(original, nullptr) << name;
      ASSERT_EQ(tensor.data.size(), original->data.size()) << name;
      EXPECT_EQ(std::memcmp(tensor.data.data(), original->data.data(), tensor.data.size()), 0) << name;
      ++compared;
    }
    EXPECT_EQ(compared, 4U * 7 + 1);
  }
}

TEST(GoldenGguf, MetadataEqualTheConfiguration) {
  SKIP_WITHOUT_GOLDEN();
  const auto gguf = open_gguf(kGolden / "gguf" / "qwen3_tied_f16.Q8_0.gguf");
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->string("general.architecture").value(), std::optional<std::string_view>("qwen3"));
  EXPECT_EQ(gguf->count("qwen3.block_count").value(), std::optional<std::uint64_t>(4));
  EXPECT_EQ(gguf->count("qwen3.embedding_length").value(), std::optional<std::uint64_t>(96));
  EXPECT_EQ(gguf->count("qwen3.attention.key_length").value(), std::optional<std::uint64_t>(32));
  EXPECT_EQ(gguf->number("qwen3.rope.freq_base").value(), std::optional<double>(1e6));
  EXPECT_EQ(gguf->number("qwen3.attention.layer_norm_rms_epsilon").value(),
            std::optional<double>(static_cast<double>(1e-6F)));
  const auto tokens = gguf->strings("tokenizer.ggml.tokens");
  ASSERT_TRUE(tokens && *tokens);
  EXPECT_EQ((*tokens)->size(), 640U);
}

}  // namespace
}  // namespace lieq::io
