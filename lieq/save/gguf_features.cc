#include "lieq/save/gguf_features.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/dtype.h"

namespace lieq::save {
namespace {

using model::LayerKind;

class Writer {
 public:
  Writer(const model::Model& model, GgufFields& fields)
      : model_(model), c_(model.config), row_(model::architecture_of(c_.architecture)), fields_(fields) {}

  Result<void> write() {
    LIEQ_TRY(scales());
    LIEQ_TRY(rotation());
    LIEQ_TRY(windows());
    if (c_.activation != row_.activation)
      return refuse(row_.activation_key, "another activation", "that of the family");
    return {};
  }

 private:
  [[nodiscard]] Unexpected refuse(std::string_view field, const std::string& found, const std::string& expected) const {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: field '{}': found {}, but gguf holds {} of a {} model (hf-fp16 keeps it)",
                            model_.path.string(), field, found, expected, row_.gguf_name));
  }
  [[nodiscard]] std::string key(std::string_view name) const { return fmt::format("{}.{}", row_.gguf_name, name); }

  Result<void> scales() {
    const float usual = 1.0F / std::sqrt(static_cast<float>(usual_scale_width()));
    const float scale =
        c_.attention_scale != 0 ? c_.attention_scale : 1.0F / std::sqrt(static_cast<float>(c_.head_dim));
    if (row_.reads_gguf("attention.scale")) {
      fields_.add(key("attention.scale"), scale);
    } else if (std::fabs(scale - usual) > 0x1p-20F * usual) {
      return refuse(row_.reads("query_pre_attn_scalar") ? "query_pre_attn_scalar" : "attention_multiplier",
                    fmt::format("an attention scale of {}", scale), fmt::format("{}", usual));
    }
    struct Scale {
      std::string_view name, field;
      float value, neutral;
    };
    const float width = std::sqrt(static_cast<float>(c_.hidden_size));
    for (const Scale& one : {Scale{"embedding_scale", "embedding_multiplier", c_.embedding_multiplier,
                                   row_.embedding_by_width ? width : 1},
                             Scale{"residual_scale", "residual_multiplier", c_.residual_multiplier, 1},
                             Scale{"logit_scale", "logits_scaling", c_.logits_scaling, 1},
                             Scale{"final_logit_softcapping", "final_logit_softcapping", c_.final_logit_softcap, 0}}) {
      if (row_.reads_gguf(one.name)) {
        if (one.value != 0) fields_.add(key(one.name), one.value);
      } else if (std::fabs(one.value - one.neutral) > 0x1p-20F * one.neutral) {
        return refuse(one.field, fmt::format("{}", one.value), fmt::format("{}", one.neutral));
      }
    }
    return {};
  }

  [[nodiscard]] double usual_scale_width() const {
    if (row_.gguf_wide_scale_layers != c_.num_hidden_layers) return static_cast<double>(c_.head_dim);
    return static_cast<double>(c_.hidden_size) / static_cast<double>(c_.num_attention_heads);
  }

  Result<void> rotation() {
    const std::size_t interval = row_.gguf_no_rope_interval;
    bool usual = true, none = true;
    for (std::size_t l = 0; l < c_.num_hidden_layers; ++l) {
      usual = usual && c_.kind(l).rotated == (interval == 0 || (l + 1) % interval != 0);
      none = none && !c_.kind(l).rotated;
    }
    if (row_.reads_gguf("rope.scaling.finetuned")) {
      fields_.add(key("rope.scaling.finetuned"), !none);
      usual = usual || none;
    }
    if (!usual)
      return refuse("no_rope_layers", "layers without rope",
                    interval == 0 ? "none" : fmt::format("every {}th layer without", interval));
    if (c_.rope.query_growth != 0) {
      if (!row_.reads_gguf("attention.temperature_scale"))
        return refuse("llama_4_scaling_beta", fmt::format("{}", c_.rope.query_growth), "0");
      fields_.add(key("attention.temperature_scale"), static_cast<float>(c_.rope.query_growth));
      fields_.add(key("rope.scaling.original_context_length"), static_cast<std::uint32_t>(c_.rope.growth_period));
    }
    return {};
  }

  Result<void> windows() {
    std::size_t window = 0;
    for (std::size_t l = 0; l < c_.num_hidden_layers; ++l) window = std::max(window, c_.kind(l).window);
    if (window == 0) {
      // llama.cpp of 2024 wants the key where all layers may have a window.
      if (row_.gguf_window_period == model::kAllLayers) fields_.add(key("attention.sliding_window"), std::uint32_t{0});
      return {};
    }
    if (row_.gguf_window_period == 0) return refuse("sliding_window", fmt::format("a window of {}", window), "none");
    if (c_.window_rope) {
      if (c_.window_rope->type != model::RopeType::kDefault || c_.window_rope->query_growth != 0)
        return refuse("rope_parameters", "a scaling in layers with a window", "none there");
      fields_.add(key("rope.freq_base_swa"), static_cast<float>(c_.window_rope->theta));
    }
    fields_.add(key("attention.sliding_window"), narrow<std::uint32_t>(window));
    if (row_.gguf_window_period == model::kAllLayers)
      return has_period(model::kAllLayers) ? Result<void>{}
                                           : refuse("layer_types", "layers without a window", "windows in all layers");
    for (std::size_t period = 1; period <= c_.num_hidden_layers + 1; ++period) {
      if (!has_period(period)) continue;
      fields_.add(key("attention.sliding_window_pattern"), narrow<std::uint32_t>(period));
      return {};
    }
    return refuse("layer_types", "windows in layers without a period", "every n-th layer without a window");
  }

  [[nodiscard]] bool has_period(std::size_t period) const {
    for (std::size_t l = 0; l < c_.num_hidden_layers; ++l)
      if ((c_.kind(l).window != 0) != ((l + 1) % period != 0)) return false;
    return true;
  }

  const model::Model& model_;
  const model::ModelConfig& c_;
  const model::Architecture& row_;
  GgufFields& fields_;
};

}  // namespace

Result<void> add_features(const model::Model& model, GgufFields& fields) { return Writer(model, fields).write(); }

std::string ignored_by_llama_cpp(const model::Model& model) {
  const model::ModelConfig& c = model.config;
  const std::size_t window = c.kind(0).window;
  if (model::architecture_of(c.architecture).gguf_window_period != model::kAllLayers || window == 0 ||
      window >= c.max_position_embeddings)
    return {};
  return fmt::format("{}: llama.cpp ignores the sliding window of {} tokens: its results differ beyond it",
                     model.path.string(), window);
}

}  // namespace lieq::save
