#include <fmt/format.h>

#include "lieq/pack/row_streams.h"
#include "lieq/save/folder_exports.h"
#include "lieq/save/hf_folder.h"
#include "lieq/save/linear_codes.h"
#include "lieq/save/widths.h"

namespace lieq::save {
namespace {

Result<void> check(const model::Model& model, const ExportOptions& options) {
  LIEQ_TRY(check_dense_embedding(options, "compressed-tensors"));
  return check_codes(model,
                     {.target = "compressed-tensors", .nearest = "mlx holds them, grid skew suits compressed-tensors"});
}

TensorGroup linear_group(const std::string& module, const pack::StoredMatrix& matrix, Threads& threads) {
  const CodeFacts facts = *code_facts(matrix);
  const unsigned bits = facts.bits;
  const bool symmetric = zero_points(matrix).only({1U << bits});
  const std::size_t in = matrix.cols, out = matrix.rows, groups = in / facts.group_size;
  const auto words = [bits](std::size_t n) { return pack::row_words(n, bits, pack::FieldsPerWord::kDense); };
  const io::TensorInfo packed{module + ".weight_packed", DType::kI32, {out, words(in)}},
      scale{module + ".weight_scale", DType::kF16, {out, groups}}, shape{module + ".weight_shape", DType::kI64, {2}},
      zero{module + ".weight_zero_point", DType::kI32, {words(out), groups}};
  std::vector<io::TensorInfo> infos = {packed, scale, shape};
  if (!symmetric) infos.push_back(zero);
  return {infos, [=, &matrix, &threads]() -> Result<std::vector<TensorBytes>> {
            const pack::QuantizedMatrix m = codes_of(threads, matrix, 0, matrix.rows).matrix;
            const std::vector<std::int64_t> sizes = {narrow<std::int64_t>(out), narrow<std::int64_t>(in)};
            std::vector tensors = {tensor_bytes(packed.name, packed.type, packed.shape,
                                                pack::pack_rows_densely(threads, m.codes, out, in, bits)),
                                   tensor_bytes(scale.name, scale.type, scale.shape, m.scales),
                                   tensor_bytes(shape.name, shape.type, shape.shape, sizes)};
            if (symmetric) return tensors;
            std::vector<std::uint8_t> zeros;
            for (const std::uint16_t twice : m.double_zeros) zeros.push_back(static_cast<std::uint8_t>(twice / 2));
            tensors.push_back(
                tensor_bytes(zero.name, zero.type, zero.shape, pack::pack_columns_densely(zeros, out, groups, bits)));
            return tensors;
          }};
}

Json scheme(const Width& width) {
  return {{"num_bits", width.bits},
          {"type", "int"},
          {"symmetric", width.symmetric},
          {"strategy", width.group_size == 0 ? "channel" : "group"},
          {"group_size", width.group_size == 0 ? Json() : Json(width.group_size)},
          {"dynamic", false},
          {"actorder", nullptr},
          {"observer", "minmax"},
          {"observer_kwargs", Json::object()},
          {"block_structure", nullptr}};
}

/// One group of modules a width; their expressions exclude each other, since readers differ in which of two they take.
Json config_of(const Widths& widths) {
  Json groups = Json::object();
  for (const WidthGroup& group : widths.groups)
    groups[fmt::format("group_{}", groups.size())] = {{"targets", {"re:" + group.pattern}},
                                                      {"weights", scheme(group.width)},
                                                      {"input_activations", nullptr},
                                                      {"output_activations", nullptr},
                                                      {"format", "pack-quantized"}};
  std::vector<std::string> ignored = widths.dense;
  ignored.emplace_back("lm_head");
  return {{"quant_method", "compressed-tensors"}, {"format", "pack-quantized"}, {"quantization_status", "compressed"},
          {"config_groups", std::move(groups)},   {"ignore", ignored},          {"kv_cache_scheme", nullptr},
          {"global_compression_ratio", nullptr}};
}

Result<void> write(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                   Threads& threads, Sink&) {
  HfFolder folder;
  folder.packed = packed_linears([&](const std::string& module, const pack::StoredMatrix& matrix) {
    return linear_group(module, matrix, threads);
  });
  folder.config_fields = {{"quantization_config", config_of(widths_of(model))}};
  return write_hf_folder(model, options, folder, path, threads);
}

}  // namespace

const Target kCompressedTensorsTarget{"compressed-tensors",
                                      "vLLM, transformers: mixed widths, integer zero points",
                                      true,
                                      "-compressed-tensors",
                                      check,
                                      write,
                                      store_in_folder};

}  // namespace lieq::save
