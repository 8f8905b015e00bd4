#include "lieq/save/run_folder.h"

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"
#include "lieq/save/gptq_folder.h"

namespace lieq::save {

Result<RunFolder> RunFolder::open(const std::filesystem::path& output, const Json& fingerprint) {
  RunFolder folder(output.string() + ".partial");
  const std::filesystem::path file = folder.path_ / "fingerprint.json";
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    LIEQ_ASSIGN(const Json found, read_json(file));
    for (const auto& [key, expected] : fingerprint.items()) {
      const Json* value = Fields(found, file.string()).find(key);
      if (value && *value == expected) continue;
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "{}: an unfinished run lies here with {} = {}, this one has {}: finish that run with its options, "
              "or start anew with --force",
              folder.path_.string(), key, value ? brief(*value) : "nothing", brief(expected)));
    }
    return folder;
  }
  std::filesystem::create_directories(folder.path_, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be made: {}", folder.path_.string(), error.message()));
  LIEQ_TRY(io::write_json(file, fingerprint));
  return folder;
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
