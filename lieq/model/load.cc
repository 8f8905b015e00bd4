#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "lieq/io/gguf.h"
#include "lieq/io/safetensors.h"
#include "lieq/kernels/pack_rows.h"
#include "lieq/model/folder_kind.h"
#include "lieq/model/model.h"
#include "lieq/model/packed_tensors.h"
#include "lieq/model/tensor_loader.h"
#include "lieq/pack/decode.h"
#include "lieq/pack/finite.h"
#include "lieq/pack/packed_blocks.h"

namespace lieq::model {
namespace {

/// Tensors that other programs leave behind and that carry no weights of ours.
bool is_known_leftover(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name.starts_with("rope_f") || name.ends_with("attn_rot_embd");
}

void warn_of_unknown(const Model& model, const std::set<std::string>& used, Sink& sink) {
  std::size_t count = 0;
  std::string first;
  for (const auto& [name, tensor] : model.files.all()) {
    if (used.contains(name) || is_known_leftover(name)) continue;
    if (count++ == 0) first = name;
  }
  if (count > 0)
    sink.warn(fmt::format("{}: {} tensors are not part of a {} model and were left out, the first '{}'",
                          model.path.string(), count, model.config.model_type, first));
}

/// One read of every weight used. The first bad tensor in name order is reported, whatever the thread.
Result<void> check_finite(const Model& model, const TakenTensors& taken, Threads& threads) {
  constexpr std::size_t kChunkBlocks = std::size_t{1} << 16;
  struct Chunk {
    const io::Tensor* tensor;
    std::size_t first, blocks;
  };
  std::vector<Chunk> chunks;
  const auto add = [&](const io::Tensor& tensor) {
    const std::size_t blocks = tensor.data.size() / block_bytes(tensor.type);
    for (std::size_t b = 0; b < blocks; b += kChunkBlocks)
      chunks.push_back({&tensor, b, std::min(kChunkBlocks, blocks - b)});
  };
  for (const io::Tensor& tensor : taken.blocks) add(tensor);
  for (const auto& [name, tensor] : model.files.all())
    if (taken.used.contains(name) && pack::is_weight_type(tensor.type)) add(tensor);
  std::vector<char> finite(chunks.size(), 1);
  threads.for_each(chunks.size(), [&](std::size_t i, std::size_t) {
    const Chunk& chunk = chunks[i];
    const DType type = chunk.tensor->type;
    finite[i] = pack::all_finite(type, chunk.tensor->data.subspan(chunk.first * block_bytes(type),
                                                                  chunk.blocks * block_bytes(type)));
  });
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (!finite[i])
      return fail(ErrorCode::kNumerical, fmt::format("{}: tensor '{}': found NaN or infinity, expected finite weights",
                                                     chunks[i].tensor->file, chunks[i].tensor->name));
  }
  return {};
}

/// Everything of the model that lies in its tensors.
Result<void> fill(Model& model, Names names, std::optional<QuantizationConfig> quantization, Threads& threads,
                  Sink& sink) {
  LIEQ_ASSIGN(const TakenTensors taken, take_tensors(model, threads, names, std::move(quantization), sink));
  LIEQ_TRY(check_finite(model, taken, threads));
  model.files.release_pages();
  if (taken.unpacked > 0)
    sink.warn(fmt::format("{}: {} quantised modules have scales that half precision cannot hold; they are kept as F32",
                          model.path.string(), taken.unpacked));
  warn_of_unknown(model, taken.used, sink);
  return {};
}

/// generation_config.json knows all ids that end an answer; config.json often only one.
Result<void> read_generation_config(const std::filesystem::path& folder, ModelConfig& config) {
  const std::filesystem::path file = folder / "generation_config.json";
  if (!std::filesystem::exists(file)) return {};
  LIEQ_ASSIGN(const Json json, read_json(file));
  LIEQ_ASSIGN(auto eos, token_ids(json, "eos_token_id", file.string()));
  if (!eos.empty()) config.eos_token_id = std::move(eos);
  return {};
}

/// The recommendation of lieq.json, which quantising writes, unless the caller wants something else.
Result<unsigned> choose_embed_bits(const std::filesystem::path& path, const LoadOptions& options) {
  constexpr unsigned kAsStored = 16;
  unsigned bits = options.embed_bits.value_or(kAsStored);
  std::string place = "embed_bits";
  const std::filesystem::path file = path / "lieq.json";
  if (!options.embed_bits && std::filesystem::exists(file)) {
    LIEQ_ASSIGN(const Json json, read_json(file));
    place = file.string() + ": field 'embed_bits'";
    LIEQ_ASSIGN(const auto recommended, Fields(json, file.string()).count("embed_bits"));
    if (recommended) bits = static_cast<unsigned>(std::min<std::uint64_t>(*recommended, kAsStored + 1));
  }
  if (bits != 4 && bits != 8 && bits != kAsStored)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {}, expected 4, 8 or 16", place, bits));
  return bits;
}

/// A head with codes of its own is used, whatever the configuration says of it.
void untie_quantized_head(Model& model, const QuantizationConfig& quantization, Sink& sink) {
  const std::string codes = "lm_head" + std::string(packed_parts(quantization.container()).front());
  if (!model.config.tie_word_embeddings || !model.files.find(codes)) return;
  model.config.tie_word_embeddings = false;
  sink.warn(fmt::format("{}: tensor '{}' is there, so the head is not tied as tie_word_embeddings says",
                        model.path.string(), codes));
}

template <class Change>
void change_embeddings(Model& model, const Change& change) {
  change(model.embed_tokens);
  if (model.config.tie_word_embeddings) {
    model.lm_head = model.embed_tokens;
  } else {
    change(model.lm_head);
  }
}

void round_embeddings(Model& model, unsigned bits, Threads& threads) {
  constexpr std::size_t kGroup = 64;
  if (bits == 16) return;
  change_embeddings(model, [&](pack::StoredMatrix& matrix) {
    if (matrix.code_bits() <= bits && (!matrix.is_stored() || pack::fits_packed(matrix.type))) return;
    matrix.packed = std::make_shared<const pack::PackedMatrix>(kernels::pack_rows(threads, matrix, bits, kGroup));
    matrix.data = nullptr;
  });
}

void pack_all_blocks(Model& model, Threads& threads) {
  const auto pack = [&](pack::StoredMatrix& matrix) {
    if (!matrix.is_stored() || !pack::fits_packed(matrix.type)) return;
    matrix.packed = std::make_shared<const pack::PackedMatrix>(pack::pack_blocks(threads, matrix));
    if (!matrix.owner)  // it lies in the mapped file: so that the model never lies in memory twice
      io::release_pages({matrix.data, matrix.bytes()});
  };
  change_embeddings(model, pack);
  for (Layer& layer : model.layers)
    for (Linear& linear : layer.linears) pack(linear.weight);
}

}  // namespace

Result<Model> Model::load(const std::filesystem::path& path, Threads& threads, Sink& sink, const LoadOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    return fail(ErrorCode::kNotFound,
                path.string() + ": no such file or folder, expected a model folder or a .gguf file");
  if (path.extension() == ".safetensors")
    return fail(ErrorCode::kUnsupported,
                path.string() + ": found a .safetensors file, expected the model folder that holds it or a .gguf file");
  Model model;
  model.path = path;
  std::optional<QuantizationConfig> quantization;
  const bool folder = std::filesystem::is_directory(path, ignored);
  if (folder) {
    model.format = "safetensors";
    LIEQ_TRY(check_folder(path));
    const std::filesystem::path file = path / "config.json";
    LIEQ_ASSIGN(const Json json, read_json(file));
    LIEQ_ASSIGN(model.config, config_from_json(json, file.string(), sink));
    LIEQ_TRY(read_generation_config(path, model.config));
    LIEQ_ASSIGN(quantization, QuantizationConfig::read(file));
    if (quantization) model.format = name(quantization->container());
    LIEQ_ASSIGN(model.files, io::open_safetensors_folder(path, sink));
    if (quantization) untie_quantized_head(model, *quantization, sink);
  } else {
    model.format = "GGUF";
    LIEQ_ASSIGN(io::Gguf gguf, io::open_gguf(path));
    LIEQ_ASSIGN(model.config, config_from_gguf(gguf, sink));
    model.files = std::move(gguf.tensors);
  }
  LIEQ_TRY(fill(model, folder ? Names::kHuggingFace : Names::kGguf, std::move(quantization), threads, sink));
  LIEQ_ASSIGN(const unsigned embed_bits, choose_embed_bits(path, options));
  round_embeddings(model, embed_bits, threads);
  if (options.pack_blocks) pack_all_blocks(model, threads);
  model.files.release_pages();
  return model;
}

Result<Model> Model::from_tensors(const std::string& name, const Json& config, io::TensorSet tensors, Threads& threads,
                                  Sink& sink) {
  Model model;
  model.path = name;
  model.format = "memory";
  LIEQ_ASSIGN(model.config, config_from_json(config, name + ": config", sink));
  if (config.contains("quantization_config"))
    return fail(ErrorCode::kUnsupported, name + ": config: field 'quantization_config': found one, expected none, "
                                                "since tensors in memory must be dense");
  model.files = std::move(tensors);
  LIEQ_TRY(fill(model, Names::kHuggingFace, std::nullopt, threads, sink));
  return model;
}

}  // namespace lieq::model
