/// The model description inside a GGUF file: metadata, and for features without a key the tensors present.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/model/config.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/config_keys.h"
#include "lieq/model/layer_kinds.h"

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
  LIEQ_ASSIGN(const auto window, gguf.count(std::string(*found) + ".attention.sliding_window"));
  const bool windows = window.value_or(0) > 0;
  const Architecture* first = nullptr;
  std::string known;
  for (const Architecture& one : architectures()) {
    if (*found == one.gguf_name) {
      // Some families share a name and differ in that one has windows.
      if ((one.gguf_window_period != 0) == windows) return &one;
      if (!first) first = &one;
    }
    if (known.find(one.gguf_name) == std::string::npos)
      known += (known.empty() ? "" : ", ") + std::string(one.gguf_name);
  }
  if (first) return first;
  const bool experts = gguf.find(std::string(*found) + ".expert_count") != nullptr;
  return unsupported(gguf.file, "general.architecture", in_quotes(*found) + (experts ? kMixture : ""),
                     "one of " + known);
}

/// A scale of 0 is none, as for llama.cpp.
Result<void> read_scales(const GgufKeys& keys, const Architecture& architecture, ModelConfig& config) {
  for (const auto& [name, target] : {std::pair{"attention.scale", &config.attention_scale},
                                     {"embedding_scale", &config.embedding_multiplier},
                                     {"residual_scale", &config.residual_multiplier},
                                     {"logit_scale", &config.logits_scaling},
                                     {"final_logit_softcapping", &config.final_logit_softcap}}) {
    if (!architecture.reads_gguf(name)) continue;
    LIEQ_ASSIGN(const auto value, keys.number(name));
    if (value.value_or(0) == 0) continue;
    LIEQ_ASSIGN(const double scale, keys.positive(name, 1));
    *target = static_cast<float>(scale);
  }
  const auto hidden = static_cast<double>(config.hidden_size);
  if (architecture.embedding_by_width) config.embedding_multiplier = static_cast<float>(std::sqrt(hidden));
  if (architecture.gguf_wide_scale_layers == config.num_hidden_layers)
    config.attention_scale =
        static_cast<float>(1 / std::sqrt(hidden / static_cast<double>(config.num_attention_heads)));
  return {};
}

Result<void> read_rotated(const GgufKeys& keys, const Architecture& architecture, const std::string& file,
                          ModelConfig& config) {
  LIEQ_ASSIGN(const auto rotated, keys.count("rope.dimension_count"));
  config.rotary_dim = static_cast<std::size_t>(rotated.value_or(config.head_dim));
  const bool part = architecture.partial_rotation && config.rotary_dim > 0 && config.rotary_dim < config.head_dim &&
                    config.rotary_dim % 2 == 0;
  if (config.rotary_dim == config.head_dim || part) return {};
  return unsupported(file, keys.key("rope.dimension_count"), fmt::format("{}", config.rotary_dim),
                     fmt::format("the head size {}", config.head_dim));
}

}  // namespace

Result<ModelConfig> config_from_gguf(const io::Gguf& gguf, Sink& sink) {
  LIEQ_ASSIGN(const Architecture* architecture, find_architecture(gguf));
  LIEQ_TRY(check_gguf_keys(gguf, *architecture, sink));
  const GgufKeys keys(gguf, architecture->gguf_name);
  ModelConfig config;
  config.architecture = architecture->hf_name;
  config.model_type = architecture->model_type;
  config.qk_norm = architecture->qk_norm;
  config.norms = architecture->norms;
  config.activation = architecture->activation;
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
  const auto holds = [&](std::initializer_list<const char*> names) {
    return std::ranges::any_of(names, [&](const char* name) { return gguf.tensors.find(name) != nullptr; });
  };
  config.qkv_bias = architecture->qkv_bias || holds({"blk.0.attn_q.bias", "blk.0.attn_qkv.bias"});
  config.o_bias = holds({"blk.0.attn_output.bias"});
  config.mlp_bias = holds({"blk.0.ffn_up.bias"});
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
  LIEQ_TRY(read_scales(keys, *architecture, config));
  LIEQ_ASSIGN(config.layer_kinds, layer_kinds_from_gguf(*architecture, gguf, config.num_hidden_layers,
                                                        config.max_position_embeddings, sink));
  LIEQ_TRY(read_rotated(keys, *architecture, gguf.file, config));
  const RopeShape shape{config.rotated(), config.max_position_embeddings, architecture->reads("llama_4_scaling_beta")};
  LIEQ_ASSIGN(config.rope, rope_from_gguf(gguf, std::string(architecture->gguf_name), shape));
  if (architecture->rope_by_kind) {
    const double usual = architecture->gguf_window_theta != 0 ? architecture->gguf_window_theta : config.rope.theta;
    config.window_rope.emplace();
    LIEQ_ASSIGN(config.window_rope->theta, keys.positive("rope.freq_base_swa", usual));
  }
  return config;
}

}  // namespace lieq::model
