#include "lieq/model/folder_kind.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/message.h"

namespace lieq::model {
namespace {

std::vector<std::string> file_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// The first name with this ending, empty where there is none.
std::string ending_with(const std::vector<std::string>& names, std::string_view end) {
  const auto found = std::ranges::find_if(names, [&](const std::string& name) { return name.ends_with(end); });
  return found == names.end() ? "" : *found;
}

}  // namespace

Result<void> check_folder(const std::filesystem::path& folder) {
  const std::vector<std::string> names = file_names(folder);
  const auto holds = [&](const char* name) { return std::ranges::find(names, name) != names.end(); };
  const bool weights = !ending_with(names, ".safetensors").empty() || !ending_with(names, ".index.json").empty();
  if (holds("adapter_config.json") && !holds("config.json"))
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: found a LoRA adapter (adapter_config.json), expected a whole model: merge the adapter "
                            "into its base model and save that",
                            folder.string()));
  if (const std::string gguf = ending_with(names, ".gguf"); !gguf.empty() && (!holds("config.json") || !weights))
    return fail(ErrorCode::kNotFound, fmt::format("{}: found no config.json with safetensors but {}, expected a model "
                                                  "folder: give the .gguf file itself",
                                                  folder.string(), in_quotes(gguf)));
  if (weights || !holds("config.json")) return {};
  for (const char* end : {".bin", ".pth", ".pt", ".h5", ".msgpack", ".onnx"}) {
    const std::string found = ending_with(names, end);
    if (found.empty() || found == "training_args.bin") continue;
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: found {}, expected weights as safetensors: load the model in transformers and save it "
                            "with save_pretrained, which writes them",
                            folder.string(), in_quotes(found)));
  }
  return {};
}

}  // namespace lieq::model
