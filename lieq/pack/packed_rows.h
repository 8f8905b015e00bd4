#pragma once
/// A quantised matrix as it stays in memory: each row's codes as a dense little-endian bit stream, so that a row is
/// decoded from consecutive bytes. Goal: small and exact. Non-goal: fast products (kernels/ repacks for those).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lieq/pack/quantized_matrix.h"

namespace lieq::pack {

class PackedRows {
 public:
  explicit PackedRows(const QuantizedMatrix& matrix);

  [[nodiscard]] unsigned bits() const { return bits_; }
  [[nodiscard]] std::size_t group_size() const { return group_size_; }
  /// Bytes of codes, scales and zero points (of `bits` each): what true bits count.
  [[nodiscard]] std::size_t bytes() const;

  /// The same float32 values as dequantize_row() of the matrix it was made from. target: [cols].
  void decode_row(std::size_t row, float* target) const;

 private:
  [[nodiscard]] unsigned code(const std::uint8_t* stream, std::size_t j) const;

  std::size_t rows_, cols_, group_size_, row_bytes_;
  unsigned bits_;
  std::vector<std::uint8_t> codes_;          // [rows, row_bytes], one spare byte at the end
  std::vector<float> scales_, zeros_;        // [rows, groups]
  std::vector<std::int32_t> g_idx_;          // [cols] or empty
};

}  // namespace lieq::pack
