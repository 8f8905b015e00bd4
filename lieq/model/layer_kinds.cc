#include "lieq/model/layer_kinds.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/base/message.h"

namespace lieq::model {
namespace {

constexpr const char* kFull = "full_attention";
constexpr const char* kSliding = "sliding_attention";

class KindsReader {
 public:
  KindsReader(const Architecture& architecture, const Fields& fields, std::size_t layers, Sink& sink)
      : architecture_(architecture), fields_(fields), sink_(sink), kinds_(layers) {}

  Result<std::vector<LayerKind>> read() {
    LIEQ_TRY(check_attention());
    LIEQ_TRY(read_rotation());
    LIEQ_TRY(read_windows());
    return std::move(kinds_);
  }

 private:
  using Listed = std::optional<std::vector<bool>>;  // of each layer, whether it slides

  /// Families that mix attention with other layers are run where all are attention.
  Result<void> check_attention() const {
    if (!architecture_.reads("layer_types")) return {};
    const Json* types = fields_.find("layer_types");
    if (!types) types = fields_.find("layers_block_type");
    const auto attends = [](const Json& type) { return type == "attention" || type == kFull; };
    if (types && types->is_array() && types->size() == kinds_.size() && std::ranges::all_of(*types, attends)) return {};
    return unsupported(fields_.place(), "layer_types", types ? brief(*types) : "nothing (layers without attention)",
                       fmt::format("'attention' for each of {} layers", kinds_.size()));
  }

  Result<void> read_rotation() {
    if (architecture_.reads("position_embedding_type")) {
      LIEQ_ASSIGN(const auto type, fields_.string("position_embedding_type"));
      for (LayerKind& kind : kinds_) kind.rotated = type == "rope";
    }
    if (!architecture_.reads("no_rope_layers")) return {};
    if (const Json* list = fields_.find("no_rope_layers")) {
      const auto good = [](const Json& one) { return one.is_number_integer() || one.is_boolean(); };
      if (!list->is_array() || list->size() < kinds_.size() || !std::ranges::all_of(*list, good))
        return fail(ErrorCode::kInvalidFormat,
                    fmt::format("{}: field 'no_rope_layers': found {}, expected 0 or 1 for each of {} layers",
                                fields_.place(), brief(*list), kinds_.size()));
      for (std::size_t l = 0; l < kinds_.size(); ++l)
        kinds_[l].rotated = (*list)[l].is_boolean() ? (*list)[l].get<bool>() : (*list)[l].get<int>() != 0;
      return {};
    }
    LIEQ_ASSIGN(const std::size_t interval, period("no_rope_layer_interval"));
    for (std::size_t l = 0; l < kinds_.size(); ++l) kinds_[l].rotated = (l + 1) % interval != 0;
    return {};
  }

  Result<void> read_windows() {
    if (architecture_.windows == WindowRule::kNone) return {};
    LIEQ_ASSIGN(const auto window, fields_.count("sliding_window"));
    if (window == 0)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field 'sliding_window': found 0, expected at least 1, or null", fields_.place()));
    LIEQ_ASSIGN(const Listed listed, read_types());
    LIEQ_ASSIGN(const std::vector<bool> slides, sliding_layers(listed, window.has_value()));
    if (!window && std::ranges::find(slides, true) != slides.end())
      return unsupported(fields_.place(), "sliding_window", "null", "a number, since some layers have a window");
    for (std::size_t l = 0; l < kinds_.size(); ++l) kinds_[l].window = slides[l] ? *window : 0;
    return {};
  }

  Result<std::vector<bool>> sliding_layers(const Listed& listed, bool window) const {
    std::vector<bool> slides(kinds_.size());
    const bool lists_any = listed && std::ranges::find(*listed, true) != listed->end();
    switch (architecture_.windows) {
      case WindowRule::kNone: return slides;
      case WindowRule::kEveryLayer:
        slides.assign(slides.size(), window);
        if (listed && *listed != slides)
          sink_.warn(
              fmt::format("{}: field 'layer_types' means nothing in this family: sliding_window is of every layer",
                          fields_.place()));
        return slides;
      case WindowRule::kListed:
        if (listed) return *listed;
        slides.assign(slides.size(), window);
        return slides;
      case WindowRule::kPattern: {
        if (listed) return *listed;
        LIEQ_ASSIGN(const std::size_t every, period("sliding_window_pattern"));
        for (std::size_t l = 0; l < slides.size(); ++l) slides[l] = (l + 1) % every != 0;
        return slides;
      }
      case WindowRule::kFromLayer:
      case WindowRule::kUnrotated: break;
    }
    LIEQ_ASSIGN(const auto used, fields_.boolean("use_sliding_window"));
    if (lists_any && !used.value_or(false))
      return unsupported(fields_.place(), "layer_types", "layers with a sliding window beside use_sliding_window false",
                         "full_attention alone");
    if (listed) return *listed;
    LIEQ_ASSIGN(const auto first, fields_.count("max_window_layers"));
    for (std::size_t l = 0; l < slides.size(); ++l)
      slides[l] = used.value_or(false) && window &&
                  (architecture_.windows == WindowRule::kUnrotated ? !kinds_[l].rotated : l >= first.value_or(0));
    return slides;
  }

  Result<Listed> read_types() const {
    const Json* types = fields_.find("layer_types");
    if (!types) return std::nullopt;
    if (!types->is_array() || types->size() != kinds_.size())
      return fail(
          ErrorCode::kInvalidFormat,
          fmt::format("{}: field 'layer_types': found {}, expected a list of {}, one of each layer", fields_.place(),
                      types->is_array() ? fmt::format("a list of {}", types->size()) : brief(*types), kinds_.size()));
    std::vector<bool> slides;
    for (const Json& type : *types) {
      if (type != kFull && type != kSliding)
        return unsupported(fields_.place(), "layer_types", brief(type), "full_attention or sliding_attention");
      slides.push_back(type == kSliding);
    }
    return Listed(std::move(slides));
  }

  Result<std::size_t> period(const char* key) const {
    LIEQ_ASSIGN(const auto found, fields_.count(key));
    if (found.value_or(0) > 0) return static_cast<std::size_t>(*found);
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected at least 1", fields_.place(), key, found.value_or(0)));
  }

  const Architecture& architecture_;
  const Fields& fields_;
  Sink& sink_;
  std::vector<LayerKind> kinds_;
};

/// "attention.sliding_window_pattern": the period of layers without a window, or a flag of each layer.
Result<std::vector<bool>> gguf_pattern(const GgufKeys& keys, const io::Gguf& gguf, std::size_t usual,
                                       std::size_t layers) {
  const std::string key = keys.key("attention.sliding_window_pattern");
  std::vector<bool> slides;
  const io::GgufValue* value = gguf.find(key);
  const auto take = [&](const auto& list) {
    for (const auto one : list) slides.push_back(one != 0);
  };
  if (value) {
    if (const auto* flags = std::get_if<std::vector<bool>>(value)) take(*flags);
    if (const auto* counts = std::get_if<std::vector<std::uint64_t>>(value)) take(*counts);
    if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(value)) take(*numbers);
  }
  if (!slides.empty()) {
    if (slides.size() == layers) return slides;
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: key '{}': found a list of {}, expected {}, one of each layer", gguf.file, key,
                            slides.size(), layers));
  }
  LIEQ_ASSIGN(const auto stated, gguf.count(key));
  const std::size_t period = stated ? static_cast<std::size_t>(*stated) : usual;
  for (std::size_t l = 0; l < layers; ++l)
    slides.push_back(period == 0 || period == kAllLayers || (l + 1) % period != 0);
  return slides;
}

}  // namespace

Result<std::vector<LayerKind>> layer_kinds_from_json(const Architecture& architecture, const Fields& fields,
                                                     std::size_t layers, Sink& sink) {
  return KindsReader(architecture, fields, layers, sink).read();
}

Result<std::vector<LayerKind>> layer_kinds_from_gguf(const Architecture& architecture, const io::Gguf& gguf,
                                                     std::size_t layers, std::size_t context, Sink& sink) {
  const GgufKeys keys(gguf, architecture.gguf_name);
  std::vector<LayerKind> kinds(layers);
  if (architecture.reads_gguf("rope.scaling.finetuned")) {
    LIEQ_ASSIGN(const auto rotated, gguf.boolean(keys.key("rope.scaling.finetuned")));
    for (LayerKind& kind : kinds) kind.rotated = rotated.value_or(true);
  }
  if (architecture.gguf_no_rope_interval > 0)
    for (std::size_t l = 0; l < layers; ++l) kinds[l].rotated = (l + 1) % architecture.gguf_no_rope_interval != 0;
  LIEQ_ASSIGN(const auto window, keys.count("attention.sliding_window"));
  if (architecture.gguf_window_period == 0 || window.value_or(0) == 0) return kinds;
  LIEQ_ASSIGN(const std::vector<bool> slides, gguf_pattern(keys, gguf, architecture.gguf_window_period, layers));
  for (std::size_t l = 0; l < layers; ++l) kinds[l].window = slides[l] ? *window : 0;
  if (architecture.gguf_window_period == kAllLayers && *window < context)
    sink.warn(fmt::format("{}: key '{}': found {}, which is kept to as transformers does; llama.cpp ignores it",
                          gguf.file, keys.key("attention.sliding_window"), *window));
  return kinds;
}

}  // namespace lieq::model
