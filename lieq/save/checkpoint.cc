/// A layer between two runs: codes, scales and zero points as they are in memory, reports in the metadata-like last
/// tensor.

#include <bit>
#include <cstring>

#include "lieq/io/safetensors.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/save/gptq_folder.h"

namespace lieq::save {
namespace {

using model::kLinearKinds;
using quantize::QuantizedLayer;

/// Visits every array of a layer with its name, so that writing and reading cannot differ.
template <class Layer, class Visit>
Result<void> visit_arrays(Layer& layer, const Visit& visit) {
  for (const model::LinearKind kind : kLinearKinds) {
    auto& matrix = layer.linear(kind);
    const std::string name(model::name(kind));
    LIEQ_TRY(visit(name + ".codes", DType::kU8, matrix.codes));
    LIEQ_TRY(visit(name + ".scales", DType::kU16, matrix.scales));
    LIEQ_TRY(visit(name + ".double_zeros", DType::kU16, matrix.double_zeros));
    LIEQ_TRY(visit(name + ".g_idx", DType::kI32, matrix.g_idx));
    LIEQ_TRY(visit(name + ".blocks", DType::kU8, layer.block(kind).bytes));
    LIEQ_TRY(visit(name + ".bias", DType::kF32, layer.biases[static_cast<std::size_t>(kind)]));
  }
  LIEQ_TRY(visit("input_layernorm", DType::kF32, layer.input_layernorm));
  return visit("post_attention_layernorm", DType::kF32, layer.post_attention_layernorm);
}

/// The scalars of all linears: rows, cols, bits, group_size (0: K blocks), fell back, then loss, relative and compared
/// loss as bits.
constexpr std::size_t kFacts = 8;

std::vector<std::uint64_t> facts_of(const QuantizedLayer& layer) {
  std::vector<std::uint64_t> facts;
  for (const model::LinearKind kind : kLinearKinds) {
    const auto& m = layer.linear(kind);
    const auto& blocks = layer.block(kind);
    const auto& report = layer.reports[static_cast<std::size_t>(kind)];
    if (layer.is_blocks(kind)) {
      facts.insert(facts.end(), {blocks.rows, blocks.cols, static_cast<std::uint64_t>(code_bits(blocks.type)), 0});
    } else {
      facts.insert(facts.end(), {m.rows, m.cols, m.bits, m.group_size});
    }
    facts.insert(facts.end(),
                 {report.fell_back_to_rtn ? 1U : 0U, std::bit_cast<std::uint64_t>(report.loss),
                  std::bit_cast<std::uint64_t>(report.relative_loss),
                  std::bit_cast<std::uint64_t>(report.compared_loss)});
  }
  return facts;
}

void apply_facts(const std::vector<std::uint64_t>& facts, QuantizedLayer& layer) {
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
    const std::uint64_t* f = facts.data() + k * kFacts;
    if (f[3] == 0 && f[2] >= 2 && f[2] <= 4) {
      auto& blocks = layer.blocks[k];
      blocks.type = pack::k_form(static_cast<unsigned>(f[2])).type;
      blocks.rows = f[0];
      blocks.cols = f[1];
    } else {
      auto& m = layer.linears[k];
      m.rows = f[0];
      m.cols = f[1];
      m.bits = static_cast<unsigned>(f[2]);
      m.group_size = f[3];
    }
    layer.reports[k] = {std::bit_cast<double>(f[5]), std::bit_cast<double>(f[6]), std::bit_cast<double>(f[7]),
                        f[4] == 1};
  }
}

/// Whether the arrays of one linear are as long as its shape wants.
bool is_sound(const QuantizedLayer& layer, model::LinearKind kind) {
  const auto& m = layer.linear(kind);
  const auto& blocks = layer.block(kind);
  if (layer.is_blocks(kind))
    return m.codes.empty() && blocks.cols % pack::kBlockWeights == 0 &&
           blocks.bytes.size() == blocks.rows * blocks.row_bytes();
  return m.group_size > 0 && m.cols % m.group_size == 0 && m.codes.size() == m.rows * m.cols &&
         m.scales.size() == m.rows * m.groups() && m.double_zeros.size() == m.scales.size();
}

template <class T>
Result<void> copy_tensor(const io::TensorSet& tensors, const std::string& name, DType type, std::vector<T>& values,
                         const std::string& file) {
  const io::Tensor* tensor = tensors.find(name);
  if (!tensor || tensor->type != type)
    return fail(ErrorCode::kInvalidFormat, file + ": tensor '" + name + "': missing, expected one of a layer's arrays");
  values.resize(tensor->data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
  return {};
}

}  // namespace

Result<void> write_checkpoint(const std::filesystem::path& file, const QuantizedLayer& layer) {
  const std::vector<std::uint64_t> facts = facts_of(layer);
  std::vector<io::TensorInfo> infos = {{"facts", DType::kU64, {facts.size()}}};
  LIEQ_TRY(visit_arrays(layer, [&](const std::string& name, DType type, const auto& values) -> Result<void> {
    infos.push_back({name, type, {values.size()}});
    return {};
  }));
  LIEQ_ASSIGN(io::SafetensorsWriter writer, io::SafetensorsWriter::create(file, std::move(infos)));
  LIEQ_TRY(writer.write("facts", facts.data(), facts.size() * sizeof(std::uint64_t)));
  LIEQ_TRY(visit_arrays(layer, [&](const std::string& name, DType, const auto& values) {
    return writer.write(name, values.data(), values.size() * sizeof(values[0]));
  }));
  return std::move(writer).finish();
}

Result<QuantizedLayer> read_checkpoint(const std::filesystem::path& file) {
  LIEQ_ASSIGN(const io::TensorSet tensors, io::open_safetensors(file));
  QuantizedLayer layer;
  std::vector<std::uint64_t> facts;
  LIEQ_TRY(copy_tensor(tensors, "facts", DType::kU64, facts, file.string()));
  LIEQ_TRY(visit_arrays(layer, [&](const std::string& name, DType type, auto& values) {
    return copy_tensor(tensors, name, type, values, file.string());
  }));
  if (facts.size() != kFacts * model::kLinearsPerLayer)
    return fail(ErrorCode::kInvalidFormat, file.string() + ": tensor 'facts': found " + std::to_string(facts.size()) +
                                               " numbers, expected " +
                                               std::to_string(kFacts * model::kLinearsPerLayer));
  apply_facts(facts, layer);
  for (const model::LinearKind kind : kLinearKinds)
    if (!is_sound(layer, kind))
      return fail(ErrorCode::kInvalidFormat, file.string() + ": arrays of a linear do not fit its shape");
  return layer;
}

}  // namespace lieq::save
