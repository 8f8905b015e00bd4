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

/// Families whose layers are all alike, so that any may go.
constexpr std::string_view kAlike[] = {"llama", "mistral", "qwen2", "qwen3"};

/// Fields that give layers their kind by index, unless a list beside them spells the kinds out.
struct Pattern {
  std::string_view field, list;
};
constexpr Pattern kPatterns[] = {{"no_rope_layer_interval", "no_rope_layers"},
                                 {"sliding_window_pattern", "layer_types"},
                                 {"_sliding_window_pattern", "layer_types"},
                                 {"full_attention_interval", "layer_types"}};

constexpr std::string_view kLists[] = {"layer_types", "no_rope_layers"};

bool is_alike(const std::string& model_type) {
  return std::ranges::find(kAlike, model_type) != std::end(kAlike);
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
  const bool listed =
      std::ranges::any_of(kLists, [&](std::string_view list) { return lists_layers(config, list, layers); });
  if (is_alike(type) || listed) return {};
  return index_matters(place, "model_type", in_quotes(type),
                       fmt::format("llama, mistral, qwen2 or qwen3, or a list such as layer_types with an entry for "
                                   "each of {} layers",
                                   layers));
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
  if (model.format == "GGUF") {
    if (is_alike(model.config.model_type)) return {};
    return index_matters(model.path.string(), "general.architecture", in_quotes(model.config.model_type),
                         "llama, qwen2 or qwen3");
  }
  if (model.format != "safetensors")
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: found weights in {} packing, expected dense ones or a GGUF file: layers go before "
                            "they are quantised",
                            model.path.string(), model.format));
  const std::filesystem::path file = model.path / "config.json";
  LIEQ_ASSIGN(const Json config, read_json(file));
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
