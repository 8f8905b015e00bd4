#include "lieq/save/pruned_folder.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/io/atomic_file.h"
#include "lieq/save/hf_folder.h"
#include "lieq/save/small_files.h"

namespace lieq::save {
namespace {

/// Fields that give layers their kind by index, unless a list beside them spells the kinds out.
struct Pattern {
  std::string_view field, list;
};
constexpr Pattern kPatterns[] = {{"no_rope_layer_interval", "no_rope_layers"},
                                 {"sliding_window_pattern", "layer_types"},
                                 {"_sliding_window_pattern", "layer_types"},
                                 {"full_attention_interval", "layer_types"}};

/// Lists that say of every layer what else follows from its index in this family.
std::vector<std::string_view> lists_of(const std::string& model_type) {
  std::vector<std::string_view> lists;
  for (const model::Architecture& one : model::architectures()) {
    if (one.model_type != model_type) continue;
    if (one.windows == model::WindowRule::kPattern) lists.emplace_back("layer_types");
    if (one.reads("no_rope_layers")) lists.emplace_back("no_rope_layers");
  }
  return lists;
}

Unexpected index_matters(const std::string& place, std::string_view field, const std::string& found,
                         const std::string& expected) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: field '{}': found {}, expected {}, since a layer's index matters in this family and "
                          "layers that go change it",
                          place, field, found, expected));
}

/// The entries of the layers that are kept.
Json cut(const Json& list, std::span<const std::size_t> kept) {
  Json some = Json::array();
  for (const std::size_t l : kept) some.push_back(list[l]);
  return some;
}

bool lists_layers(const Json& config, std::string_view key, std::size_t layers) {
  const auto found = config.find(key);
  return found != config.end() && found->is_array() && found->size() == layers;
}

/// Whether config.json says of every layer what kind it is, or all are of one.
Result<void> check_kinds(const Json& config, std::size_t layers, const std::string& place) {
  for (const Pattern& pattern : kPatterns) {
    const auto found = config.find(pattern.field);
    if (found == config.end() || found->is_null() || lists_layers(config, pattern.list, layers)) continue;
    return index_matters(place, pattern.field, brief(*found),
                         fmt::format("'{}' with an entry for each of {} layers beside it", pattern.list, layers));
  }
  const std::string type = config.value("model_type", std::string());
  for (const std::string_view list : lists_of(type))
    if (!lists_layers(config, list, layers))
      return index_matters(place, "model_type", in_quotes(type),
                           fmt::format("'{}' with an entry for each of {} layers beside it", list, layers));
  return {};
}

/// The new name of a tensor; nothing for those of layers that go.
std::optional<std::string> renumbered(const std::string& name, std::span<const std::size_t> kept) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return name;
  const char* const first = name.data() + kLayers.size();
  std::size_t layer = 0;
  const auto [end, error] = std::from_chars(first, name.data() + name.size(), layer);
  if (error != std::errc()) return name;
  const auto found = std::ranges::lower_bound(kept, layer);
  if (found == kept.end() || *found != layer) return std::nullopt;
  return fmt::format("{}{}{}", kLayers, found - kept.begin(), std::string_view(end, name.data() + name.size()));
}

Result<void> write_from_folder(const model::Model& model, std::span<const std::size_t> kept,
                               const std::filesystem::path& path) {
  LIEQ_TRY(copy_small_files(model, path));
  const std::filesystem::path file = model.path / "config.json";
  LIEQ_ASSIGN(const Json config, read_json(file));
  LIEQ_ASSIGN(const Json pruned, prune_config(config, kept, file.string()));
  LIEQ_TRY(io::write_json(path / "config.json", pruned));
  std::vector<TensorGroup> groups;
  for (const auto& [name, tensor] : model.files.all()) {
    const auto renamed = renumbered(name, kept);
    if (!renamed) continue;
    const io::TensorInfo info{*renamed, tensor.type, tensor.shape};
    groups.push_back({{info}, [info, data = tensor.data]() -> Result<std::vector<TensorBytes>> {
                        return std::vector{
                            TensorBytes{info, std::string(reinterpret_cast<const char*>(data.data()), data.size())}};
                      }});
  }
  return write_tensor_groups(groups, HfFolder().shard_bytes, path);
}

}  // namespace

Result<void> check_prunable(const model::Model& model) {
  if (model.format == "GGUF") return {};  // a config.json that lists every layer's kind is written
  if (model.format != "safetensors")
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: found weights in {} packing, expected dense ones or a GGUF file: layers go before "
                            "they are quantised",
                            model.path.string(), model.format));
  const std::filesystem::path file = model.path / "config.json";
  LIEQ_ASSIGN(const Json config, read_json(file));
  if (model::text_config(config) != config)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: found the text model of a multimodal checkpoint, expected a text model alone: hf-fp16 "
                            "exports it",
                            model.path.string()));
  std::vector<std::size_t> all(model.layers.size());
  for (std::size_t l = 0; l < all.size(); ++l) all[l] = l;
  LIEQ_ASSIGN(const Json unchanged, prune_config(config, all, file.string()));
  return {};
}

Result<Json> prune_config(const Json& config, std::span<const std::size_t> kept, const std::string& place) {
  LIEQ_ASSIGN(const std::uint64_t count, Fields(config, place).required_count("num_hidden_layers"));
  const auto layers = static_cast<std::size_t>(count);
  LIEQ_TRY(check_kinds(config, layers, place));
  Json pruned = config;
  for (const auto& [key, value] : config.items()) {
    if (!value.is_array() || value.empty() || key.find("layer") == std::string::npos) continue;
    if (value.size() != layers)
      return index_matters(place, key, fmt::format("a list of {}", value.size()),
                           fmt::format("an entry for each of {} layers", layers));
    pruned[key] = cut(value, kept);
  }
  if (const auto windows = config.find("max_window_layers"); windows != config.end() && windows->is_number_unsigned()) {
    const auto below = windows->get<std::uint64_t>();
    pruned["max_window_layers"] = std::ranges::count_if(kept, [&](std::size_t l) { return l < below; });
  }
  pruned["num_hidden_layers"] = kept.size();
  return pruned;
}

model::Model keep_layers(const model::Model& model, std::span<const std::size_t> kept) {
  model::Model some;
  some.path = model.path;
  some.format = model.format;
  some.config = model.config;
  some.config.num_hidden_layers = kept.size();
  some.config.layer_kinds.clear();
  for (const std::size_t l : kept) some.config.layer_kinds.push_back(model.config.kind(l));
  some.embed_tokens = model.embed_tokens;
  some.norm = model.norm;
  some.lm_head = model.lm_head;
  for (const std::size_t l : kept) some.layers.push_back(model.layers[l]);
  return some;
}

Result<void> write_pruned_folder(const model::Model& model, std::span<const std::size_t> kept,
                                 const std::filesystem::path& path, Threads& threads) {
  if (model.format != "GGUF") return write_from_folder(model, kept, path);
  return write_hf_folder(keep_layers(model, kept), {}, {}, path, threads);
}

}  // namespace lieq::save
