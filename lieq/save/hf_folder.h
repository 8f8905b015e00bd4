#pragma once
/// Hugging Face folders of any container: small files, config.json, tensors in shards. What a container adds is the
/// tensors of a quantised matrix and fields of config.json (internal to save/: the exports use it).

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/model/model.h"
#include "lieq/save/export.h"

namespace lieq::save {

/// The bytes of one tensor.
struct TensorBytes {
  io::TensorInfo info;
  std::string bytes;
};

template <class T>
TensorBytes tensor_bytes(std::string name, DType type, std::vector<std::size_t> shape, const std::vector<T>& values) {
  return {{std::move(name), type, std::move(shape)},
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
}

/// Tensors that are made together, when their turn comes, and lie in one file: those of one linear, for example.
struct TensorGroup {
  std::vector<io::TensorInfo> infos;
  std::function<Result<std::vector<TensorBytes>>()> make;  ///< in the order of infos
};

/// Where vectors (norms, biases) and dense matrices go.
enum class DenseTypes {
  kAsStored,  ///< matrices as stored, blocks as F16; vectors F16 where that is exact, else F32
  kHalf,      ///< all F16
};

struct HfFolder {
  DenseTypes dense = DenseTypes::kAsStored;
  /// The tensors of a matrix in the container's packing; nothing: it goes in dense. module: its name without ".weight".
  std::function<std::optional<TensorGroup>(const std::string& module, const pack::StoredMatrix& matrix,
                                           model::Role role)>
      packed = nullptr;
  Json config_fields = Json::object();  ///< put into config.json
  std::size_t shard_bytes = std::size_t{5} << 30;
};

/// A rule for HfFolder::packed: linears that have codes become what `make` says of a module and its matrix; all else is
/// dense.
using MakeLinear = std::function<TensorGroup(const std::string& module, const pack::StoredMatrix& matrix)>;
[[nodiscard]] decltype(HfFolder::packed) packed_linears(MakeLinear make);

/// Writes everything into `path`, an empty folder: one model.safetensors, or shards and their index where they would
/// exceed shard_bytes. One group of tensors is in memory at a time. config.json says float16 unless options.embed asks
/// for another type of the embedding. Errors: kIo, and those of `packed`.
[[nodiscard]] Result<void> write_hf_folder(const model::Model& model, const ExportOptions& options,
                                           const HfFolder& folder, const std::filesystem::path& path, Threads& threads);

/// The tensors of a folder: model.safetensors, or shards and their index where that would exceed `shard_bytes`.
/// Errors: kIo, and those of the groups.
[[nodiscard]] Result<void> write_tensor_groups(std::span<const TensorGroup> groups, std::size_t shard_bytes,
                                               const std::filesystem::path& path);

/// Errors: kInvalidArgument unless options.embed is nothing, F16, BF16 or F32: folders without packed embeddings.
[[nodiscard]] Result<void> check_dense_embedding(const ExportOptions& options, std::string_view target);

}  // namespace lieq::save
