#include "lieq/model/config_keys.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/model/config_check.h"

namespace lieq::model {
namespace {

/// Keys of config.json that are read, and those that say nothing about the arithmetic of a forward pass.
constexpr std::string_view kPlainJsonKeys[] = {
    // Read.
    "architectures",
    "attention_bias",
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "quantization_config",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
    // Records of the program that wrote the file.
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "attn_implementation",
    "auto_map",
    "base_model_prefix",
    "dtype",
    "finetuning_task",
    "model_name",
    "name_or_path",
    "pretraining_tp",
    "quantization",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "transformers_weights",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_flash_attn",
    "tf_legacy_loss",
    // Training.
    "attention_dropout",
    "attn_pdrop",
    "classifier_dropout",
    "dropout",
    "embd_pdrop",
    "embedding_dropout",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "pruned_heads",
    "resid_pdrop",
    "resid_dropout",
    "router_aux_loss_coef",
    // Tokens, heads of other tasks, and how results are handed over.
    "cls_token_id",
    "decoder_start_token_id",
    "id2label",
    "label2id",
    "mask_token_id",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_past",
    "pad_token_id",
    "prefix",
    "problem_type",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "task_specific_params",
    "tokenizer_class",
    "unk_token_id",
    "use_cache",
    "use_return_dict",
    "chunk_size_feed_forward",
    "keys_to_ignore_at_inference",
    // Generation, which old folders keep here.
    "bad_words_ids",
    "begin_suppress_tokens",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "max_window_length",
    "min_length",
    "min_p",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "remove_invalid_values",
    "repetition_penalty",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    "model_max_length",
    "seq_length",
    "cache_implementation",
};

/// Keys that some model or program reads as a change of the arithmetic, with the value that changes nothing.
struct NeutralKey {
  std::string_view name;
  double neutral;  ///< also for flags: 0 or 1. Absent and null are neutral always.
};
constexpr NeutralKey kNeutralJsonKeys[] = {
    {"is_causal", 1},
    {"is_decoder", 1},
    {"is_encoder_decoder", 0},
    {"add_cross_attention", 0},
    {"use_bidirectional_attention", 0},
    {"alibi", 0},
    {"use_alibi", 0},
    {"clip_qkv", 0},
    {"attn_logit_softcapping", 0},
    {"final_logit_softcapping", 0},
    {"query_pre_attn_scalar", 0},
    {"attention_multiplier", 0},
    {"attention_scale", 0},
    {"attn_scale", 0},
    {"attn_temperature_tuning", 0},
    {"attn_output_gate", 0},
    {"attention_chunk_size", 0},
    {"embedding_multiplier", 1},
    {"residual_multiplier", 1},
    {"logits_scaling", 1},
    {"logit_scale", 1},
    {"scale_emb", 1},
    {"scale_depth", 0},
    {"dim_model_base", 0},
    {"normalize_embedding", 0},
    {"lm_head_bias", 0},
    {"full_attn_mod", 1},
    {"interpolate_factor", 1},
    {"no_rope_layer_interval", 0},
    {"no_rope_layers", 0},
    {"rope_interleaved", 0},
    {"rope_interleave", 0},
    {"rotary_pct", 1},
    {"rotary_percent", 1},
    {"qk_layernorm", 0},
    {"use_qk_norm", 0},
    {"use_qkv_norm", 0},
    {"use_parallel_residual", 0},
    {"parallel_attn", 0},
    {"num_experts", 0},
    {"num_local_experts", 0},
    {"n_routed_experts", 0},
    {"moe_num_experts", 0},
    {"num_nextn_predict_layers", 0},
};

/// Keys of rope_scaling and rope_parameters: read, or of no meaning for text.
constexpr std::string_view kRopeKeys[] = {
    "rope_type",
    "type",
    "rope_theta",
    "factor",
    "original_max_position_embeddings",
    "low_freq_factor",
    "high_freq_factor",
    "beta_fast",
    "beta_slow",
    "truncate",
    "attention_factor",
    "mscale",
    "mscale_all_dim",
    "short_factor",
    "long_factor",
    "partial_rotary_factor",
    "finetuned",
    "mrope_section",
    "max_position_embeddings",
};

/// The same for "{architecture}.*" of a GGUF file.
constexpr std::string_view kPlainGgufKeys[] = {
    "vocab_size",
    "vocabulary_size",
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "rope.scaling.original_context_length",
    "rope.scaling.attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.finetuned",
    // Of other norms, of training and of embedding models.
    "attention.layer_norm_epsilon",
    "attention.group_norm_epsilon",
    "tensor_data_layout",
    "pooling_type",
    "embedding_length_out",
    "decoder_start_token_id",
};
constexpr NeutralKey kNeutralGgufKeys[] = {
    {"attention.causal", 1},
    {"attention.clamp_kqv", 0},
    {"attention.max_alibi_bias", 0},
    {"attention.scale", 0},
    {"attention.output_scale", 0},
    {"attention.sliding_window", 0},
    {"attention.temperature_scale", 0},
    {"attention.temperature_length", 0},
    {"attention.shared_kv_layers", 0},
    {"attn_logit_softcapping", 0},
    {"final_logit_softcapping", 0},
    {"logit_scale", 1},
    {"residual_scale", 1},
    {"embedding_scale", 1},
    {"expert_count", 0},
    {"expert_used_count", 0},
    {"nextn_predict_layers", 0},
    {"leading_dense_block_count", 0},
    {"use_parallel_residual", 0},
    {"swin_norm", 0},
    {"rope.scaling.alpha", 0},
    {"rope.scaling.yarn_ext_factor", 1},
    {"rope.scaling.yarn_attn_factor", 1},
    {"rope.scaling.yarn_log_multiplier", 0},
};

template <class Table>
bool lists(const Table& table, std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

template <class Table>
const NeutralKey* neutral_key(const Table& table, std::string_view name) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](const NeutralKey& k) { return k.name == name; });
  return found == std::end(table) ? nullptr : found;
}

/// A flag or a number as a number; an empty list as 0; nothing for what is neither.
std::optional<double> number_of(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  if (value.is_array() && value.empty()) return 0;
  return std::nullopt;
}

std::optional<double> number_of(const io::GgufValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  if (const auto* count = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*count);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

/// Whether a key of a rope object holds the object of one kind of layers.
bool is_kind(const Architecture& architecture, std::string_view key) {
  return architecture.rope_by_kind && (key == "full_attention" || key == "sliding_attention");
}

constexpr std::size_t kNamed = 12;  // unknown keys that a warning names

void warn_of_unknown(const std::vector<std::string>& unknown, const std::string& place, Sink& sink) {
  if (unknown.empty()) return;
  const std::size_t named = std::min(kNamed, unknown.size());
  std::string names =
      fmt::format("{}", fmt::join(unknown.begin(), unknown.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  if (named < unknown.size()) names += fmt::format(" and {} more", unknown.size() - named);
  sink.warn(fmt::format("{}: {} not known and left out; if {} the arithmetic of the model, results are wrong", place,
                        unknown.size() == 1 ? fmt::format("field {} is", names) : fmt::format("fields {} are", names),
                        unknown.size() == 1 ? "it changes" : "one changes"));
}

}  // namespace

Result<void> check_json_keys(const Json& config, const Architecture& architecture, const std::string& place,
                             Sink& sink) {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : config.items()) {
    if (value.is_null() || lists(kPlainJsonKeys, key) || architecture.reads(key)) continue;
    const NeutralKey* known = neutral_key(kNeutralJsonKeys, key);
    if (!known) {
      unknown.push_back(in_quotes(key));
    } else if (number_of(value) != known->neutral) {
      return unsupported(place, key, brief(value),
                         value.is_boolean() ? (known->neutral == 1 ? "true" : "false")
                                            : fmt::format("{} or null", known->neutral));
    }
  }
  const auto check_object = [&](const std::string& object, const Json& fields) {
    for (const auto& [key, value] : fields.items())
      if (!value.is_null() && !lists(kRopeKeys, key) && !architecture.reads(key) && !is_kind(architecture, key))
        unknown.push_back(in_quotes(object + "." + key));
  };
  for (const char* object : {"rope_scaling", "rope_parameters"}) {
    const auto found = config.find(object);
    if (found == config.end() || !found->is_object()) continue;
    check_object(object, *found);
    for (const auto& [kind, fields] : found->items())
      if (is_kind(architecture, kind) && fields.is_object()) check_object(std::string(object) + "." + kind, fields);
  }
  warn_of_unknown(unknown, place, sink);
  return {};
}

Result<void> check_gguf_keys(const io::Gguf& gguf, const Architecture& architecture, Sink& sink) {
  const std::string prefix = std::string(architecture.gguf_name) + ".";
  const auto context = gguf.find(prefix + "context_length");
  const std::optional<double> positions = context ? number_of(*context) : std::nullopt;
  std::vector<std::string> unknown;
  for (auto at = gguf.metadata.lower_bound(prefix); at != gguf.metadata.end() && at->first.starts_with(prefix); ++at) {
    const std::string_view key = std::string_view(at->first).substr(prefix.size());
    if (lists(kPlainGgufKeys, key) || architecture.reads_gguf(key)) continue;
    const NeutralKey* known = neutral_key(kNeutralGgufKeys, key);
    const std::optional<double> number = number_of(at->second);
    if (key == "attention.sliding_window" && number && positions && *number >= *positions) continue;  // wide as all
    if (!known) {
      unknown.push_back(in_quotes(at->first));
    } else if (number != known->neutral) {
      const bool flag = std::holds_alternative<bool>(at->second);
      return unsupported(gguf.file, at->first,
                         flag ? (*number == 1 ? "true" : "false") : number ? fmt::format("{}", *number) : "a list",
                         flag ? (known->neutral == 1 ? "true" : "false") : fmt::format("{}", known->neutral));
    }
  }
  warn_of_unknown(unknown, gguf.file, sink);
  return {};
}

}  // namespace lieq::model
