#include "lieq/save/small_files.h"

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"
#include "lieq/io/gguf.h"
#include "lieq/save/model_config.h"
#include "lieq/text/gguf_to_json.h"

namespace lieq::save {
namespace {

constexpr std::uintmax_t kSmall = std::uintmax_t{64} << 20;

bool is_left_out(const std::filesystem::path& file) {
  const std::string name = file.filename().string(), extension = file.extension().string();
  for (const char* weights : {".safetensors", ".bin", ".pth", ".pt", ".gguf", ".h5", ".msgpack", ".onnx"})
    if (extension == weights) return true;
  return name == "config.json" || name == "quantize_config.json" || name == "quant_config.json" ||
         name == "lieq.json" ||
         name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json");
}

Result<void> copy_folder(const std::filesystem::path& source, const std::filesystem::path& target) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(source, error)) {
    // Hub caches hold links to files: those are followed.
    if (!entry.is_regular_file(error) || is_left_out(entry.path()) || entry.file_size(error) > kSmall) continue;
    LIEQ_ASSIGN(const std::string contents, io::read_file(entry.path()));
    LIEQ_TRY(io::write_file(target / entry.path().filename(), contents));
  }
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be listed: {}", source.string(), error.message()));
  return {};
}

/// Chat templates other than the default one have a folder of their own.
Result<void> copy_templates(const std::filesystem::path& source, const std::filesystem::path& target) {
  std::error_code error;
  if (!std::filesystem::is_directory(source, error)) return {};
  std::filesystem::create_directories(target, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be made: {}", target.string(), error.message()));
  return copy_folder(source, target);
}

Result<void> write_from_gguf(const model::Model& model, const std::filesystem::path& target) {
  LIEQ_ASSIGN(const io::Gguf gguf, io::open_gguf(model.path));
  LIEQ_ASSIGN(const text::TokenizerFiles files, text::tokenizer_files_from_gguf(gguf));
  LIEQ_TRY(io::write_file(target / "tokenizer.json", files.tokenizer_json));
  LIEQ_TRY(io::write_file(target / "tokenizer_config.json", files.tokenizer_config_json));
  const Json generation = {{"bos_token_id", json_ids(model.config.bos_token_id)},
                           {"eos_token_id", json_ids(model.config.eos_token_id)}};
  return io::write_json(target / "generation_config.json", generation);
}

}  // namespace

Result<void> copy_small_files(const model::Model& model, const std::filesystem::path& target) {
  if (model.format == "GGUF") return write_from_gguf(model, target);
  LIEQ_TRY(copy_folder(model.path, target));
  constexpr const char* kTemplates = "additional_chat_templates";
  return copy_templates(model.path / kTemplates, target / kTemplates);
}

Result<Json> base_config(const model::Model& model) {
  if (model.format == "GGUF") return config_from_model(model);
  LIEQ_ASSIGN(const Json whole, read_json(model.path / "config.json"));
  Json config = model::text_config(whole);
  for (const char* key : {"quantization_config", "quantization"}) config.erase(key);
  // Loading finds out that a head is no copy of the embedding although its folder says so.
  if (!model.config.tie_word_embeddings && config.value("tie_word_embeddings", false))
    config["tie_word_embeddings"] = false;
  return config;
}

}  // namespace lieq::save
