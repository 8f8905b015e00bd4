#pragma once
/// Containers whose codes run along the inputs of each row, [out, ceil(in * bits / 32)] words of the dense stream of
/// bit_stream.h: compressed-tensors' "pack-quantized" and MLX (FORMATS.md sections 6 and 8).
///
///   compressed-tensors  weight_packed; weight_scale [out, groups]; weight_zero_point [ceil(out * bits / 32), groups],
///                       a stream along the outputs. Stored fields are signed codes and zero points plus 2^(bits - 1),
///                       so they are the codes and zero points of QuantizedMatrix.
///   MLX                 weight; scales, biases [out, groups]: weight = scale * code + bias
///
/// Until mid-2026 compressed-tensors kept whole codes in a word, floor(32 / bits) of them, with bits 3, 5, 6 and 7
/// too: FieldsPerWord::kWhole.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/pack/grouped_matrix.h"

namespace lieq::pack {

enum class FieldsPerWord { kDense, kWhole };

/// Words of a row of `fields` fields.
[[nodiscard]] std::size_t row_words(std::size_t fields, unsigned bits, FieldsPerWord layout);

/// The codes of all rows, [rows, cols]. words: [rows, row_words(cols)].
[[nodiscard]] std::vector<std::uint8_t> unpack_rows(Threads& threads, std::span<const std::int32_t> words,
                                                    std::size_t rows, std::size_t cols, unsigned bits,
                                                    FieldsPerWord layout = FieldsPerWord::kDense);

/// The dense words of [rows, cols] codes.
[[nodiscard]] std::vector<std::int32_t> pack_rows_densely(Threads& threads, std::span<const std::uint8_t> codes,
                                                          std::size_t rows, std::size_t cols, unsigned bits);

/// Fields that run along the outputs, as compressed-tensors' zero points do: words [row_words(rows), cols] to
/// [rows, cols].
[[nodiscard]] std::vector<float> unpack_columns(std::span<const std::int32_t> words, std::size_t rows, std::size_t cols,
                                                unsigned bits, FieldsPerWord layout);

/// The inverse, dense. fields: [rows, cols], each below 2^bits.
[[nodiscard]] std::vector<std::int32_t> pack_columns_densely(std::span<const std::uint8_t> fields, std::size_t rows,
                                                             std::size_t cols, unsigned bits);

}  // namespace lieq::pack
