#pragma once
/// One weight matrix as it is kept: rows of stored elements or blocks in a mapped file, or packed codes in memory.

#include <cstddef>
#include <memory>
#include <string>

#include "lieq/base/dtype.h"
#include "lieq/base/view.h"
#include "lieq/pack/packed_matrix.h"

namespace lieq::pack {

/// A view of [rows, cols] weights ([out, in], row-major), decoded on demand.
struct StoredMatrix {
  std::string name;  ///< tensor name, for messages
  DType type = DType::kF32;
  std::size_t rows = 0, cols = 0;
  const std::byte* data = nullptr;  ///< belongs to a mapped file or to whoever made the view
  /// 0: rows in logical order. Otherwise the rows of each head of this size are stored with rotary pairs
  /// side by side (GGUF files of architecture llama): logical rows j and j + head_dim / 2 are stored 2j and 2j + 1.
  std::size_t interleaved_head_dim = 0;
  /// Set: the weights are these codes; `type` and `data` mean nothing.
  std::shared_ptr<const PackedMatrix> packed = nullptr;

  /// Bytes of one stored row; not for packed codes.
  [[nodiscard]] std::size_t row_bytes() const { return cols / block_elements(type) * block_bytes(type); }
  /// The stored bytes of logical row i; not for packed codes.
  [[nodiscard]] const std::byte* row(std::size_t i) const;

  /// All bytes, with scales and zero points.
  [[nodiscard]] std::size_t bytes() const { return packed ? packed->bytes() : rows * row_bytes(); }
  /// Bits of one code.
  [[nodiscard]] double code_bits() const { return packed ? packed->bits() : lieq::code_bits(type); }
  /// "F16", "Q4_K", "2-bit g64"
  [[nodiscard]] std::string format() const;
};

}  // namespace lieq::pack
