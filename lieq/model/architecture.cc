#include "lieq/model/architecture.h"

#include <algorithm>

#include "lieq/base/check.h"

namespace lieq::model {
namespace {

std::vector<Architecture> make_architectures() {
  const std::vector<std::string_view> multipliers = {"attention_multiplier", "embedding_multiplier",
                                                     "residual_multiplier", "logits_scaling"};
  const std::vector<std::string_view> gguf_multipliers = {"attention.scale", "embedding_scale", "residual_scale",
                                                          "logit_scale", "rope.scaling.finetuned"};
  return {
      {.hf_name = "LlamaForCausalLM",
       .model_type = "llama",
       .gguf_name = "llama",
       .defaults = R"({"max_position_embeddings": 2048})",
       .gguf_interleaves_rope = true},
      {.hf_name = "MistralForCausalLM",
       .model_type = "mistral",
       .gguf_name = "llama",
       .multimodal = "mistral3",
       .defaults = R"({"max_position_embeddings": 131072, "num_key_value_heads": 8, "sliding_window": 4096,
                       "bos_token_id": 1, "eos_token_id": 2})",
       .windows = WindowRule::kEveryLayer,
       .gguf_interleaves_rope = true},
      {.hf_name = "MinistralForCausalLM",
       .model_type = "ministral",
       .gguf_name = "llama",
       .defaults = R"({"max_position_embeddings": 131072, "num_key_value_heads": 8, "sliding_window": 4096,
                       "bos_token_id": 1, "eos_token_id": 2})",
       .windows = WindowRule::kListed,
       .gguf_interleaves_rope = true},
      {.hf_name = "Ministral3ForCausalLM",
       .model_type = "ministral3",
       .gguf_name = "mistral3",
       .multimodal = "mistral3",
       .defaults = R"({"max_position_embeddings": 262144, "num_key_value_heads": 8, "head_dim": 128,
                       "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2,
                       "rope_parameters": {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 16.0,
                                           "original_max_position_embeddings": 16384, "beta_fast": 32.0,
                                           "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0,
                                           "llama_4_scaling_beta": 0.1}})",
       .keys = {"llama_4_scaling_beta"},
       .gguf_keys = {"attention.temperature_scale", "rope.scaling.yarn_log_multiplier"},
       .windows = WindowRule::kEveryLayer,
       .gguf_interleaves_rope = true},
      {.hf_name = "Qwen2ForCausalLM",
       .model_type = "qwen2",
       .gguf_name = "qwen2",
       .defaults = R"({"max_position_embeddings": 32768, "sliding_window": 4096, "max_window_layers": 28})",
       .qkv_bias = true,
       .windows = WindowRule::kFromLayer},
      {.hf_name = "Qwen3ForCausalLM",
       .model_type = "qwen3",
       .gguf_name = "qwen3",
       .defaults =
           R"({"max_position_embeddings": 32768, "head_dim": 128, "sliding_window": 4096, "max_window_layers": 28})",
       .qk_norm = QkNorm::kPerHead,
       .windows = WindowRule::kFromLayer},
      {.hf_name = "Gemma3ForCausalLM",
       .model_type = "gemma3_text",
       .gguf_name = "gemma3",
       .multimodal = "gemma3",
       .defaults = R"({"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
                       "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
                       "max_position_embeddings": 131072, "query_pre_attn_scalar": 256, "sliding_window": 4096,
                       "sliding_window_pattern": 6, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
                       "tie_word_embeddings": true, "bos_token_id": 2, "eos_token_id": 1})",
       .keys = {"hidden_activation", "query_pre_attn_scalar", "final_logit_softcapping", "rope_local_base_freq",
                "sliding_window_pattern", "_sliding_window_pattern"},
       .gguf_keys = {"attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa",
                     "final_logit_softcapping"},
       .qk_norm = QkNorm::kPerHead,
       .norms = NormPlacement::kBoth,
       .norms_from_one = true,
       .embedding_by_width = true,
       .activation = Activation::kGeluTanh,
       .activation_key = "hidden_activation",
       .windows = WindowRule::kPattern,
       .rope_by_kind = true,
       .gguf_window_period = 6,
       .gguf_window_theta = 10000,
       .gguf_wide_scale_layers = 62},
      {.hf_name = "Phi3ForCausalLM",
       .model_type = "phi3",
       .gguf_name = "phi3",
       .defaults = R"({"max_position_embeddings": 4096, "original_max_position_embeddings": 4096,
                       "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 32000, "sliding_window": null})",
       .keys = {"partial_rotary_factor"},
       .gguf_keys = {"attention.sliding_window"},
       .fusion = Fusion::kAll,
       .windows = WindowRule::kEveryLayer,
       .partial_rotation = true,
       .gguf_window_period = kAllLayers},
      {.hf_name = "SmolLM3ForCausalLM",
       .model_type = "smollm3",
       .gguf_name = "smollm3",
       .defaults = R"({"max_position_embeddings": 32768, "num_key_value_heads": 4, "no_rope_layer_interval": 4,
                       "rope_theta": 2000000.0, "tie_word_embeddings": true, "sliding_window": null,
                       "bos_token_id": 128000, "eos_token_id": 128001})",
       .keys = {"no_rope_layers", "no_rope_layer_interval"},
       .windows = WindowRule::kUnrotated,
       .gguf_interleaves_rope = true,
       .gguf_no_rope_interval = 4},
      {.hf_name = "GraniteForCausalLM",
       .model_type = "granite",
       .gguf_name = "granite",
       .defaults = R"({"max_position_embeddings": 2048, "attention_multiplier": 1, "bos_token_id": 1,
                       "eos_token_id": 2})",
       .keys = multipliers,
       .gguf_keys = gguf_multipliers,
       .gguf_interleaves_rope = true},
      {.hf_name = "GraniteMoeHybridForCausalLM",
       .model_type = "granitemoehybrid",
       .gguf_name = "granite",
       .defaults = R"({"max_position_embeddings": 2048, "attention_multiplier": 1, "num_local_experts": 8,
                       "shared_intermediate_size": 1024, "position_embedding_type": null, "bos_token_id": 1,
                       "eos_token_id": 2})",
       .keys = {"attention_multiplier", "embedding_multiplier", "residual_multiplier", "logits_scaling",
                "shared_intermediate_size", "position_embedding_type", "layer_types", "num_experts_per_tok",
                "output_router_logits", "init_method", "normalization_function", "time_step_limit", "mamba_*"},
       .gguf_keys = gguf_multipliers,
       .fusion = Fusion::kShared,
       .gguf_interleaves_rope = true},
      {.hf_name = "Olmo2ForCausalLM",
       .model_type = "olmo2",
       .gguf_name = "olmo2",
       .defaults = R"({"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "eos_token_id": 50279})",
       .qk_norm = QkNorm::kWholeRow,
       .norms = NormPlacement::kAfter},
      {.hf_name = "Olmo3ForCausalLM",
       .model_type = "olmo3",
       .gguf_name = "olmo2",
       .defaults = R"({"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
                       "sliding_window": 4096, "sliding_window_pattern": 4, "eos_token_id": 50279})",
       .keys = {"sliding_window_pattern"},
       .gguf_keys = {"attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa"},
       .qk_norm = QkNorm::kWholeRow,
       .norms = NormPlacement::kAfter,
       .windows = WindowRule::kPattern,
       .rope_by_kind = true,
       .gguf_window_period = 4},
  };
}

/// A name that ends in "*" stands for all that begin so.
bool lists(const std::vector<std::string_view>& names, std::string_view key) {
  return std::ranges::any_of(names, [&](std::string_view name) {
    return name.ends_with('*') ? key.starts_with(name.substr(0, name.size() - 1)) : key == name;
  });
}

}  // namespace

bool Architecture::reads(std::string_view key) const { return lists(keys, key); }
bool Architecture::reads_gguf(std::string_view key) const { return lists(gguf_keys, key); }

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = make_architectures();
  return all;
}

const Architecture& architecture_of(std::string_view hf_name) {
  const auto found = std::ranges::find(architectures(), hf_name, &Architecture::hf_name);
  LIEQ_CHECK(found != architectures().end());
  return *found;
}

}  // namespace lieq::model
