#include "lieq/save/gptq_folder.h"

#include <map>

#include <fmt/format.h>

#include "lieq/io/safetensors_writer.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/quantization_config.h"
#include "lieq/pack/row_slices.h"
#include "lieq/save/gguf_blocks.h"
#include "lieq/save/quantization_config.h"
#include "lieq/save/small_files.h"
#include "lieq/save/temporary_path.h"

namespace lieq::save {
namespace {

using model::Role;
using quantize::QuantizedLayer;

/// Bytes of an array ready to be written.
struct Array {
  io::TensorInfo info;
  std::string bytes;
};

template <class T>
Array array(std::string name, DType type, std::vector<std::size_t> shape, const std::vector<T>& values) {
  return {{std::move(name), type, std::move(shape)},
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
}

/// Embedding and head as they are named in "blocks" of the configuration.
std::map<std::string, DType> blocks_of(const EmbeddingPlan& plan) {
  std::map<std::string, DType> blocks;
  if (block_elements(plan.embedding_type) > 1) blocks.emplace("model.embed_tokens", plan.embedding_type);
  if (plan.head && block_elements(plan.head_type) > 1) blocks.emplace("lm_head", plan.head_type);
  return blocks;
}

/// Writes the tensors of the table one after the other; a first pass over shapes alone makes the header.
class FolderWriter {
 public:
  FolderWriter(const FolderContents& contents, const EmbeddingPlan& embeddings)
      : contents_(contents),
        embeddings_(embeddings),
        model_(*contents.source),
        table_(model::tensor_table(model_.config)) {}

  Result<void> write_weights(const std::filesystem::path& file) {
    std::vector<io::TensorInfo> infos;
    for (const model::TensorSpec& spec : top_specs()) infos.push_back(top_info(spec));
    for (std::size_t l = 0; l < model_.layers.size(); ++l)
      for (const io::TensorInfo& info : layer_infos(l)) infos.push_back(info);
    LIEQ_ASSIGN(io::SafetensorsWriter writer, io::SafetensorsWriter::create(file, std::move(infos)));
    for (const model::TensorSpec& spec : top_specs()) LIEQ_TRY(write_top(spec, writer));
    for (std::size_t l = 0; l < model_.layers.size(); ++l) {
      LIEQ_ASSIGN(const QuantizedLayer layer, contents_.layer(l));
      LIEQ_ASSIGN(const std::vector<Array> arrays, layer_arrays(l, layer));
      for (const Array& one : arrays) LIEQ_TRY(writer.write(one.info.name, one.bytes.data(), one.bytes.size()));
    }
    return std::move(writer).finish();
  }

 private:
  [[nodiscard]] std::vector<model::TensorSpec> top_specs() const {
    std::vector<model::TensorSpec> specs;
    for (const model::TensorSpec& spec : table_)
      if (!spec.per_layer && spec.required && (spec.role != Role::kHead || embeddings_.head)) specs.push_back(spec);
    return specs;
  }

  [[nodiscard]] io::TensorInfo top_info(const model::TensorSpec& spec) const {
    if (spec.role != Role::kEmbedding && spec.role != Role::kHead) return {spec.hf_name, DType::kF32, spec.shape};
    const DType type = spec.role == Role::kHead ? embeddings_.head_type : embeddings_.embedding_type;
    if (block_elements(type) == 1) return {spec.hf_name, type, spec.shape};
    return {model::module_name(spec.hf_name) + model::kBlocksPart,
            DType::kU8,
            {spec.shape[0], spec.shape[1] / block_elements(type) * block_bytes(type)}};
  }

  Result<void> write_top(const model::TensorSpec& spec, io::SafetensorsWriter& writer) const {
    const io::TensorInfo info = top_info(spec);
    if (spec.role == Role::kFinalNorm) {
      const std::vector<float> values = model::hf_values(spec, model_.norm);
      return writer.write(info.name, values.data(), values.size() * sizeof(float));
    }
    const bool is_head = spec.role == Role::kHead;
    const pack::StoredMatrix& matrix = is_head ? *embeddings_.head : *embeddings_.embedding;
    const DType type = is_head ? embeddings_.head_type : embeddings_.embedding_type;
    if (matrix.is_stored() && matrix.type == type) return writer.write(info.name, matrix.data, matrix.bytes());
    const std::size_t row_bytes = matrix.cols / block_elements(type) * block_bytes(type);
    std::vector<std::byte> bytes(matrix.rows * row_bytes);
    std::vector<float> row(matrix.cols);
    for (std::size_t i = 0; i < matrix.rows; ++i) {
      kernels::decode_row(matrix, i, row.data());
      round_to_blocks(type, row, &bytes[i * row_bytes]);
    }
    return writer.write(info.name, bytes.data(), bytes.size());
  }

  /// Readers of GPTQ want it always; it says nothing where groups are neighbours.
  [[nodiscard]] bool writes_g_idx() const {
    return !embeddings_.is_packed() || contents_.options.act_order == quantize::ActOrder::kDynamic;
  }

  /// Names and shapes of a layer's tensors, in the order layer_arrays() gives them.
  [[nodiscard]] std::vector<io::TensorInfo> layer_infos(std::size_t l) const {
    std::vector<io::TensorInfo> infos;
    for (const model::TensorSpec& spec : table_) {
      if (!spec.per_layer || !spec.required) continue;
      const std::string name = model::tensor_name(spec.hf_name, l);
      if (spec.role != Role::kLinear) {
        infos.push_back({name, DType::kF32, spec.shape});
        continue;
      }
      const std::string module = model::module_name(name);
      const std::size_t bits = quantize::width_of(contents_.widths[l], spec.linears.front());
      const std::size_t out = spec.shape[0], in = spec.shape[1];
      const std::size_t groups = contents_.options.group_size == 0 ? 1 : in / contents_.options.group_size;
      infos.push_back({module + ".qweight", DType::kI32, {in * bits / 32, out}});
      infos.push_back({module + ".qzeros", DType::kI32, {groups, out * bits / 32}});
      infos.push_back({module + ".scales", DType::kF16, {groups, out}});
      if (writes_g_idx()) infos.push_back({module + ".g_idx", DType::kI32, {in}});
    }
    return infos;
  }

  Result<std::vector<Array>> layer_arrays(std::size_t l, const QuantizedLayer& layer) const {
    std::vector<Array> arrays;
    for (const model::TensorSpec& spec : table_) {
      if (!spec.per_layer || !spec.required) continue;
      const std::string name = model::tensor_name(spec.hf_name, l);
      if (spec.role != Role::kLinear) {
        arrays.push_back(array(name, DType::kF32, spec.shape, vector_of(l, layer, spec)));
        continue;
      }
      const std::string module = model::module_name(name);
      LIEQ_ASSIGN(const pack::GptqTensors tensors,
                  pack::pack_gptq(codes_of(layer, spec), zero_format(contents_.options.grid), module));
      const std::size_t words_in = tensors.qweight.size() / tensors.out,
                        words_out = tensors.qzeros.size() / tensors.groups;
      arrays.push_back(array(module + ".qweight", DType::kI32, {words_in, tensors.out}, tensors.qweight));
      arrays.push_back(array(module + ".qzeros", DType::kI32, {tensors.groups, words_out}, tensors.qzeros));
      arrays.push_back(array(module + ".scales", DType::kF16, {tensors.groups, tensors.out}, tensors.scales));
      if (writes_g_idx()) arrays.push_back(array(module + ".g_idx", DType::kI32, {tensors.in}, tensors.g_idx));
    }
    return arrays;
  }

  /// A layer's vectors as the file holds them.
  [[nodiscard]] std::vector<float> vector_of(std::size_t l, const QuantizedLayer& layer,
                                             const model::TensorSpec& spec) const {
    model::Layer whole = model_.layers[l];
    whole.input_layernorm = layer.input_layernorm;
    whole.post_attention_layernorm = layer.post_attention_layernorm;
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) whole.linears[k].bias = layer.biases[k];
    return model::hf_values(spec, model::vector_of(whole, spec));
  }

  /// The codes of a linear, or of several that are fused.
  [[nodiscard]] static pack::QuantizedMatrix codes_of(const QuantizedLayer& layer, const model::TensorSpec& spec) {
    std::vector<const pack::QuantizedMatrix*> parts;
    for (const model::LinearKind kind : spec.linears) parts.push_back(&layer.linear(kind));
    return pack::stack_rows(parts);
  }

  const FolderContents& contents_;
  const EmbeddingPlan& embeddings_;
  const model::Model& model_;
  std::vector<model::TensorSpec> table_;
};

}  // namespace

pack::ZeroFormat zero_format(quantize::Grid grid) {
  switch (grid) {
    case quantize::Grid::kSym: return pack::ZeroFormat::kV1;
    case quantize::Grid::kHalf: return pack::ZeroFormat::kHalf;
    case quantize::Grid::kSkew:
    case quantize::Grid::kAsym: return pack::ZeroFormat::kV2;
    case quantize::Grid::kK: break;  // refused before
  }
  LIEQ_CHECK(false);
}

Result<void> check_packable(const pack::StoredMatrix& w, unsigned bits, const std::string& place) {
  // A word of 32 bits holds 16, 8 or 4 codes; 3-bit codes cross words and come in runs of 32.
  const std::size_t outputs = bits == 3 ? 32 : 32 / bits;
  if (w.cols % 32 == 0 && w.rows % outputs == 0) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: tensor '{}': shape [{}, {}], expected a multiple of {} x 32 to pack {} bits", place,
                          w.name, w.rows, w.cols, outputs, bits));
}

Result<void> check_packable(const model::Model& model, const std::vector<quantize::LayerWidths>& widths) {
  LIEQ_CHECK(widths.size() == model.layers.size());
  const std::string place = model.path.string();
  for (std::size_t l = 0; l < widths.size(); ++l)
    for (const model::LinearModule& module : linear_modules(model.config))
      for (const model::LinearKind kind : module.linears) {
        const unsigned bits = quantize::width_of(widths[l], kind),
                       first = quantize::width_of(widths[l], module.linears.front());
        if (bits != first)
          return fail(ErrorCode::kInvalidArgument,
                      fmt::format("{}: {}: found {} and {} bits, expected one width for what lies in one tensor", place,
                                  model::tensor_name(module.pattern, l), first, bits));
        LIEQ_TRY(check_packable(model.layers[l].linear(kind).weight, bits, place));
      }
  return {};
}

Result<void> write_gptq_folder(const FolderContents& contents, const std::filesystem::path& folder) {
  LIEQ_CHECK(contents.widths.size() == contents.source->layers.size());
  if (contents.options.grid == quantize::Grid::kK)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: grid: found k, expected sym, skew, asym or half: a GPTQ folder cannot hold K blocks, "
                            "a GGUF file can", folder.string()));
  const EmbeddingPlan embeddings = contents.embeddings.value_or(embeddings_as_stored(*contents.source));
  TemporaryPath temporary(folder);
  LIEQ_TRY(temporary.make_folder());

  LIEQ_TRY(copy_small_files(*contents.source, temporary.path()));
  LIEQ_ASSIGN(Json config, base_config(*contents.source));
  const quantize::Options& options = contents.options;
  const auto modules = linear_modules(contents.source->config);
  std::map<unsigned, std::vector<Member>> members;
  for (std::size_t l = 0; l < contents.widths.size(); ++l)
    for (const model::LinearModule& module : modules)
      members[quantize::width_of(contents.widths[l], module.linears.front())].push_back(
          {l, model::tensor_name(module.pattern, l)});
  const Json quantization = quantization_config({.members = std::move(members), .layers = contents.widths.size(),
                                                 .modules = modules.size(), .group_size = options.group_size,
                                                 .symmetric = options.grid == quantize::Grid::kSym,
                                                 .desc_act = options.act_order == quantize::ActOrder::kDynamic,
                                                 .zeros = zero_format(options.grid), .damp_percent = options.damping,
                                                 .quantizer = contents.quantizer, .blocks = blocks_of(embeddings)});
  config["tie_word_embeddings"] = embeddings.head == nullptr;
  config["quantization_config"] = quantization;
  LIEQ_TRY(io::write_json(temporary.path() / "config.json", config));
  LIEQ_TRY(io::write_json(temporary.path() / "quantize_config.json", quantization));
  LIEQ_TRY(io::write_json(temporary.path() / "lieq.json", contents.provenance));
  LIEQ_TRY(FolderWriter(contents, embeddings).write_weights(temporary.path() / "model.safetensors"));
  return temporary.rename();
}

}  // namespace lieq::save
