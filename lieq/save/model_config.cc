#include "lieq/save/model_config.h"

#include <algorithm>
#include <cmath>

#include "lieq/save/rope_scaling.h"

namespace lieq::save {
namespace {

using model::Architecture;
using model::ModelConfig;
using model::WindowRule;

void add_windows(const ModelConfig& c, const Architecture& row, Json& config) {
  if (row.windows == WindowRule::kNone) return;
  std::size_t window = 0;
  Json types = Json::array();
  for (std::size_t l = 0; l < c.num_hidden_layers; ++l) {
    window = std::max(window, c.kind(l).window);
    types.push_back(c.kind(l).window != 0 ? "sliding_attention" : "full_attention");
  }
  config["sliding_window"] = window != 0 ? Json(window) : Json();
  if (row.windows == WindowRule::kEveryLayer) return;
  config["layer_types"] = std::move(types);
  if (row.windows == WindowRule::kFromLayer || row.windows == WindowRule::kUnrotated)
    config["use_sliding_window"] = window != 0;
}

void add_scales(const ModelConfig& c, const Architecture& row, Json& config) {
  const double scale =
      c.attention_scale != 0 ? static_cast<double>(c.attention_scale) : 1 / std::sqrt(static_cast<double>(c.head_dim));
  if (row.reads("query_pre_attn_scalar")) config["query_pre_attn_scalar"] = std::llround(1 / (scale * scale));
  if (row.reads("attention_multiplier"))
    config.update({{"attention_multiplier", static_cast<float>(scale)},
                   {"embedding_multiplier", c.embedding_multiplier},
                   {"residual_multiplier", c.residual_multiplier},
                   {"logits_scaling", c.logits_scaling}});
  if (row.reads("final_logit_softcapping"))
    config["final_logit_softcapping"] = c.final_logit_softcap != 0 ? Json(c.final_logit_softcap) : Json();
}

/// The object of one rope, as transformers 5 has it.
Json with_theta(const Json& scaling, double theta) {
  Json object = scaling.is_null() ? Json{{"rope_type", "default"}} : scaling;
  object["rope_theta"] = theta;
  return object;
}

Result<void> add_rope(const model::Model& model, const Architecture& row, Json& config) {
  const ModelConfig& c = model.config;
  LIEQ_ASSIGN(const Json scaling, rope_scaling(c, model.path.string()));
  config["rope_theta"] = c.rope.theta;
  if (row.reads("llama_4_scaling_beta")) {
    Json object = with_theta(scaling, c.rope.theta);
    object["llama_4_scaling_beta"] = c.rope.query_growth;
    object["original_max_position_embeddings"] = std::llround(c.rope.growth_period);
    config["rope_parameters"] = std::move(object);
    return {};
  }
  config["rope_scaling"] = scaling;
  if (c.window_rope) {
    if (row.reads("rope_local_base_freq")) config["rope_local_base_freq"] = c.window_rope->theta;
    config["rope_parameters"] = {{"full_attention", with_theta(scaling, c.rope.theta)},
                                 {"sliding_attention", with_theta({}, c.window_rope->theta)}};
  }
  if (row.partial_rotation)
    config["partial_rotary_factor"] = static_cast<double>(c.rotated()) / static_cast<double>(c.head_dim);
  // Where the class has a value of its own, that one counts before the object's.
  if (constexpr const char* kKey = "original_max_position_embeddings"; Json::parse(row.defaults).contains(kKey))
    config[kKey] = c.rope.type == model::RopeType::kDefault
                       ? c.max_position_embeddings
                       : static_cast<std::size_t>(std::llround(c.rope.original_max_position_embeddings));
  return {};
}

}  // namespace

Json json_ids(const std::vector<std::uint64_t>& all) {
  if (all.empty()) return nullptr;
  return all.size() == 1 ? Json(all.front()) : Json(all);
}

Result<Json> config_from_model(const model::Model& model) {
  const ModelConfig& c = model.config;
  const Architecture& row = model::architecture_of(c.architecture);
  Json config = shape_fields(c);
  config.update({{"architectures", {c.architecture}},
                 {"model_type", c.model_type},
                 {"rms_norm_eps", c.rms_norm_eps},
                 {"initializer_range", c.initializer_range},
                 {row.activation_key, c.activation == model::Activation::kSilu ? "silu" : "gelu_pytorch_tanh"},
                 {"tie_word_embeddings", c.tie_word_embeddings},
                 {"attention_bias", c.o_bias},
                 {"mlp_bias", c.mlp_bias},
                 {"torch_dtype", "float16"},
                 {"pad_token_id", nullptr},  // the class' own may lie beyond the vocabulary
                 {"bos_token_id", json_ids(c.bos_token_id)},
                 {"eos_token_id", json_ids(c.eos_token_id)}});
  add_windows(c, row, config);
  add_scales(c, row, config);
  if (row.reads("no_rope_layers")) {
    config["no_rope_layers"] = Json::array();
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l) config["no_rope_layers"].push_back(c.kind(l).rotated ? 1 : 0);
  }
  LIEQ_TRY(add_rope(model, row, config));
  return config;
}

}  // namespace lieq::save
