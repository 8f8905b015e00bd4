/// The model description inside a GGUF file: metadata, and for features without a key the tensors present.

#include <algorithm>

#include <fmt/format.h>

#include "lieq/model/config.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/config_keys.h"

namespace lieq::model {
namespace {

/// Files in the same format that hold no whole model.
Result<void> check_kind(const io::Gguf& gguf) {
  LIEQ_ASSIGN(const auto type, gguf.string("general.type"));
  LIEQ_ASSIGN(const auto architecture, gguf.string("general.architecture"));
  const char* kind = nullptr;
  if (type == "adapter") kind = "a LoRA adapter, expected a whole model (merge the adapter into its base model first)";
  if (type == "mmproj" || architecture == "clip") kind = "the image part of a model, expected its language model";
  if (type == "imatrix" || architecture == "imatrix") kind = "an importance matrix, expected a model";
  if (!kind && gguf.tensors.all().empty()) kind = "metadata without any tensor (a vocabulary alone?), expected a model";
  return kind ? Result<void>(fail(ErrorCode::kUnsupported, fmt::format("{}: found {}", gguf.file, kind)))
              : Result<void>();
}

Result<const Architecture*> find_architecture(const io::Gguf& gguf) {
  LIEQ_TRY(check_kind(gguf));
  LIEQ_ASSIGN(const auto found, gguf.string("general.architecture"));
  if (!found)
    return fail(ErrorCode::kInvalidFormat, gguf.file + ": key 'general.architecture': missing, expected a name");
  std::string known;
  for (const Architecture& one : architectures()) {
    if (*found == one.model_type) return &one;
    known += (known.empty() ? "" : ", ") + std::string(one.model_type);
  }
  const bool experts = gguf.find(std::string(*found) + ".expert_count") != nullptr;
  return unsupported(gguf.file, "general.architecture", in_quotes(*found) + (experts ? kMixture : ""),
                     "one of " + known);
}

}  // namespace

Result<ModelConfig> config_from_gguf(const io::Gguf& gguf, Sink& sink) {
  LIEQ_ASSIGN(const Architecture* architecture, find_architecture(gguf));
  LIEQ_TRY(check_gguf_keys(gguf, architecture->model_type, sink));
  const GgufKeys keys(gguf, architecture->model_type);
  ModelConfig config;
  config.architecture = architecture->hf_name;
  config.model_type = architecture->model_type;
  config.qk_norm = architecture->qk_norm;
  LIEQ_ASSIGN(config.hidden_size, keys.required_count("embedding_length"));
  LIEQ_ASSIGN(config.intermediate_size, keys.required_count("feed_forward_length"));
  LIEQ_ASSIGN(config.num_hidden_layers, keys.required_count("block_count"));
  LIEQ_ASSIGN(config.num_attention_heads, keys.required_count("attention.head_count"));
  LIEQ_ASSIGN(const auto kv_heads, keys.count("attention.head_count_kv"));
  config.num_key_value_heads = kv_heads.value_or(config.num_attention_heads);
  LIEQ_ASSIGN(const auto key_length, keys.count("attention.key_length"));
  config.head_dim = key_length.value_or(config.hidden_size / std::max<std::size_t>(1, config.num_attention_heads));
  LIEQ_ASSIGN(const auto value_length, keys.count("attention.value_length"));
  if (value_length && *value_length != config.head_dim)
    return unsupported(gguf.file, keys.key("attention.value_length"), fmt::format("{}", *value_length),
                       fmt::format("the key length {}", config.head_dim));
  LIEQ_ASSIGN(const auto positions, keys.count("context_length"));
  config.max_position_embeddings = positions.value_or(2048);
  LIEQ_ASSIGN(config.rms_norm_eps, keys.positive("attention.layer_norm_rms_epsilon", 1e-6));

  const io::Tensor* embedding = gguf.tensors.find("token_embd.weight");
  LIEQ_ASSIGN(const auto vocab, keys.count("vocab_size"));
  config.vocab_size = vocab.value_or(embedding && !embedding->shape.empty() ? embedding->shape.front() : 0);
  config.tie_word_embeddings = !gguf.tensors.find("output.weight");
  config.qkv_bias = architecture->qkv_bias || gguf.tensors.find("blk.0.attn_q.bias");
  config.o_bias = gguf.tensors.find("blk.0.attn_output.bias");
  config.mlp_bias = gguf.tensors.find("blk.0.ffn_up.bias");
  for (auto [key, target] : {std::pair{"tokenizer.ggml.bos_token_id", &config.bos_token_id},
                             {"tokenizer.ggml.eos_token_id", &config.eos_token_id},
                             {"tokenizer.ggml.eot_token_id", &config.eos_token_id}}) {
    LIEQ_ASSIGN(const auto id, gguf.count(key));
    if (id && std::find(target->begin(), target->end(), *id) == target->end()) target->push_back(*id);
  }
  LIEQ_TRY(check_sizes(config,
                       {keys.key("embedding_length"), keys.key("feed_forward_length"), keys.key("block_count"),
                        keys.key("attention.head_count"), keys.key("attention.head_count_kv"),
                        keys.key("attention.key_length"), keys.key("vocab_size")},
                       gguf.file));
  LIEQ_ASSIGN(config.rope,
              rope_from_gguf(gguf, config.model_type, {config.head_dim, config.max_position_embeddings}));
  return config;
}

}  // namespace lieq::model
