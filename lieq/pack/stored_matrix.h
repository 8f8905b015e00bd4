#pragma once
/// One weight matrix as it is kept: rows of elements or blocks in a mapped file, packed codes in memory, or both.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/view.h"
#include "lieq/pack/packed_matrix.h"

namespace lieq::pack {

/// A view of [rows, cols] weights ([out, in], row-major), decoded on demand, and the codes to multiply by instead.
struct StoredMatrix {
  std::string name;  ///< tensor name, for messages
  DType type = DType::kF32;
  std::size_t rows = 0, cols = 0;
  const std::byte* data = nullptr;  ///< belongs to a mapped file or to whoever made the view; see `packed`, `owner`
  /// 0: rows in logical order. Otherwise the rows of each head of this size are stored with rotary pairs
  /// side by side (GGUF files of architecture llama): logical rows j and j + head_dim / 2 are stored 2j and 2j + 1.
  std::size_t interleaved_head_dim = 0;
  /// Set: products and decode_row() read these codes, rows in logical order. Beside blocks in `data` (GGUF) they are
  /// the same weights, and names and sizes below still are those of the blocks; without `data`, `type` means nothing.
  std::shared_ptr<const PackedMatrix> packed = nullptr;
  /// Keeps `data` alive where it lies in no mapped file.
  std::shared_ptr<const void> owner = nullptr;
  /// Bits of a code in the file where `packed` has wider ones (5 and 6 bits are kept in 8); 0: as `packed` has.
  unsigned narrow_bits = 0;

  /// False for weights that only packed codes hold.
  [[nodiscard]] bool is_stored() const { return !packed || data; }
  /// Bytes of one stored row.
  [[nodiscard]] std::size_t row_bytes() const { return cols / block_elements(type) * block_bytes(type); }
  /// The stored bytes of logical row i.
  [[nodiscard]] const std::byte* row(std::size_t i) const;

  /// All bytes, with scales and zero points.
  [[nodiscard]] std::size_t bytes() const;
  /// Bits of one code.
  [[nodiscard]] double code_bits() const;
  /// "F16", "Q4_K", "2-bit g64"
  [[nodiscard]] std::string format() const;
};

}  // namespace lieq::pack
