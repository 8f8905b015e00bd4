#pragma once
/// The metadata of a GGUF file for a model, and what follows from its architecture.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/model/model.h"
#include "lieq/save/gguf_writer.h"

namespace lieq::save {

/// Keys of a model: for one from a GGUF file those of that file (without split.*), otherwise general.*, the
/// architecture's, and the tokenizer's, which is proven to give the ids of the source's on texts made of all its
/// tokens. usual: type of most weights, for general.file_type. tool: general.quantized_by; empty: none.
/// Errors: those of text::gguf_tokenizer_of(); kUnsupported when the tokenizer would give other ids.
[[nodiscard]] Result<GgufFields> gguf_metadata(const model::Model& model, DType usual, const std::string& tool);

/// general.file_type of a file most of whose weights are of this type.
[[nodiscard]] std::uint32_t file_type(DType usual);

/// rope_freqs.weight: divisors of the frequencies for a llama3 scaling, those of the source for a GGUF file;
/// empty: the model has none. [head_dim / 2]
[[nodiscard]] std::vector<float> rope_divisors(const model::ModelConfig& config);

/// Whether rows of this tensor (q and k, weights and biases, of architecture llama) lie with rotary pairs side by side.
[[nodiscard]] bool is_interleaved(const model::ModelConfig& config, const model::TensorSpec& spec);
/// The logical row that is stored as row `stored` in heads of head_dim rows: logical j and j + head_dim / 2 are stored
/// as 2 j and 2 j + 1.
[[nodiscard]] std::size_t logical_row(std::size_t stored, std::size_t head_dim);

}  // namespace lieq::save
