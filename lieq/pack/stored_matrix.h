#pragma once
/// One weight matrix as it lies in a file: rows of stored elements or blocks, decoded on demand.

#include <cstddef>
#include <string>

#include "lieq/base/dtype.h"
#include "lieq/base/view.h"

namespace lieq::pack {

/// A view of [rows, cols] weights ([out, in], row-major); the bytes belong to a mapped file.
struct StoredMatrix {
  std::string name;  ///< tensor name, for messages
  DType type = DType::kF32;
  std::size_t rows = 0, cols = 0;
  const std::byte* data = nullptr;
  /// 0: rows in logical order. Otherwise the rows of each head of this size are stored with rotary pairs
  /// side by side (GGUF files of architecture llama): logical rows j and j + head_dim / 2 are stored 2j and 2j + 1.
  std::size_t interleaved_head_dim = 0;

  [[nodiscard]] std::size_t row_bytes() const { return cols / block_elements(type) * block_bytes(type); }
  [[nodiscard]] std::size_t bytes() const { return rows * row_bytes(); }
  /// The stored bytes of logical row i.
  [[nodiscard]] const std::byte* row(std::size_t i) const;
};

}  // namespace lieq::pack
