#include "lieq/model/tensor_loader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lieq/model/packed_tensors.h"
#include "lieq/pack/decode.h"
#include "lieq/pack/row_slices.h"

namespace lieq::model {
namespace {

class Loader {
 public:
  /// `quantization`: of a folder whose config.json has one, otherwise nothing.
  Loader(Model& model, Threads& threads, Names names, std::optional<QuantizationConfig> quantization)
      : model_(model),
        threads_(threads),
        names_(names),
        quantization_(std::move(quantization)),
        interleaved_(names == Names::kGguf && architecture_of(model.config.architecture).gguf_interleaves_rope) {}

  Result<TakenTensors> take_all(Sink& sink) {
    if (names_ == Names::kHuggingFace) find_prefixes();
    settle_tying(sink);
    model_.layers.resize(model_.config.num_hidden_layers);
    for (std::size_t l = 0; l < model_.layers.size(); ++l) model_.layers[l].attention = model_.config.kind(l);
    for (const TensorSpec& spec : tensor_table(model_.config, names_)) {
      for (std::size_t l = 0; l < (spec.per_layer ? model_.layers.size() : 1); ++l) LIEQ_TRY(take(spec, l));
    }
    if (model_.config.tie_word_embeddings) model_.lm_head = model_.embed_tokens;
    return std::move(taken_);
  }

 private:
  [[nodiscard]] bool has_prefix(std::string_view prefix) const {
    const auto first = model_.files.all().lower_bound(prefix);
    return first != model_.files.all().end() && first->first.starts_with(prefix);
  }

  /// Folders of a model without its head leave out "model.", multimodal ones put the text model elsewhere.
  void find_prefixes() {
    constexpr std::string_view kLayers = "layers.";
    for (const char* prefix : {"model.", "model.language_model.", "language_model.model.", "language_model.", ""}) {
      if (!has_prefix(prefix + std::string(kLayers))) continue;
      prefix_ = prefix;
      break;
    }
    if (!has_prefix("lm_head.") && has_prefix("language_model.lm_head.")) head_prefix_ = "language_model.";
  }

  /// The name in the files.
  [[nodiscard]] std::string stored_name(const TensorSpec& spec, std::size_t l) const {
    if (names_ == Names::kGguf) return tensor_name(spec.gguf_name, l);
    const std::string name = tensor_name(spec.hf_name, l);
    if (spec.role == Role::kEmbedding && !embedding_source_.empty()) return embedding_source_;
    if (spec.role == Role::kHead) return head_prefix_ + name;
    return prefix_ + name.substr(std::string_view("model.").size());
  }

  /// A folder that says its head is tied can hold both matrices: a copy, or one that fine-tuning or merging has moved
  /// away, which then counts. It can also hold the head alone, which then is the embedding, too.
  void settle_tying(Sink& sink) {
    if (names_ == Names::kGguf || !model_.config.tie_word_embeddings) return;
    const std::string name = prefix_ + "embed_tokens.weight";
    const io::Tensor *embedding = model_.files.find(name), *head = model_.files.find(head_prefix_ + "lm_head.weight");
    if (!head) return;
    if (!embedding) {
      embedding_source_ = head->name;
    } else if (embedding->type != head->type || embedding->shape != head->shape ||
               !std::ranges::equal(embedding->data, head->data)) {
      model_.config.tie_word_embeddings = false;
      sink.warn(fmt::format("{}: tie_word_embeddings is true, but '{}' is no copy of '{}': both are used as they are",
                            model_.path.string(), head->name, name));
    }
  }

  Result<void> take(const TensorSpec& spec, std::size_t l) {
    const std::string name = stored_name(spec, l);
    if ((spec.role == Role::kEmbedding || spec.role == Role::kHead) && spec.required && quantization_) {
      const std::string module = module_name(name);
      if (const auto type = quantization_->block_type(module)) return take_blocks(spec, l, module + kBlocksPart, *type);
    }
    LIEQ_ASSIGN(const auto how, quantization_of(spec, name, module_name(tensor_name(spec.hf_name, l))));
    if (how) return take_quantized(spec, l, module_name(name), *how);
    const io::Tensor* tensor = model_.files.find(name);
    taken_.used.insert(name);
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
    const bool dense_only = spec.shape.size() == 1 || names_ == Names::kHuggingFace;
    if (!pack::is_weight_type(tensor->type) || (spec.shape.size() == 1 && !dense))
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{}: tensor '{}': type {}, expected {}", tensor->file, name, lieq::name(tensor->type),
                              dense_only ? "F32, F16 or BF16" : "a type of weights"));
    store(spec, l, *tensor);
    return {};
  }

  /// How the weights of `name` are quantised; nothing: they are dense. Rules, which go by the name of `rule_module`,
  /// say what may be, the tensors what is, since tools leave modules dense that no rule excludes. Codes that the rules
  /// exclude are refused, not guessed at.
  Result<std::optional<LinearQuantization>> quantization_of(const TensorSpec& spec, const std::string& name,
                                                            const std::string& rule_module) const {
    const bool is_matrix = spec.role == Role::kLinear || spec.role == Role::kEmbedding || spec.role == Role::kHead;
    if (!quantization_ || !is_matrix || !spec.required) return std::nullopt;
    const std::string module = module_name(name);
    const std::string codes(packed_parts(quantization_->container()).front());
    const io::Tensor* found = model_.files.find(module + codes);
    const auto how = quantization_->find(
        rule_module, spec.role == Role::kEmbedding ? ModuleClass::kEmbedding : ModuleClass::kLinear);
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
    for (const std::string_view part : packed_parts(how.container)) taken_.used.insert(module + std::string(part));
    matrix.name = module;
    if (!matrix.packed) ++taken_.unpacked;
    switch (spec.role) {
      case Role::kEmbedding: model_.embed_tokens = std::move(matrix); return {};
      case Role::kHead: model_.lm_head = std::move(matrix); return {};
      default: store_linears(spec, l, std::move(matrix)); return {};
    }
  }

  /// Fused linears are cut into their parts.
  void store_linears(const TensorSpec& spec, std::size_t l, pack::StoredMatrix matrix) {
    if (spec.linears.size() == 1) {
      model_.layers[l].linear(spec.linears.front()).weight = std::move(matrix);
      return;
    }
    std::vector<std::size_t> rows;
    for (const LinearKind kind : spec.linears) rows.push_back(outputs_of(model_.config, kind));
    std::vector<pack::StoredMatrix> parts = pack::split_rows(threads_, matrix, rows);
    for (std::size_t i = 0; i < parts.size(); ++i)
      model_.layers[l].linear(spec.linears[i]).weight = std::move(parts[i]);
  }

  /// An embedding or head whose rows are bytes of blocks.
  Result<void> take_blocks(const TensorSpec& spec, std::size_t l, const std::string& name, DType type) {
    const io::Tensor* bytes = model_.files.find(name);
    const auto row_bytes = bytes_of(type, spec.shape[1]);
    const std::vector<std::size_t> shape = {spec.shape[0], row_bytes.value_or(0)};
    if (!bytes || !row_bytes || bytes->type != DType::kU8 || bytes->shape != shape)
      return fail(
          ErrorCode::kInvalidFormat,
          fmt::format(
              "{}: tensor '{}': {}, expected {} of U8, rows of {} in {} blocks",
              bytes ? bytes->file : model_.path.string(), name,
              !bytes ? "missing" : fmt::format("shape {} of {}", io::shape_text(bytes->shape), lieq::name(bytes->type)),
              io::shape_text(shape), spec.shape[1], lieq::name(type)));
    taken_.used.insert(name);
    taken_.blocks.push_back({name, type, spec.shape, bytes->data, bytes->file});
    store(spec, l, taken_.blocks.back());
    return {};
  }

  void store(const TensorSpec& spec, std::size_t l, const io::Tensor& tensor) {
    switch (spec.role) {
      case Role::kEmbedding: model_.embed_tokens = matrix(tensor); return;
      case Role::kHead: model_.lm_head = matrix(tensor); return;
      case Role::kFinalNorm: model_.norm = gains(spec, tensor); return;
      case Role::kLinear: {
        pack::StoredMatrix weight = matrix(tensor);
        if (is_rotated(spec)) weight.interleaved_head_dim = model_.config.head_dim;
        store_linears(spec, l, std::move(weight));
        return;
      }
      case Role::kBias: {
        std::vector<float> all = vector(tensor);
        if (is_rotated(spec)) all = halves_from_pairs(all);
        auto first = all.begin();
        for (const LinearKind kind : spec.linears) {
          const auto end = first + static_cast<std::ptrdiff_t>(outputs_of(model_.config, kind));
          model_.layers[l].linear(kind).bias.assign(first, end);
          first = end;
        }
        return;
      }
      default: model_.layers[l].norm(spec.role) = gains(spec, tensor); return;
    }
  }

  [[nodiscard]] bool is_rotated(const TensorSpec& spec) const {
    const LinearKind first = spec.linears.front();
    return interleaved_ && spec.linears.size() == 1 && (first == LinearKind::kQ || first == LinearKind::kK);
  }

  /// The gains of a norm, whatever the file counts them from.
  [[nodiscard]] std::vector<float> gains(const TensorSpec& spec, const io::Tensor& tensor) const {
    std::vector<float> values = vector(tensor);
    if (spec.from_one && names_ == Names::kHuggingFace)
      for (float& value : values) value += 1.0F;
    return values;
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
  Names names_;
  std::optional<QuantizationConfig> quantization_;
  bool interleaved_;
  std::string prefix_ = "model.", head_prefix_;  // of the text model and of its head
  std::string embedding_source_;                 // where the embedding lies instead; empty: where it should
  TakenTensors taken_;
};

}  // namespace

Result<TakenTensors> take_tensors(Model& model, Threads& threads, Names names,
                                  std::optional<QuantizationConfig> quantization, Sink& sink) {
  return Loader(model, threads, names, std::move(quantization)).take_all(sink);
}

}  // namespace lieq::model
