#include "lieq/pack/row_streams.h"

#include "lieq/base/check.h"
#include "lieq/pack/bit_stream.h"

namespace lieq::pack {
namespace {

/// Field k of a run of words that lie `stride` apart.
std::uint32_t field(std::span<const std::int32_t> words, std::size_t first, std::size_t stride, std::size_t k,
                    unsigned bits, FieldsPerWord layout) {
  if (layout == FieldsPerWord::kDense) return FieldStream(words, first, stride, bits).get(k);
  const std::size_t per_word = 32 / bits;
  const auto word = static_cast<std::uint32_t>(words[first + k / per_word * stride]);
  return (word >> (k % per_word * bits)) & ((1U << bits) - 1);
}

}  // namespace

std::size_t row_words(std::size_t fields, unsigned bits, FieldsPerWord layout) {
  const std::size_t per_word = 32 / bits;
  return layout == FieldsPerWord::kDense ? words_of(fields, bits) : (fields + per_word - 1) / per_word;
}

std::vector<std::uint8_t> unpack_rows(Threads& threads, std::span<const std::int32_t> words, std::size_t rows,
                                      std::size_t cols, unsigned bits, FieldsPerWord layout) {
  const std::size_t per_row = row_words(cols, bits, layout);
  LIEQ_CHECK(words.size() == rows * per_row);
  std::vector<std::uint8_t> codes(rows * cols);
  threads.for_each(rows, [&](std::size_t i, std::size_t) {
    for (std::size_t j = 0; j < cols; ++j)
      codes[i * cols + j] = static_cast<std::uint8_t>(field(words, i * per_row, 1, j, bits, layout));
  });
  return codes;
}

std::vector<std::int32_t> pack_rows_densely(Threads& threads, std::span<const std::uint8_t> codes, std::size_t rows,
                                            std::size_t cols, unsigned bits) {
  const std::size_t per_row = words_of(cols, bits);
  std::vector<std::int32_t> words(rows * per_row);
  threads.for_each(rows, [&](std::size_t i, std::size_t) {
    const FieldStream stream(std::span{words}, i * per_row, 1, bits);
    for (std::size_t j = 0; j < cols; ++j) stream.put(j, codes[i * cols + j]);
  });
  return words;
}

std::vector<float> unpack_columns(std::span<const std::int32_t> words, std::size_t rows, std::size_t cols,
                                  unsigned bits, FieldsPerWord layout) {
  LIEQ_CHECK(words.size() == row_words(rows, bits, layout) * cols);
  std::vector<float> fields(rows * cols);
  for (std::size_t g = 0; g < cols; ++g)
    for (std::size_t i = 0; i < rows; ++i)
      fields[i * cols + g] = static_cast<float>(field(words, g, cols, i, bits, layout));
  return fields;
}

std::vector<std::int32_t> pack_columns_densely(std::span<const std::uint8_t> fields, std::size_t rows, std::size_t cols,
                                               unsigned bits) {
  std::vector<std::int32_t> words(words_of(rows, bits) * cols);
  for (std::size_t g = 0; g < cols; ++g) {
    const FieldStream stream(std::span{words}, g, cols, bits);
    for (std::size_t i = 0; i < rows; ++i) stream.put(i, fields[i * cols + g]);
  }
  return words;
}

}  // namespace lieq::pack
