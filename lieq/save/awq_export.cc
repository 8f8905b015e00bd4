#include <fmt/format.h>

#include "lieq/pack/awq.h"
#include "lieq/save/folder_exports.h"
#include "lieq/save/hf_folder.h"
#include "lieq/save/linear_codes.h"
#include "lieq/save/quantization_config.h"
#include "lieq/save/widths.h"

namespace lieq::save {
namespace {

Result<void> check(const model::Model& model, const ExportOptions& options) {
  LIEQ_TRY(check_dense_embedding(options, "awq"));
  LIEQ_TRY(check_codes(model, {.target = "awq", .bits = {4}, .nearest = "mlx holds them, grid skew suits awq"}));
  std::optional<std::size_t> group_size;
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) {
      const auto facts = code_facts(linear.weight);
      if (!facts) continue;
      const std::size_t size = facts->group_size == linear.weight.cols ? 0 : facts->group_size;
      if (group_size.value_or(size) != size)
        return fail(ErrorCode::kUnsupported, fmt::format("{}: tensor '{}': found groups of {}, but awq holds one size "
                                                         "for all, {} so far; gptq holds several",
                                                         model.path.string(), linear.weight.name, size, *group_size));
      group_size = size;
      if (linear.weight.rows % 8 != 0)
        return fail(ErrorCode::kUnsupported, fmt::format("{}: tensor '{}': found {} outputs, but awq packs 8 a word",
                                                         model.path.string(), linear.weight.name, linear.weight.rows));
    }
  return {};
}

TensorGroup linear_group(const std::string& module, const pack::StoredMatrix& matrix, Threads& threads) {
  const std::size_t in = matrix.cols, out = matrix.rows, groups = in / code_facts(matrix)->group_size;
  const io::TensorInfo qweight{module + ".qweight", DType::kI32, {in, out / 8}},
      qzeros{module + ".qzeros", DType::kI32, {groups, out / 8}},
      scales{module + ".scales", DType::kF16, {groups, out}};
  return {{qweight, qzeros, scales}, [=, &matrix, &threads]() -> Result<std::vector<TensorBytes>> {
            const LinearCodes codes = codes_of(threads, matrix, 0, matrix.rows);
            LIEQ_ASSIGN(const pack::AwqTensors t, pack::pack_awq(codes.matrix, module));
            return std::vector{tensor_bytes(qweight.name, qweight.type, qweight.shape, t.qweight),
                               tensor_bytes(qzeros.name, qzeros.type, qzeros.shape, t.qzeros),
                               tensor_bytes(scales.name, scales.type, scales.shape, t.scales)};
          }};
}

Result<void> write(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                   Threads& threads, Sink&) {
  HfFolder folder;
  folder.packed = packed_linears([&](const std::string& module, const pack::StoredMatrix& matrix) {
    return linear_group(module, matrix, threads);
  });
  const Widths widths = widths_of(model);
  const std::size_t group_size = widths.groups.front().width.group_size;
  std::vector<std::string> left = widths.dense;
  left.emplace_back("lm_head");
  folder.config_fields = {{"quantization_config",
                           {{"quant_method", "awq"},
                            {"version", "gemm"},
                            {"bits", 4},
                            {"group_size", group_size_field(group_size)},
                            {"zero_point", true},
                            {"modules_to_not_convert", left}}}};
  return write_hf_folder(model, options, folder, path, threads);
}

}  // namespace

const Target kAwqTarget{
    "awq", "vLLM, SGLang, transformers, mlx-lm: 4 bits everywhere", true, "-awq", check, write, store_in_folder};

}  // namespace lieq::save
