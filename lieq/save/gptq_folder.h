#pragma once
/// Writes a quantised model as a Hugging Face folder in GPTQ packing.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/model/model.h"
#include "lieq/pack/gptq.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quantized_layer.h"
#include "lieq/save/embeddings.h"

namespace lieq::save {

struct FolderContents {
  const model::Model* source = nullptr;  ///< embeddings, head, norms and small files come from here
  quantize::Options options;
  std::vector<quantize::LayerWidths> widths;  ///< of each layer
  std::string quantizer;                 ///< "lieq:0.1.0"
  Json provenance;                       ///< written as lieq.json
  /// Nothing: as stored, blocks of GGUF as F16, so that any GPTQ reader takes the folder. A plan that packs them makes
  /// a folder of lieq's own format, which leaves out g_idx where groups are in order.
  std::optional<EmbeddingPlan> embeddings;
  /// Gives layer l; called once per layer, in order.
  std::function<Result<quantize::QuantizedLayer>(std::size_t)> layer;
};

/// The zero-point field that holds the options' grid: v1 for symmetric, v2 for skewed and asymmetric, our own for half.
[[nodiscard]] pack::ZeroFormat zero_format(quantize::Grid grid);

/// Says before the work starts whether every linear fills whole words at its width, and linears that lie in one tensor
/// have one width. Errors: kInvalidArgument naming the linear, its shape and the multiple it needs, or the tensor.
[[nodiscard]] Result<void> check_packable(const model::Model& model,
                                          const std::vector<quantize::LayerWidths>& widths);

/// The same for one matrix. `place` opens the message.
[[nodiscard]] Result<void> check_packable(const pack::StoredMatrix& matrix, unsigned bits, const std::string& place);

/// Writes `folder`, which must not exist, under a temporary name beside it and renames it when whole.
/// Weights go into one model.safetensors, one layer in memory at a time; embedding and head as `embeddings` has them,
/// norms and biases are F32.
/// Errors: kIo; kInvalidArgument when a linear's shape does not fit GPTQ's words, or for Grid::kK.
[[nodiscard]] Result<void> write_gptq_folder(const FolderContents& contents, const std::filesystem::path& folder);

/// One finished layer as a file, exactly: how an interrupted run goes on.
[[nodiscard]] Result<void> write_checkpoint(const std::filesystem::path& file, const quantize::QuantizedLayer& layer);
/// Errors: kNotFound, kInvalidFormat.
[[nodiscard]] Result<quantize::QuantizedLayer> read_checkpoint(const std::filesystem::path& file);

}  // namespace lieq::save
