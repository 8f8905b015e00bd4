#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "lieq/kernels/pack_rows.h"
#include "lieq/pack/row_streams.h"
#include "lieq/save/folder_exports.h"
#include "lieq/save/hf_folder.h"
#include "lieq/save/linear_codes.h"
#include "lieq/save/widths.h"

namespace lieq::save {
namespace {

using model::Role;

constexpr std::size_t kEmbeddingGroup = 64;

/// MLX has groups of 32, 64 and 128; larger ones are cut, their numbers repeated. 0: none does.
std::size_t mlx_group(std::size_t group_size) {
  for (const std::size_t size : {std::size_t{128}, std::size_t{64}, std::size_t{32}})
    if (group_size % size == 0) return size;
  return 0;
}

/// Bits that options.embed asks for, or nothing: a dense one, or as the source holds it.
std::optional<unsigned> asked_bits(const ExportOptions& options) {
  if (options.embed == DType::kQ8_0) return 8U;
  if (options.embed == DType::kQ4_0) return 4U;
  return std::nullopt;
}

Result<void> check(const model::Model& model, const ExportOptions& options) {
  if (options.embed && *options.embed != DType::kF16 && !asked_bits(options))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("type of the embedding: found {}, expected f16, q8_0 (8 bits) or q4_0 (4 bits) for mlx",
                            lieq::name(*options.embed)));
  LIEQ_TRY(check_codes(model, {.target = "mlx", .halves = true, .minima = true}));
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) {
      const auto facts = code_facts(linear.weight);
      if (facts && mlx_group(facts->group_size) == 0)
        return fail(ErrorCode::kUnsupported,
                    fmt::format("{}: tensor '{}': found groups of {}, but mlx holds 32, 64 and 128; compressed-tensors "
                                "holds any",
                                model.path.string(), linear.weight.name, facts->group_size));
    }
  const std::size_t hidden = model.embed_tokens.cols;
  if (asked_bits(options) && mlx_group(kernels::pack_group_size(hidden, kEmbeddingGroup)) == 0)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: hidden_size: found {}, but mlx packs multiples of 32", model.path.string(), hidden));
  return {};
}

/// -scale * zero or the minimum; scale and zero point multiply exactly in float32, so it is rounded once.
std::uint16_t bias_of(const LinearCodes& codes, std::size_t at) {
  if (!codes.minima.empty()) return codes.minima[at];
  const float zero = 0.5F * static_cast<float>(codes.matrix.double_zeros[at]);
  return float_to_f16(-(f16_to_float(codes.matrix.scales[at]) * zero));
}

TensorGroup packed_group(const std::string& module, std::shared_ptr<const pack::StoredMatrix> matrix,
                         Threads& threads) {
  const CodeFacts facts = *code_facts(*matrix);
  const std::size_t in = matrix->cols, out = matrix->rows, size = mlx_group(facts.group_size), groups = in / size;
  const io::TensorInfo weight{
      module + ".weight", DType::kU32, {out, pack::row_words(in, facts.bits, pack::FieldsPerWord::kDense)}},
      scales{module + ".scales", DType::kF16, {out, groups}}, biases{module + ".biases", DType::kF16, {out, groups}};
  return {{weight, scales, biases}, [=, &threads]() -> Result<std::vector<TensorBytes>> {
            const LinearCodes codes = codes_of(threads, *matrix, 0, out);
            const std::size_t repeat = facts.group_size / size;
            std::vector<std::uint16_t> s, b;
            for (std::size_t g = 0; g < codes.matrix.scales.size(); ++g) {
              s.insert(s.end(), repeat, codes.matrix.scales[g]);
              b.insert(b.end(), repeat, bias_of(codes, g));
            }
            return std::vector{tensor_bytes(weight.name, weight.type, weight.shape,
                                            pack::pack_rows_densely(threads, codes.matrix.codes, out, in, facts.bits)),
                               tensor_bytes(scales.name, scales.type, scales.shape, s),
                               tensor_bytes(biases.name, biases.type, biases.shape, b)};
          }};
}

std::shared_ptr<const pack::StoredMatrix> view_of(const pack::StoredMatrix& matrix) {
  return std::make_shared<const pack::StoredMatrix>(matrix);
}

std::shared_ptr<const pack::StoredMatrix> rounded(const pack::StoredMatrix& matrix, unsigned bits, Threads& threads) {
  pack::StoredMatrix copy{matrix.name};
  copy.rows = matrix.rows;
  copy.cols = matrix.cols;
  copy.packed = std::make_shared<const pack::PackedMatrix>(kernels::pack_rows(threads, matrix, bits, kEmbeddingGroup));
  return std::make_shared<const pack::StoredMatrix>(std::move(copy));
}

/// The matrix as it goes in packed, or nothing: dense.
std::shared_ptr<const pack::StoredMatrix> packed_form(const pack::StoredMatrix& matrix, Role role,
                                                      const ExportOptions& options, Threads& threads) {
  const auto facts = code_facts(matrix);
  if (role == Role::kLinear) return facts ? view_of(matrix) : nullptr;
  if (const auto bits = asked_bits(options)) return rounded(matrix, *bits, threads);
  const bool fits = facts && facts->in_order && mlx_group(facts->group_size) != 0;
  return fits && !options.embed ? view_of(matrix) : nullptr;
}

Json widths(const pack::StoredMatrix& matrix) {
  const CodeFacts facts = *code_facts(matrix);
  return {{"group_size", mlx_group(facts.group_size)}, {"bits", facts.bits}};
}

/// The commonest width of the layers is the default; every other module is named.
Json config_of(const model::Model& model, const std::vector<std::pair<std::string, Json>>& packed_embeddings) {
  std::map<Json, std::size_t> count;
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears)
      if (code_facts(linear.weight)) ++count[widths(linear.weight)];
  const Json usual = std::ranges::max_element(count, {}, [](const auto& one) { return one.second; })->first;
  Json config = usual;
  config["mode"] = "affine";
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (const model::LinearModule& module : linear_modules(model.config)) {
      const pack::StoredMatrix& matrix = model.layers[l].linear(module.linears.front()).weight;
      if (code_facts(matrix) && widths(matrix) != usual) config[model::tensor_name(module.pattern, l)] = widths(matrix);
    }
  for (const auto& [module, width] : packed_embeddings)
    if (width != usual) config[module] = width;
  return config;
}

Result<void> write(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                   Threads& threads, Sink&) {
  std::map<std::string, std::shared_ptr<const pack::StoredMatrix>> embeddings;
  std::vector<std::pair<std::string, Json>> packed;
  const auto add = [&](const std::string& module, const pack::StoredMatrix& matrix, Role role) {
    embeddings[module] = packed_form(matrix, role, options, threads);
    if (embeddings[module]) packed.emplace_back(module, widths(*embeddings[module]));
  };
  add("model.embed_tokens", model.embed_tokens, Role::kEmbedding);
  if (!model.config.tie_word_embeddings) add("lm_head", model.lm_head, Role::kHead);

  HfFolder folder;
  folder.dense = DenseTypes::kHalf;  // MLX would compute in float32 beside anything wider
  folder.packed = [&](const std::string& module, const pack::StoredMatrix& matrix,
                      Role role) -> std::optional<TensorGroup> {
    auto form = role == Role::kLinear ? packed_form(matrix, role, options, threads) : embeddings.at(module);
    if (!form) return std::nullopt;
    return packed_group(module, std::move(form), threads);
  };
  const Json config = config_of(model, packed);
  folder.config_fields = {{"quantization", config}, {"quantization_config", config}};
  return write_hf_folder(model, options, folder, path, threads);
}

}  // namespace

const Target kMlxTarget{"mlx",          "mlx-lm on Apple silicon: mixed widths, any grid", true, "-mlx", check, write,
                        store_in_folder};

}  // namespace lieq::save
