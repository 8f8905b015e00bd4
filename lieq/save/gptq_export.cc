#include "lieq/io/atomic_file.h"
#include "lieq/pack/gptq.h"
#include "lieq/save/folder_exports.h"
#include "lieq/save/gptq_folder.h"
#include "lieq/save/hf_folder.h"
#include "lieq/save/linear_codes.h"
#include "lieq/save/quantization_config.h"
#include "lieq/save/widths.h"

namespace lieq::save {
namespace {

using pack::ZeroFormat;

/// Whole words along both axes, before anything is written.
Result<void> check_shapes(const model::Model& model) {
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears)
      if (const auto facts = code_facts(linear.weight))
        LIEQ_TRY(check_packable(linear.weight, facts->bits, model.path.string()));
  return {};
}

Result<void> check_v1(const model::Model& model, const ExportOptions& options) {
  LIEQ_TRY(check_dense_embedding(options, "gptq"));
  LIEQ_TRY(check_codes(model, {.target = "gptq",
                               .any_order = true,
                               .only_symmetric = true,
                               .nearest = "gptq_v2 holds integer zero points, grid sym suits gptq"}));
  return check_shapes(model);
}

Result<void> check_v2(const model::Model& model, const ExportOptions& options) {
  LIEQ_TRY(check_dense_embedding(options, "gptq_v2"));
  LIEQ_TRY(check_codes(model,
                       {.target = "gptq_v2", .any_order = true, .nearest = "mlx holds them, grid skew suits gptq_v2"}));
  return check_shapes(model);
}

TensorGroup linear_group(const std::string& module, const pack::StoredMatrix& matrix, ZeroFormat zeros,
                         Threads& threads) {
  const CodeFacts facts = *code_facts(matrix);
  const std::size_t in = matrix.cols, out = matrix.rows, groups = in / facts.group_size;
  const io::TensorInfo qweight{module + ".qweight", DType::kI32, {in * facts.bits / 32, out}},
      qzeros{module + ".qzeros", DType::kI32, {groups, out * facts.bits / 32}},
      scales{module + ".scales", DType::kF16, {groups, out}}, g_idx{module + ".g_idx", DType::kI32, {in}};
  return {{qweight, qzeros, scales, g_idx}, [=, &matrix, &threads]() -> Result<std::vector<TensorBytes>> {
            const LinearCodes codes = codes_of(threads, matrix, 0, matrix.rows);
            LIEQ_ASSIGN(const pack::GptqTensors t, pack::pack_gptq(codes.matrix, zeros, module));
            return std::vector{tensor_bytes(qweight.name, qweight.type, qweight.shape, t.qweight),
                               tensor_bytes(qzeros.name, qzeros.type, qzeros.shape, t.qzeros),
                               tensor_bytes(scales.name, scales.type, scales.shape, t.scales),
                               tensor_bytes(g_idx.name, g_idx.type, g_idx.shape, t.g_idx)};
          }};
}

/// The commonest width is the default, the others are rules of "dynamic", as are modules left dense.
Json config_of(const model::Model& model, ZeroFormat zeros, const std::string& tool) {
  const Widths widths = widths_of(model);
  GptqFacts facts{.bits = widths.groups.front().width.bits,
                  .group_size = widths.groups.front().width.group_size,
                  .symmetric = true,
                  .desc_act = false,
                  .zeros = zeros,
                  .damp_percent = std::nullopt,
                  .quantizer = tool};
  for (const WidthGroup& group : widths.groups) facts.symmetric = facts.symmetric && group.width.symmetric;
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears)
      if (const auto codes = code_facts(linear.weight)) facts.desc_act = facts.desc_act || !codes->in_order;
  Json config = gptq_config(facts);
  for (std::size_t i = 1; i < widths.groups.size(); ++i) {
    const Width& width = widths.groups[i].width;
    config["dynamic"]["+:" + widths.groups[i].pattern] = {{"bits", width.bits},
                                                          {"group_size", group_size_field(width.group_size)}};
  }
  for (const std::string& module : widths.dense) config["dynamic"]["-:^" + module + "$"] = Json::object();
  return config;
}

Result<void> write(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                   Threads& threads, ZeroFormat zeros) {
  HfFolder folder;
  folder.packed = packed_linears([&](const std::string& module, const pack::StoredMatrix& matrix) {
    return linear_group(module, matrix, zeros, threads);
  });
  const Json quantization = config_of(model, zeros, options.tool);
  folder.config_fields = {{"quantization_config", quantization}};
  LIEQ_TRY(write_hf_folder(model, options, folder, path, threads));
  return io::write_json(path / "quantize_config.json", quantization);
}

Result<void> write_v1(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                      Threads& threads, Sink&) {
  return write(model, options, path, threads, ZeroFormat::kV1);
}

Result<void> write_v2(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                      Threads& threads, Sink&) {
  return write(model, options, path, threads, ZeroFormat::kV2);
}

}  // namespace

const Target kGptqTarget{
    "gptq",         "GPTQModel, vLLM, SGLang, transformers: symmetric grid", true, "-gptq", check_v1, write_v1,
    store_in_folder};
const Target kGptqV2Target{
    "gptq_v2",      "GPTQModel, vLLM: any grid of integer zero points", true, "-gptq_v2", check_v2, write_v2,
    store_in_folder};

}  // namespace lieq::save
