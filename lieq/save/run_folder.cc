#include "lieq/save/run_folder.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"
#include "lieq/io/folder_lock.h"
#include "lieq/save/gptq_folder.h"

namespace lieq::save {
namespace {

/// Layers from the first on that two runs quantise alike: none if they differ in more than widths.
std::size_t common_layers(const Json& found, const Json& wanted) {
  Json a = found, b = wanted;
  if (!a.is_object()) return 0;
  const Json widths = a["layer_bits"], own = b["layer_bits"];
  a.erase("layer_bits"), b.erase("layer_bits");
  if (a != b || !widths.is_array()) return 0;
  std::size_t common = 0;
  while (common < std::min(widths.size(), own.size()) && widths[common] == own[common]) ++common;
  return common;
}

}  // namespace

Result<RunFolder> RunFolder::open(const std::filesystem::path& output, const Json& fingerprint) {
  RunFolder folder(output.string() + ".partial");
  const std::filesystem::path file = folder.path_ / "fingerprint.json";
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    LIEQ_ASSIGN(const Json found, read_json(file));
    if (const auto difference = difference_of(found, fingerprint))
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: an unfinished run lies here with {}: finish that run with its options, or start anew "
                      "with --force",
                      folder.path_.string(), *difference));
    return folder;
  }
  std::filesystem::create_directories(folder.path_, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be made: {}", folder.path_.string(), error.message()));
  LIEQ_TRY(io::write_json(file, fingerprint));
  return folder;
}

Result<RunFolder> RunFolder::open_anew(const std::filesystem::path& output, const Json& fingerprint) {
  const RunFolder folder(output.string() + ".partial");
  const Result<Json> found = read_json(folder.path_ / "fingerprint.json");
  if (!found || *found == fingerprint) return open(output, fingerprint);
  // The lock stays; the fingerprint goes last, so that the rest is never taken for another run's.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name != io::FolderLock::kName && name != "fingerprint.json") std::filesystem::remove_all(entry.path(), ignored);
  }
  std::filesystem::remove(folder.path_ / "fingerprint.json", ignored);
  return open(output, fingerprint);
}

Result<RunFolder> RunFolder::adopt(const std::filesystem::path& output, const Json& fingerprint) {
  const RunFolder folder(output.string() + ".partial");
  const std::filesystem::path file = folder.path_ / "fingerprint.json";
  std::error_code ignored;
  const Result<Json> found = read_json(file);
  const std::size_t kept = found ? common_layers(*found, fingerprint) : 0;
  if (kept == 0) folder.remove();
  // From the last one down, so that no gap appears if this is interrupted.
  for (std::size_t l = folder.finished(); l > kept; --l) std::filesystem::remove(folder.file(l - 1), ignored);
  if (kept > 0) LIEQ_TRY(io::write_json(file, fingerprint));
  return open(output, fingerprint);
}

std::filesystem::path RunFolder::file(std::size_t layer) const {
  return path_ / fmt::format("layer-{:03}.safetensors", layer);
}

std::size_t RunFolder::finished() const {
  std::size_t layers = 0;
  std::error_code ignored;
  while (std::filesystem::exists(file(layers), ignored)) ++layers;
  return layers;
}

Result<quantize::QuantizedLayer> RunFolder::read(std::size_t layer) const { return read_checkpoint(file(layer)); }

Result<void> RunFolder::write(std::size_t layer, const quantize::QuantizedLayer& quantized) const {
  return write_checkpoint(file(layer), quantized);
}

void RunFolder::remove() const {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace lieq::save
