/// config.json of a Hugging Face folder; transformers 4 and 5 name some keys differently.

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

/// "Qwen2Model" or "Gemma3TextModel", what the headless class of "Qwen2ForCausalLM" is called.
bool is_base_class(const std::string& found, const Architecture& one) {
  const std::string stem(one.hf_name.substr(0, one.hf_name.size() - std::string_view("ForCausalLM").size()));
  return found == stem + "Model" || found == stem + "TextModel";
}

bool has_experts(const Json& json) {
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_number() && found->get<double>() > 0) return true;
  }
  return false;
}

/// Looks up architectures[0], or model_type where that is missing; both must mean the same.
Result<const Architecture*> find_architecture(const Json& json, const std::string& place) {
  LIEQ_ASSIGN(const auto type, Fields(json, place).string("model_type"));
  std::string found, field = "architectures";
  const auto listed = json.find("architectures");
  if (listed != json.end() && listed->is_array() && !listed->empty() && listed->front().is_string()) {
    found = listed->front().get<std::string>();
  } else {
    if (!type)
      return fail(ErrorCode::kInvalidFormat, place + ": field 'architectures': missing, expected a list of one name");
    found = *type;
    field = "model_type";
  }
  std::string known;
  for (const Architecture& one : architectures()) {
    const bool named =
        field == "model_type" ? found == one.model_type : found == one.hf_name || is_base_class(found, one);
    if (named && type && *type != one.model_type)
      return unsupported(place, "model_type", in_quotes(*type),
                         fmt::format("'{}', which goes with {}", one.model_type, one.hf_name));
    if (named) return &one;
    known += (known.empty() ? "" : ", ") + std::string(one.hf_name);
  }
  return unsupported(place, field, in_quotes(found) + (has_experts(json) ? kMixture : ""), "one of " + known);
}

/// The keys that the family's class in transformers has values for and that are not here.
Json with_defaults(const Json& json, const Architecture& architecture) {
  Json whole = json;
  const Json defaults = Json::parse(architecture.defaults);
  for (const auto& [key, value] : defaults.items()) {
    const auto found = whole.find(key);
    if (found == whole.end() || (value.is_object() && found->is_null())) whole[key] = value;
  }
  return whole;
}

Result<Activation> read_activation(const Fields& fields, const Architecture& architecture) {
  LIEQ_ASSIGN(const auto name, fields.string(architecture.activation_key));
  if (!name) return architecture.activation;
  if (*name == "silu" || *name == "swish") return Activation::kSilu;
  if (*name == "gelu_pytorch_tanh" || *name == "gelu_new") return Activation::kGeluTanh;
  return unsupported(fields.place(), std::string(architecture.activation_key), in_quotes(*name),
                     "'silu' or 'gelu_pytorch_tanh'");
}

/// Numbers that scores, embeddings, residual streams and logits are multiplied by.
Result<void> read_scales(const Fields& fields, const Architecture& architecture, ModelConfig& config) {
  const auto read = [&](const char* key, float& into) -> Result<void> {
    if (!architecture.reads(key) || !fields.find(key)) return {};
    LIEQ_ASSIGN(const double value, positive(fields, key, std::nullopt));
    into = static_cast<float>(value);
    return {};
  };
  LIEQ_TRY(read("attention_multiplier", config.attention_scale));
  LIEQ_TRY(read("embedding_multiplier", config.embedding_multiplier));
  LIEQ_TRY(read("residual_multiplier", config.residual_multiplier));
  LIEQ_TRY(read("logits_scaling", config.logits_scaling));
  LIEQ_TRY(read("final_logit_softcapping", config.final_logit_softcap));
  if (architecture.reads("query_pre_attn_scalar")) {
    LIEQ_ASSIGN(const double scalar, positive(fields, "query_pre_attn_scalar", std::nullopt));
    config.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  }
  if (architecture.embedding_by_width)
    config.embedding_multiplier = static_cast<float>(std::sqrt(static_cast<double>(config.hidden_size)));
  return {};
}

/// The share of a head that is rotated, in the object of the scaling before the one beside it.
Result<void> read_partial_rotation(const Fields& fields, const Architecture& architecture, ModelConfig& config) {
  std::optional<double> factor;
  for (const char* object : {"rope_scaling", "rope_parameters", ""}) {
    const Json* inside = *object == 0 ? nullptr : fields.find(object);
    if (*object != 0 && (inside == nullptr || inside->empty())) continue;
    const Fields one = inside ? Fields(*inside, fields.place() + ": " + object) : fields;
    LIEQ_ASSIGN(const auto partial, one.number("partial_rotary_factor"));
    if (partial.value_or(1) != 1 && !architecture.partial_rotation)
      return unsupported(one.place(), "partial_rotary_factor", fmt::format("{}", *partial), "1");
    if (!factor) factor = partial;
  }
  const auto rotated = static_cast<double>(config.head_dim) * factor.value_or(1);
  if (!(rotated >= 2 && rotated <= static_cast<double>(config.head_dim)) || static_cast<std::size_t>(rotated) % 2 != 0)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field 'partial_rotary_factor': found {}, expected an even part of head_dim = {}",
                            fields.place(), *factor, config.head_dim));
  config.rotary_dim = static_cast<std::size_t>(rotated);
  return {};
}

/// Families that rotate layers with a window on their own have a rope object of each kind; older files only the theta.
Result<void> read_ropes(const Json& json, const Fields& fields, const Architecture& architecture, ModelConfig& config) {
  const RopeShape shape{config.rotated(), config.max_position_embeddings, architecture.reads("llama_4_scaling_beta")};
  if (!architecture.rope_by_kind) {
    LIEQ_ASSIGN(config.rope, rope_from_json(json, shape, fields.place()));
    return {};
  }
  const Json* objects = fields.find("rope_parameters");
  const auto of_kind = [&](const char* kind) {
    const auto found = objects ? objects->find(kind) : Json::const_iterator();
    return objects && found != objects->end() && found->is_object() ? *found : Json::object();
  };
  if (objects && (!objects->is_object() || (!objects->empty() && !objects->contains("full_attention") &&
                                            !objects->contains("sliding_attention"))))
    return unsupported(fields.place(), "rope_parameters", brief(*objects),
                       "an object with full_attention and sliding_attention");
  Json full = json, window = json;
  full["rope_parameters"] = of_kind("full_attention");
  if (const Json* scaling = fields.find("rope_scaling"); scaling && scaling->is_object())
    full["rope_parameters"].update(*scaling);
  window["rope_parameters"] = of_kind("sliding_attention");
  if (json.contains("rope_local_base_freq")) window["rope_theta"] = json["rope_local_base_freq"];
  for (Json* one : {&full, &window}) one->erase("rope_scaling");
  LIEQ_ASSIGN(config.rope, rope_from_json(full, shape, fields.place()));
  LIEQ_ASSIGN(config.window_rope, rope_from_json(window, shape, fields.place()));
  return {};
}

/// Where both generations of keys are there and differ, one of them is out of date.
void warn_of_two_scalings(const Fields& fields, Sink& sink) {
  const Json *old = fields.find("rope_scaling"), *fresh = fields.find("rope_parameters");
  if (old && fresh && !old->empty() && !fresh->empty() && *old != *fresh)
    sink.warn(fields.place() + ": found rope_scaling and rope_parameters, which differ: rope_scaling is used");
}

}  // namespace

Result<std::vector<std::uint64_t>> token_ids(const Json& json, const std::string& key, const std::string& place) {
  const Json* found = Fields(json, place).find(key);
  std::vector<std::uint64_t> ids;
  if (found == nullptr) return ids;
  for (const Json& one : found->is_array() ? *found : Json::array({*found})) {
    if (!one.is_number_integer())
      return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field '{}': found {}, expected an id or a list of ids",
                                                         place, key, brief(*found)));
    if (one.is_number_unsigned()) ids.push_back(one.get<std::uint64_t>());
  }
  return ids;
}

Json shape_fields(const ModelConfig& config) {
  return {{"hidden_size", config.hidden_size},
          {"intermediate_size", config.intermediate_size},
          {"num_hidden_layers", config.num_hidden_layers},
          {"num_attention_heads", config.num_attention_heads},
          {"num_key_value_heads", config.num_key_value_heads},
          {"head_dim", config.head_dim},
          {"vocab_size", config.vocab_size},
          {"max_position_embeddings", config.max_position_embeddings}};
}

Json text_config(const Json& config) {
  const auto text = config.find("text_config");
  const auto type = config.find("model_type");
  if (text == config.end() || !text->is_object() || type == config.end() || !type->is_string()) return config;
  const auto own = text->find("model_type");
  for (const Architecture& one : architectures()) {
    if (*type != one.multimodal || (own != text->end() && *own != one.model_type)) continue;
    Json inner = *text;
    inner["architectures"] = Json::array({one.hf_name});
    inner["model_type"] = one.model_type;
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id", "quantization_config", "quantization",
                            "dtype", "torch_dtype", "transformers_version"})
      if (!inner.contains(key) && config.contains(key)) inner[key] = config[key];
    if (config.value("tie_word_embeddings", Json()) == true) inner["tie_word_embeddings"] = true;
    return inner;
  }
  return config;
}

Result<ModelConfig> config_from_json(const Json& file, const std::string& place, Sink& sink) {
  if (!file.is_object())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {}, expected a JSON object", place, brief(file)));
  const Json text = text_config(file);
  LIEQ_ASSIGN(const Architecture* architecture, find_architecture(text, place));
  const Json json = with_defaults(text, *architecture);
  const Fields fields(json, place);
  LIEQ_TRY(check_json_keys(json, *architecture, place, sink));
  if (!architecture->rope_by_kind) warn_of_two_scalings(fields, sink);

  ModelConfig config;
  config.architecture = architecture->hf_name;
  config.model_type = architecture->model_type;
  config.qk_norm = architecture->qk_norm;
  config.norms = architecture->norms;
  LIEQ_ASSIGN(config.hidden_size, fields.required_count("hidden_size"));
  LIEQ_ASSIGN(config.intermediate_size,
              fields.required_count(architecture->reads("shared_intermediate_size") ? "shared_intermediate_size"
                                                                                    : "intermediate_size"));
  LIEQ_ASSIGN(config.num_hidden_layers, fields.required_count("num_hidden_layers"));
  LIEQ_ASSIGN(config.num_attention_heads, fields.required_count("num_attention_heads"));
  LIEQ_ASSIGN(const auto kv_heads, fields.count("num_key_value_heads"));
  config.num_key_value_heads = kv_heads.value_or(config.num_attention_heads);
  LIEQ_ASSIGN(const auto head_dim, fields.count("head_dim"));
  config.head_dim = head_dim.value_or(config.hidden_size / std::max<std::size_t>(1, config.num_attention_heads));
  LIEQ_ASSIGN(config.vocab_size, fields.required_count("vocab_size"));
  LIEQ_ASSIGN(config.max_position_embeddings, fields.required_count("max_position_embeddings"));
  LIEQ_ASSIGN(config.rms_norm_eps, positive(fields, "rms_norm_eps", 1e-6));
  LIEQ_ASSIGN(const auto range, fields.number("initializer_range"));
  config.initializer_range = range.value_or(0.02);
  if (!(config.initializer_range >= 0 && config.initializer_range < 1e12))
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field 'initializer_range': found {}, expected at least 0",
                                                       place, config.initializer_range));
  LIEQ_ASSIGN(const auto tied, fields.boolean("tie_word_embeddings"));
  config.tie_word_embeddings = tied.value_or(false);
  LIEQ_ASSIGN(const auto attention_bias, fields.boolean("attention_bias"));
  config.qkv_bias = architecture->qkv_bias || attention_bias.value_or(false);
  config.o_bias = attention_bias.value_or(false) && !architecture->qkv_bias;
  LIEQ_ASSIGN(const auto mlp_bias, fields.boolean("mlp_bias"));
  config.mlp_bias = mlp_bias.value_or(false);
  LIEQ_ASSIGN(config.bos_token_id, token_ids(json, "bos_token_id", place));
  LIEQ_ASSIGN(config.eos_token_id, token_ids(json, "eos_token_id", place));
  LIEQ_TRY(check_sizes(config,
                       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                        "num_key_value_heads", "head_dim", "vocab_size"},
                       place));
  LIEQ_ASSIGN(config.activation, read_activation(fields, *architecture));
  LIEQ_TRY(read_scales(fields, *architecture, config));
  LIEQ_ASSIGN(config.layer_kinds, layer_kinds_from_json(*architecture, fields, config.num_hidden_layers, sink));
  LIEQ_TRY(read_partial_rotation(fields, *architecture, config));
  LIEQ_TRY(read_ropes(json, fields, *architecture, config));
  return config;
}

}  // namespace lieq::model
