/// config.json of a Hugging Face folder; transformers 4 and 5 name some keys differently.

#include <algorithm>

#include <fmt/format.h>

#include "lieq/model/config.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/config_keys.h"

namespace lieq::model {
namespace {

/// "Qwen2Model", what the headless class of "Qwen2ForCausalLM" is called.
std::string base_class(const Architecture& one) {
  const std::string_view name = one.hf_name;
  return std::string(name.substr(0, name.size() - std::string_view("ForCausalLM").size())) + "Model";
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
        field == "model_type" ? found == one.model_type : found == one.hf_name || found == base_class(one);
    if (named && type && *type != one.model_type)
      return unsupported(place, "model_type", in_quotes(*type),
                         fmt::format("'{}', which goes with {}", one.model_type, one.hf_name));
    if (named) return &one;
    known += (known.empty() ? "" : ", ") + std::string(one.hf_name);
  }
  return unsupported(place, field, in_quotes(found) + (has_experts(json) ? kMixture : ""), "one of " + known);
}

/// Whether some layer of a Qwen model would see no more than a window of the tokens before it.
Result<bool> slides(const Json& json, const Fields& fields, const ModelConfig& config) {
  LIEQ_ASSIGN(const auto used, fields.boolean("use_sliding_window"));
  if (const Json* types = fields.find("layer_types"); types && types->is_array()) {
    bool any = false;
    for (const Json& type : *types) any = any || type != "full_attention";
    return any;
  }
  LIEQ_ASSIGN(const auto window, fields.count("sliding_window"));
  LIEQ_ASSIGN(const auto first, fields.count("max_window_layers"));
  const bool has_window = window || !json.contains("sliding_window");  // its default is a window, null is none
  return used.value_or(false) && has_window && first.value_or(28) < config.num_hidden_layers;
}

/// Features that change the arithmetic and that this version does not run are refused, never ignored.
Result<void> refuse_unsupported(const Json& json, const Fields& fields, const Architecture& architecture,
                                const ModelConfig& config) {
  LIEQ_ASSIGN(const auto act, fields.string("hidden_act"));
  if (act && *act != "silu" && *act != "swish")
    return unsupported(fields.place(), "hidden_act", in_quotes(*act), "'silu'");
  LIEQ_ASSIGN(const bool windows, slides(json, fields, config));
  if (windows && architecture.sliding_windows) {
    const bool listed = fields.find("layer_types") != nullptr;
    return unsupported(fields.place(), listed ? "layer_types" : "use_sliding_window",
                       listed ? "layers with a sliding window" : "true", listed ? "full_attention alone" : "false");
  }
  for (const char* object : {"rope_scaling", "rope_parameters", ""}) {
    const Json* inside = *object == 0 ? nullptr : fields.find(object);
    if (*object != 0 && inside == nullptr) continue;
    const Fields one = inside ? Fields(*inside, fields.place() + ": " + object) : fields;
    LIEQ_ASSIGN(const auto partial, one.number("partial_rotary_factor"));
    if (partial.value_or(1) != 1)
      return unsupported(one.place(), "partial_rotary_factor", fmt::format("{}", *partial), "1");
  }
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

Result<ModelConfig> config_from_json(const Json& json, const std::string& place, Sink& sink) {
  if (!json.is_object())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {}, expected a JSON object", place, brief(json)));
  const Fields fields(json, place);
  LIEQ_ASSIGN(const Architecture* architecture, find_architecture(json, place));
  LIEQ_TRY(check_json_keys(json, place, sink));
  warn_of_two_scalings(fields, sink);

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
  const std::size_t usual = config.hidden_size / std::max<std::size_t>(1, config.num_attention_heads);
  config.head_dim = head_dim.value_or(architecture->head_dim != 0 ? architecture->head_dim : usual);
  LIEQ_ASSIGN(config.vocab_size, fields.required_count("vocab_size"));
  LIEQ_ASSIGN(const auto positions, fields.count("max_position_embeddings"));
  config.max_position_embeddings = positions.value_or(architecture->max_position_embeddings);
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
  LIEQ_TRY(refuse_unsupported(json, fields, *architecture, config));
  LIEQ_ASSIGN(config.rope, rope_from_json(json, {config.head_dim, config.max_position_embeddings}, place));
  return config;
}

}  // namespace lieq::model
