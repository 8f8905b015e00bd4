#include "lieq/save/hf_folder.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/io/atomic_file.h"
#include "lieq/kernels/linear.h"
#include "lieq/pack/row_slices.h"
#include "lieq/save/linear_codes.h"
#include "lieq/save/small_files.h"

namespace lieq::save {
namespace {

using model::Role;

bool is_half(float value) { return f16_to_float(float_to_f16(value)) == value; }

void append(std::string& bytes, DType type, std::span<const float> values) {
  const auto add = [&](const auto& value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  for (const float value : values) {
    if (type == DType::kF32) add(value);
    if (type == DType::kF16) add(float_to_f16(value));
    if (type == DType::kBF16) add(float_to_bf16(value));
  }
}

/// All groups of a folder in the order of the tensor table.
class GroupList {
 public:
  GroupList(const model::Model& model, const ExportOptions& options, const HfFolder& folder, Threads& threads)
      : model_(model), options_(options), folder_(folder), threads_(threads) {
    for (const model::TensorSpec& spec : model::tensor_table(model.config)) {
      if (!spec.required) continue;
      for (std::size_t l = 0; l < (spec.per_layer ? model.layers.size() : 1); ++l) groups_.push_back(group(spec, l));
    }
  }
  [[nodiscard]] const std::vector<TensorGroup>& groups() const { return groups_; }

 private:
  [[nodiscard]] TensorGroup group(const model::TensorSpec& spec, std::size_t l) const {
    std::string name = model::tensor_name(spec.hf_name, l);
    const auto matrices = matrices_of(model_, spec, l);
    if (matrices.empty()) return vector_group(std::move(name), spec, l);
    if (matrices.size() > 1) return fused_group(name, matrices, spec.role);
    return matrix_group(name, *matrices.front(), spec.role);
  }

  [[nodiscard]] TensorGroup matrix_group(const std::string& name, const pack::StoredMatrix& matrix, Role role) const {
    if (folder_.packed)
      if (auto packed = folder_.packed(model::module_name(name), matrix, role)) return std::move(*packed);
    return dense_group(name, matrix, role);
  }

  /// Fused linears are put together twice, for the names and shapes and for the bytes: not all are in memory at once.
  [[nodiscard]] TensorGroup fused_group(const std::string& name, const std::vector<const pack::StoredMatrix*>& parts,
                                        Role role) const {
    const pack::StoredMatrix probe = pack::stack_rows(threads_, parts);
    return {matrix_group(name, probe, role).infos, [=, this]() -> Result<std::vector<TensorBytes>> {
              const pack::StoredMatrix whole = pack::stack_rows(threads_, parts);
              return matrix_group(name, whole, role).make();
            }};
  }

  [[nodiscard]] TensorGroup vector_group(std::string name, const model::TensorSpec& spec, std::size_t l) const {
    std::vector<float> values = model::hf_values(spec, vector_of(model_, spec, l));
    const bool half = folder_.dense == DenseTypes::kHalf || std::ranges::all_of(values, is_half);
    const io::TensorInfo info{std::move(name), half ? DType::kF16 : DType::kF32, {values.size()}};
    return {{info}, [info, values = std::move(values)]() -> Result<std::vector<TensorBytes>> {
              TensorBytes tensor{info, {}};
              append(tensor.bytes, info.type, values);
              return std::vector{std::move(tensor)};
            }};
  }

  [[nodiscard]] TensorGroup dense_group(std::string name, const pack::StoredMatrix& matrix, Role role) const {
    const bool is_embedding = role == Role::kEmbedding || role == Role::kHead;
    const bool is_dense = !matrix.packed && block_elements(matrix.type) == 1;
    DType type = is_dense && folder_.dense == DenseTypes::kAsStored ? matrix.type : DType::kF16;
    if (is_embedding && options_.embed) type = *options_.embed;
    const io::TensorInfo info{std::move(name), type, {matrix.rows, matrix.cols}};
    return {{info}, [info, &matrix, this]() -> Result<std::vector<TensorBytes>> {
              return std::vector{TensorBytes{info, decoded(matrix, info.type)}};
            }};
  }

  [[nodiscard]] std::string decoded(const pack::StoredMatrix& matrix, DType type) const {
    const std::size_t row_bytes = matrix.cols * block_bytes(type);
    std::string bytes(matrix.rows * row_bytes, '\0');
    threads_.for_each(matrix.rows, [&](std::size_t i, std::size_t) {
      std::vector<float> row(matrix.cols);
      kernels::decode_row(matrix, i, row.data());
      std::string encoded;
      append(encoded, type, row);
      std::ranges::copy(encoded, bytes.begin() + static_cast<std::ptrdiff_t>(i * row_bytes));
    });
    return bytes;
  }

  const model::Model& model_;
  const ExportOptions& options_;
  const HfFolder& folder_;
  Threads& threads_;
  std::vector<TensorGroup> groups_;
};

std::size_t bytes_of(const TensorGroup& group) {
  std::size_t bytes = 0;
  for (const io::TensorInfo& info : group.infos) bytes += info.bytes();
  return bytes;
}

using Shard = std::span<const TensorGroup>;

std::vector<Shard> cut(std::span<const TensorGroup> groups, std::size_t limit) {
  std::vector<Shard> shards;
  std::size_t first = 0, bytes = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i > first && bytes + bytes_of(groups[i]) > limit) {
      shards.push_back(groups.subspan(first, i - first));
      first = i;
      bytes = 0;
    }
    bytes += bytes_of(groups[i]);
  }
  shards.push_back(groups.subspan(first));
  return shards;
}

Result<void> write_shard(Shard shard, const std::filesystem::path& file) {
  std::vector<io::TensorInfo> infos;
  for (const TensorGroup& group : shard) infos.insert(infos.end(), group.infos.begin(), group.infos.end());
  LIEQ_ASSIGN(io::SafetensorsWriter writer, io::SafetensorsWriter::create(file, std::move(infos)));
  for (const TensorGroup& group : shard) {
    LIEQ_ASSIGN(const std::vector<TensorBytes> tensors, group.make());
    for (const TensorBytes& one : tensors) LIEQ_TRY(writer.write(one.info.name, one.bytes.data(), one.bytes.size()));
  }
  return std::move(writer).finish();
}

const char* torch_name(DType type) {
  return type == DType::kF32 ? "float32" : type == DType::kBF16 ? "bfloat16" : "float16";
}

}  // namespace

Result<void> write_tensor_groups(std::span<const TensorGroup> groups, std::size_t shard_bytes,
                                 const std::filesystem::path& path) {
  const std::vector<Shard> shards = cut(groups, shard_bytes);
  if (shards.size() == 1) return write_shard(shards.front(), path / "model.safetensors");
  Json map = Json::object();
  std::size_t total = 0;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
    LIEQ_TRY(write_shard(shards[s], path / file));
    for (const TensorGroup& group : shards[s]) {
      total += bytes_of(group);
      for (const io::TensorInfo& info : group.infos) map[info.name] = file;
    }
  }
  return io::write_json(path / "model.safetensors.index.json",
                        {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}});
}

Result<void> write_hf_folder(const model::Model& model, const ExportOptions& options, const HfFolder& folder,
                             const std::filesystem::path& path, Threads& threads) {
  LIEQ_TRY(copy_small_files(model, path));
  LIEQ_ASSIGN(Json config, base_config(model));
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = torch_name(DType::kF16);
  config["tie_word_embeddings"] = model.config.tie_word_embeddings;
  config.update(folder.config_fields);
  LIEQ_TRY(io::write_json(path / "config.json", config));
  const GroupList list(model, options, folder, threads);
  return write_tensor_groups(list.groups(), folder.shard_bytes, path);
}

Result<void> check_dense_embedding(const ExportOptions& options, std::string_view target) {
  if (!options.embed || block_elements(*options.embed) == 1) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("type of the embedding: found {}, expected f16, bf16 or f32 in {} folders; gguf and mlx pack it",
                  lieq::name(*options.embed), target));
}

decltype(HfFolder::packed) packed_linears(MakeLinear make) {
  return [make = std::move(make)](const std::string& module, const pack::StoredMatrix& matrix,
                                  model::Role role) -> std::optional<TensorGroup> {
    if (role != model::Role::kLinear || !code_facts(matrix)) return std::nullopt;
    return make(module, matrix);
  };
}

}  // namespace lieq::save
