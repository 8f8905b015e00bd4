/// config.json of a Hugging Face folder; transformers 4 and 5 name some keys differently.

#include <algorithm>

#include <fmt/format.h>

#include "lieq/model/config.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"

namespace lieq::model {
namespace {

/// Looks up architectures[0], or model_type where that is missing.
Result<const Architecture*> find_architecture(const Json& json, const std::string& place) {
  std::string found, field = "architectures";
  const auto listed = json.find("architectures");
  if (listed != json.end() && listed->is_array() && !listed->empty() && listed->front().is_string()) {
    found = listed->front().get<std::string>();
  } else {
    LIEQ_ASSIGN(const auto type, Fields(json, place).string("model_type"));
    if (!type)
      return fail(ErrorCode::kInvalidFormat, place + ": field 'architectures': missing, expected a list of one name");
    found = *type;
    field = "model_type";
  }
  std::string known;
  for (const Architecture& one : architectures()) {
    if (found == one.hf_name || (field == "model_type" && found == one.model_type)) return &one;
    known += (known.empty() ? "" : ", ") + std::string(one.hf_name);
  }
  return unsupported(place, field, in_quotes(found), "one of " + known);
}

Result<double> positive(const Fields& fields, const std::string& key, std::optional<double> fallback) {
  LIEQ_ASSIGN(const auto value, fields.number(key));
  if (!value && !fallback)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': missing, expected a number", fields.place(), key));
  const double number = value ? *value : *fallback;
  if (!(number > 0 && number < 1e12))
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected a positive number", fields.place(), key, number));
  return number;
}

/// `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (transformers 4).
Result<RopeConfig> read_rope(const Fields& config) {
  RopeConfig rope;
  LIEQ_ASSIGN(rope.theta, positive(config, "rope_theta", 10000.0));
  const char* key = "rope_parameters";
  const Json* scaling = config.find(key);
  if (!scaling) scaling = config.find(key = "rope_scaling");
  if (!scaling) return rope;
  if (!scaling->is_object())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field '{}': found {}, expected an object or null",
                                                       config.place(), key, brief(*scaling)));
  const Fields fields(*scaling, config.place() + ": " + key);
  LIEQ_ASSIGN(rope.theta, positive(fields, "rope_theta", rope.theta));
  LIEQ_ASSIGN(auto type, fields.string("rope_type"));
  if (!type) {
    LIEQ_ASSIGN(type, fields.string("type"));
  }
  if (!type || *type == "default") return rope;
  LIEQ_ASSIGN(rope.factor, positive(fields, "factor", std::nullopt));
  if (*type == "linear") {
    rope.type = RopeType::kLinear;
  } else if (*type == "llama3") {
    rope.type = RopeType::kLlama3;
    LIEQ_ASSIGN(rope.low_freq_factor, positive(fields, "low_freq_factor", std::nullopt));
    LIEQ_ASSIGN(rope.high_freq_factor, positive(fields, "high_freq_factor", std::nullopt));
    LIEQ_ASSIGN(rope.original_max_position_embeddings,
                positive(fields, "original_max_position_embeddings", std::nullopt));
    if (rope.high_freq_factor <= rope.low_freq_factor)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field 'high_freq_factor': found {}, expected more than low_freq_factor = {}",
                              fields.place(), rope.high_freq_factor, rope.low_freq_factor));
  } else {
    return unsupported(fields.place(), "rope_type", in_quotes(*type), "one of default, linear, llama3");
  }
  return rope;
}

/// Features that change the arithmetic and that this version does not run are refused, never ignored.
Result<void> refuse_unsupported(const Fields& fields) {
  LIEQ_ASSIGN(const auto act, fields.string("hidden_act"));
  if (act && *act != "silu") return unsupported(fields.place(), "hidden_act", in_quotes(*act), "'silu'");
  LIEQ_ASSIGN(const auto sliding, fields.boolean("use_sliding_window"));
  if (sliding.value_or(false)) return unsupported(fields.place(), "use_sliding_window", "true", "false");
  LIEQ_ASSIGN(const auto partial, fields.number("partial_rotary_factor"));
  if (partial.value_or(1) != 1)
    return unsupported(fields.place(), "partial_rotary_factor", fmt::format("{}", *partial), "1");
  return {};
}

}  // namespace

Result<ModelConfig> config_from_json(const Json& json, const std::string& place) {
  if (!json.is_object())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {}, expected a JSON object", place, brief(json)));
  const Fields fields(json, place);
  LIEQ_ASSIGN(const Architecture* architecture, find_architecture(json, place));
  LIEQ_TRY(refuse_unsupported(fields));

  ModelConfig config;
  config.architecture = architecture->hf_name;
  config.model_type = architecture->model_type;
  config.qk_norm = architecture->qk_norm;
  LIEQ_ASSIGN(config.hidden_size, fields.required_count("hidden_size"));
  LIEQ_ASSIGN(config.intermediate_size, fields.required_count("intermediate_size"));
  LIEQ_ASSIGN(config.num_hidden_layers, fields.required_count("num_hidden_layers"));
  LIEQ_ASSIGN(config.num_attention_heads, fields.required_count("num_attention_heads"));
  LIEQ_ASSIGN(const auto kv_heads, fields.count("num_key_value_heads"));
  config.num_key_value_heads = kv_heads.value_or(config.num_attention_heads);
  LIEQ_ASSIGN(const auto head_dim, fields.count("head_dim"));
  config.head_dim = head_dim.value_or(config.hidden_size / std::max<std::size_t>(1, config.num_attention_heads));
  LIEQ_ASSIGN(config.vocab_size, fields.required_count("vocab_size"));
  LIEQ_ASSIGN(const auto positions, fields.count("max_position_embeddings"));
  config.max_position_embeddings = positions.value_or(2048);
  LIEQ_ASSIGN(config.rms_norm_eps, positive(fields, "rms_norm_eps", 1e-6));
  LIEQ_ASSIGN(config.initializer_range, positive(fields, "initializer_range", 0.02));
  LIEQ_ASSIGN(const auto tied, fields.boolean("tie_word_embeddings"));
  config.tie_word_embeddings = tied.value_or(false);
  LIEQ_ASSIGN(const auto attention_bias, fields.boolean("attention_bias"));
  config.qkv_bias = architecture->qkv_bias || attention_bias.value_or(false);
  config.o_bias = attention_bias.value_or(false) && !architecture->qkv_bias;
  LIEQ_ASSIGN(const auto mlp_bias, fields.boolean("mlp_bias"));
  config.mlp_bias = mlp_bias.value_or(false);
  LIEQ_ASSIGN(config.rope, read_rope(fields));
  LIEQ_ASSIGN(config.bos_token_id, fields.counts("bos_token_id"));
  LIEQ_ASSIGN(config.eos_token_id, fields.counts("eos_token_id"));
  LIEQ_TRY(check_sizes(config,
                       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                        "num_key_value_heads", "head_dim", "vocab_size"},
                       place));
  return config;
}

}  // namespace lieq::model
