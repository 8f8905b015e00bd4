#pragma once
/// K blocks of GGUF as something to quantise onto: what the numbers of a block may be, a block from its numbers, and
/// the matrix of such blocks that quantising gives.
///
///   bits   type    sub-blocks   scale          minimum   weight
///   2      Q2_K    16 of 16     0 ... 15       0 ... 15  (d * scale) * code - dmin * minimum
///   3      Q3_K    16 of 16     -32 ... 31     none      (d * scale) * (code - 4)
///   4      Q4_K     8 of 32     0 ... 63       0 ... 63  (d * scale) * code - dmin * minimum
///
/// d and dmin are half-precision numbers, one pair for the 256 weights of a block (Q3_K: d alone).
/// Layouts of the bytes: decode_k.cc. Goal: bytes that decode() and every reader of GGUF take as they are. Non-goal:
/// products; pack_blocks() makes what they read.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::pack {

inline constexpr std::size_t kBlockWeights = 256;   ///< weights of a K block
inline constexpr std::size_t kMostSubBlocks = 16;

/// What a block type can hold.
struct KForm {
  DType type = DType::kQ2_K;
  unsigned bits = 2;
  std::size_t sub_size = 16;                  ///< weights that share a scale and a minimum
  int least_scale = 0, largest_scale = 15;
  int largest_minimum = 15;                   ///< 0: no minima
  int zero = 0;                               ///< the code of weight 0 where there are no minima, else 0

  [[nodiscard]] std::size_t sub_blocks() const { return kBlockWeights / sub_size; }
  [[nodiscard]] bool has_minima() const { return largest_minimum > 0; }
  [[nodiscard]] int top() const { return (1 << bits) - 1; }
};

/// bits: 2, 3 or 4.
[[nodiscard]] const KForm& k_form(unsigned bits);

/// The numbers of one block.
struct KBlock {
  std::array<std::uint8_t, kBlockWeights> codes{};
  std::array<std::int8_t, kMostSubBlocks> scales{};
  std::array<std::uint8_t, kMostSubBlocks> minima{};
  std::uint16_t d = 0, dmin = 0;  ///< IEEE half bits
};

/// Writes the block_bytes(form.type) bytes of one block. All numbers must be in the form's ranges.
void encode(const KForm& form, const KBlock& block, std::byte* target);

/// Rows of K blocks in memory.
struct BlockMatrix {
  DType type = DType::kQ2_K;
  std::size_t rows = 0, cols = 0;   ///< [out, in], whole blocks a row
  std::vector<std::byte> bytes;     ///< [rows, cols / 256] blocks

  [[nodiscard]] bool empty() const { return rows == 0; }
  [[nodiscard]] std::size_t row_bytes() const { return cols / kBlockWeights * block_bytes(type); }
  /// A copy to run from; it owns its bytes.
  [[nodiscard]] StoredMatrix stored(std::string name) const;
};

/// Multiplies d and dmin of a row's blocks, rounding each to half precision again: how a gain of an output channel is
/// folded in.
void scale_row(BlockMatrix& matrix, std::size_t row, float factor);

}  // namespace lieq::pack
