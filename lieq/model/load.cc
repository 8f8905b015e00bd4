#include <algorithm>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include "lieq/io/gguf.h"
#include "lieq/io/safetensors.h"
#include "lieq/kernels/pack_rows.h"
#include "lieq/model/folder_kind.h"
#include "lieq/model/model.h"
#include "lieq/model/packed_tensors.h"
#include "lieq/model/quantization_config.h"
#include "lieq/pack/decode.h"
#include "lieq/pack/finite.h"
#include "lieq/pack/packed_blocks.h"

namespace lieq::model {
namespace {

enum class Format { kSafetensors, kGguf };

/// Takes the tensors of the table out of an opened file set and puts them into a Model.
class Loader {
 public:
  /// `quantization`: of a folder whose config.json has one, otherwise nothing.
  Loader(Model& model, Threads& threads, Format format, std::optional<QuantizationConfig> quantization)
      : model_(model), threads_(threads), format_(format), quantization_(std::move(quantization)) {
    for (const Architecture& one : architectures())
      if (one.hf_name == model.config.architecture) interleaved_ = format == Format::kGguf && one.gguf_interleaves_rope;
  }

  Result<void> load(Sink& sink) {
    bare_ = format_ == Format::kSafetensors && !has_prefix("model.") && has_prefix("layers.");
    settle_tying(sink);
    model_.layers.resize(model_.config.num_hidden_layers);
    for (const TensorSpec& spec : tensor_table(model_.config)) {
      for (std::size_t l = 0; l < (spec.per_layer ? model_.layers.size() : 1); ++l) LIEQ_TRY(take(spec, l));
    }
    if (model_.config.tie_word_embeddings) model_.lm_head = model_.embed_tokens;
    return {};
  }

  [[nodiscard]] const std::set<std::string>& used() const { return used_; }
  /// Quantised modules whose scales halves cannot hold.
  [[nodiscard]] std::size_t unpacked() const { return unpacked_; }
  /// Tensors of bytes as what they hold: rows of blocks.
  [[nodiscard]] const std::vector<io::Tensor>& blocks() const { return blocks_; }

 private:
  [[nodiscard]] bool has_prefix(std::string_view prefix) const {
    const auto first = model_.files.all().lower_bound(prefix);
    return first != model_.files.all().end() && first->first.starts_with(prefix);
  }

  /// The name in the files: folders of a model without its head leave out "model.".
  [[nodiscard]] std::string stored_name(const TensorSpec& spec, std::size_t l) const {
    std::string name = tensor_name(format_ == Format::kGguf ? spec.gguf_name : spec.hf_name, l);
    if (name == embedding_) return embedding_source_;
    constexpr std::string_view kModel = "model.";
    return bare_ && name.starts_with(kModel) ? name.substr(kModel.size()) : name;
  }

  /// A folder that says its head is tied can hold both matrices: a copy, or one that fine-tuning or merging has moved
  /// away, which then counts. It can also hold the head alone, which then is the embedding, too.
  void settle_tying(Sink& sink) {
    if (format_ == Format::kGguf || !model_.config.tie_word_embeddings) return;
    const std::string name = bare_ ? "embed_tokens.weight" : "model.embed_tokens.weight";
    const io::Tensor *embedding = model_.files.find(name), *head = model_.files.find("lm_head.weight");
    if (!head) return;
    if (!embedding) {
      embedding_ = "model.embed_tokens.weight";
      embedding_source_ = head->name;
    } else if (embedding->type != head->type || embedding->shape != head->shape ||
               !std::ranges::equal(embedding->data, head->data)) {
      model_.config.tie_word_embeddings = false;
      sink.warn(
          fmt::format("{}: tie_word_embeddings is true, but 'lm_head.weight' is no copy of '{}': both are used as "
                      "they are",
                      model_.path.string(), name));
    }
  }

  Result<void> take(const TensorSpec& spec, std::size_t l) {
    const std::string name = stored_name(spec, l);
    if ((spec.role == Role::kEmbedding || spec.role == Role::kHead) && spec.required && quantization_) {
      const std::string module = module_of(name);
      if (const auto type = quantization_->block_type(module)) return take_blocks(spec, l, module + kBlocksPart, *type);
    }
    LIEQ_ASSIGN(const auto how, quantization_of(spec, name, module_of(tensor_name(spec.hf_name, l))));
    if (how) return take_quantized(spec, l, module_of(name), *how);
    const io::Tensor* tensor = model_.files.find(name);
    used_.insert(name);
    const auto doubt = model_.files.doubts().find(name);
    if (spec.required && doubt != model_.files.doubts().end()) return fail(ErrorCode::kInvalidFormat, doubt->second);
    if (!spec.required) {
      // settle_tying() has found a head that is not required to be a copy of the embedding.
      if (!tensor || spec.role == Role::kHead || is_zero_bias(spec, *tensor)) return {};
      return fail(
          ErrorCode::kInvalidFormat,
          fmt::format("{}: tensor '{}': found, expected none: the configuration of this {} model has no such part",
                      tensor->file, name, model_.config.model_type));
    }
    if (!tensor)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: tensor '{}': missing, expected shape {} ({})", model_.path.string(), name,
                              io::shape_text(spec.shape), spec.shape_in_words));
    if (tensor->shape != spec.shape)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: tensor '{}': shape {}, expected {} ({})", tensor->file, name,
                              io::shape_text(tensor->shape), io::shape_text(spec.shape), spec.shape_in_words));
    const bool dense = tensor->type == DType::kF32 || tensor->type == DType::kF16 || tensor->type == DType::kBF16;
    const bool dense_only = spec.shape.size() == 1 || format_ == Format::kSafetensors;
    if (!pack::is_weight_type(tensor->type) || (spec.shape.size() == 1 && !dense))
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{}: tensor '{}': type {}, expected {}", tensor->file, name, lieq::name(tensor->type),
                              dense_only ? "F32, F16 or BF16" : "a type of weights"));
    store(spec, l, *tensor);
    return {};
  }

  static std::string module_of(const std::string& tensor) {
    return tensor.substr(0, tensor.size() - std::string_view(".weight").size());
  }

  /// How the weights of `name` are quantised; nothing: they are dense. Rules, which go by the name of `rule_module`, say
  /// what may be, the tensors what is, since tools leave modules dense that no rule excludes. Codes that the rules
  /// exclude are refused, not guessed at.
  Result<std::optional<LinearQuantization>> quantization_of(const TensorSpec& spec, const std::string& name,
                                                            const std::string& rule_module) const {
    const bool is_matrix = spec.role == Role::kLinear || spec.role == Role::kEmbedding || spec.role == Role::kHead;
    if (!quantization_ || !is_matrix || !spec.required) return std::nullopt;
    const std::string module = module_of(name);
    const std::string codes(packed_parts(quantization_->container()).front());
    const io::Tensor* found = model_.files.find(module + codes);
    const auto how = quantization_->find(rule_module, spec.role == Role::kEmbedding ? ModuleClass::kEmbedding
                                                                                    : ModuleClass::kLinear);
    const io::Tensor* dense = model_.files.find(name);
    if (how && (found || (!dense && spec.role == Role::kLinear))) return how;
    if (found && !dense)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: tensor '{}': found, but quantization_config leaves '{}' as it was; expected '{}'",
                              found->file, found->name, module, name));
    return std::nullopt;
  }

  /// AutoGPTQ gives every linear a bias; of models that have none it is 0.
  static bool is_zero_bias(const TensorSpec& spec, const io::Tensor& tensor) {
    if (spec.role != Role::kBias || tensor.shape != spec.shape || block_elements(tensor.type) != 1) return false;
    return std::ranges::all_of(tensor.data, [](std::byte b) { return b == std::byte{0}; });
  }

  Result<void> take_quantized(const TensorSpec& spec, std::size_t l, const std::string& module,
                              const LinearQuantization& how) {
    LIEQ_ASSIGN(pack::StoredMatrix matrix,
                read_packed(threads_, model_.files, module, spec.shape, how, model_.path.string()));
    for (const std::string_view part : packed_parts(how.container)) used_.insert(module + std::string(part));
    matrix.name = module;
    if (!matrix.packed) ++unpacked_;
    switch (spec.role) {
      case Role::kEmbedding: model_.embed_tokens = std::move(matrix); return {};
      case Role::kHead: model_.lm_head = std::move(matrix); return {};
      default: model_.layers[l].linear(spec.linear).weight = std::move(matrix); return {};
    }
  }

  /// An embedding or head whose rows are bytes of blocks.
  Result<void> take_blocks(const TensorSpec& spec, std::size_t l, const std::string& name, DType type) {
    const io::Tensor* bytes = model_.files.find(name);
    const auto row_bytes = bytes_of(type, spec.shape[1]);
    const std::vector<std::size_t> shape = {spec.shape[0], row_bytes.value_or(0)};
    if (!bytes || !row_bytes || bytes->type != DType::kU8 || bytes->shape != shape)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: tensor '{}': {}, expected {} of U8, rows of {} in {} blocks",
                              bytes ? bytes->file : model_.path.string(), name,
                              !bytes ? "missing"
                                     : fmt::format("shape {} of {}", io::shape_text(bytes->shape),
                                                   lieq::name(bytes->type)),
                              io::shape_text(shape), spec.shape[1], lieq::name(type)));
    used_.insert(name);
    blocks_.push_back({name, type, spec.shape, bytes->data, bytes->file});
    store(spec, l, blocks_.back());
    return {};
  }

  void store(const TensorSpec& spec, std::size_t l, const io::Tensor& tensor) {
    switch (spec.role) {
      case Role::kEmbedding: model_.embed_tokens = matrix(tensor); return;
      case Role::kHead: model_.lm_head = matrix(tensor); return;
      case Role::kFinalNorm: model_.norm = vector(tensor); return;
      case Role::kInputNorm: model_.layers[l].input_layernorm = vector(tensor); return;
      case Role::kPostAttentionNorm: model_.layers[l].post_attention_layernorm = vector(tensor); return;
      case Role::kQNorm: model_.layers[l].q_norm = vector(tensor); return;
      case Role::kKNorm: model_.layers[l].k_norm = vector(tensor); return;
      case Role::kLinear: {
        pack::StoredMatrix& weight = model_.layers[l].linear(spec.linear).weight;
        weight = matrix(tensor);
        if (is_rotated(spec)) weight.interleaved_head_dim = model_.config.head_dim;
        return;
      }
      case Role::kBias: {
        std::vector<float>& bias = model_.layers[l].linear(spec.linear).bias;
        bias = vector(tensor);
        if (is_rotated(spec)) bias = halves_from_pairs(bias);
        return;
      }
    }
  }

  [[nodiscard]] bool is_rotated(const TensorSpec& spec) const {
    return interleaved_ && (spec.linear == LinearKind::kQ || spec.linear == LinearKind::kK);
  }

  [[nodiscard]] std::vector<float> halves_from_pairs(const std::vector<float>& stored) const {
    const std::size_t half = model_.config.head_dim / 2;
    std::vector<float> logical(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      const std::size_t head = i / (2 * half) * (2 * half), pair = i % (2 * half) / 2;
      logical[head + pair + (i % 2) * half] = stored[i];
    }
    return logical;
  }

  static pack::StoredMatrix matrix(const io::Tensor& tensor) {
    return {tensor.name, tensor.type, tensor.shape[0], tensor.shape[1], tensor.data.data(), 0, nullptr};
  }

  static std::vector<float> vector(const io::Tensor& tensor) {
    std::vector<float> values(tensor.shape[0]);
    pack::decode(tensor.type, tensor.data.data(), values.size(), values.data());
    return values;
  }

  Model& model_;
  Threads& threads_;
  Format format_;
  std::optional<QuantizationConfig> quantization_;
  bool interleaved_ = false;
  bool bare_ = false;                          // names come without "model."
  std::string embedding_, embedding_source_;   // the embedding's usual name and where it lies instead; empty: there
  std::set<std::string> used_;
  std::size_t unpacked_ = 0;
  std::vector<io::Tensor> blocks_;
};

/// Tensors that other programs leave behind and that carry no weights of ours.
bool is_known_leftover(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name == "rope_freqs.weight" || name.ends_with("attn_rot_embd");
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
Result<void> check_finite(const Model& model, const Loader& loader, Threads& threads) {
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
  for (const io::Tensor& tensor : loader.blocks()) add(tensor);
  for (const auto& [name, tensor] : model.files.all())
    if (loader.used().contains(name) && pack::is_weight_type(tensor.type)) add(tensor);
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
Result<void> fill(Model& model, Format format, std::optional<QuantizationConfig> quantization, Threads& threads,
                  Sink& sink) {
  Loader loader(model, threads, format, std::move(quantization));
  LIEQ_TRY(loader.load(sink));
  LIEQ_TRY(check_finite(model, loader, threads));
  if (loader.unpacked() > 0)
    sink.warn(fmt::format("{}: {} quantised modules have scales that half precision cannot hold; they are kept as F32",
                          model.path.string(), loader.unpacked()));
  warn_of_unknown(model, loader.used(), sink);
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
    if (matrix.is_stored() && pack::fits_packed(matrix.type))
      matrix.packed = std::make_shared<const pack::PackedMatrix>(pack::pack_blocks(threads, matrix));
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
  LIEQ_TRY(fill(model, folder ? Format::kSafetensors : Format::kGguf, std::move(quantization), threads, sink));
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
  LIEQ_TRY(fill(model, Format::kSafetensors, std::nullopt, threads, sink));
  return model;
}

}  // namespace lieq::model
