#pragma once
/// A quantised matrix as it stays in memory and is multiplied: lanes are output rows, so that a product needs no
/// horizontal sums and reads scales as vectors.
///
/// Rows lie in blocks of 16; a block's inputs lie in groups, a group in units of 32 inputs. The last unit of a group is
/// padded with codes 0, the last block with rows of scale 0. One chunk is 64 bytes: byte 4 r + b belongs to row r.
///
///                bits of byte 4 r + b of a chunk, the lowest first             inputs of a chunk   chunks of a unit
///   2 bits       [4·0 + b] [4·1 + b] [4·2 + b] [4·3 + b]   two bits each       16                  2
///   3 bits       two chunks as for 2 bits hold the low bits of a code; a third its high bit:
///                [4·0 + b] [4·1 + b] ... [4·7 + b]         one bit each        32                  2 + 1
///   4 bits       [4·0 + b] [4·1 + b]                       four bits each       8                  4
///   8 bits       [4·0 + b]                                                      4                  8
///
/// So (chunk >> shift) & mask gives, in each 32-bit lane, the codes of four consecutive inputs of one row as bytes:
/// what 8-bit dot products take. codes: [block][group][unit][chunk]; scales: [block][group][16] IEEE halves.
///
/// weight = scale * (code - zero). Zero points are kept doubled, so that half-integers fit: [block][group][16] of 4
/// bits (2- and 3-bit codes: row r in the low, row r + 8 in the high half of byte r), 8 bits (4-bit codes) or 16 bits
/// (8-bit codes). Some blocks of GGUF have a minimum instead, weight = scale * code + minimum: minima are IEEE halves,
/// [block][group][16], and all zero points are 0, kept once.
/// Same bytes on every CPU. Goal: one form for loading, evaluating and generating. Non-goal: a file format.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/pack/quantized_matrix.h"

namespace lieq::pack {

/// What the codes of a group count from.
enum class Origin { kZero, kMinimum };

class PackedMatrix {
 public:
  static constexpr std::size_t kBlockRows = 16, kUnitInputs = 32, kChunkBytes = 64;

  /// Memory for `rows` x `cols` weights. Scales, zero points and minima are 0, codes undefined until each unit was
  /// written. bits: 2, 3, 4 or 8; group_size divides cols.
  PackedMatrix(std::size_t rows, std::size_t cols, unsigned bits, std::size_t group_size,
               Origin origin = Origin::kZero);
  PackedMatrix(Threads& threads, const QuantizedMatrix& matrix);

  /// Writes the codes of one unit. lanes: [16][32], each below 2^bits; those of inputs beyond the group must be 0.
  /// Different blocks may be written by different threads.
  void set_unit(std::size_t block, std::size_t group, std::size_t unit, const std::uint8_t* lanes);
  /// Writes scale and origin of one row in one group: twice the zero point, or the minimum. The rows beyond rows() want
  /// zeros. Different blocks or groups may be written by different threads.
  void set_group(std::size_t row, std::size_t group, std::uint16_t scale, std::uint16_t origin);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }
  [[nodiscard]] unsigned bits() const { return bits_; }
  [[nodiscard]] std::size_t group_size() const { return group_size_; }
  [[nodiscard]] std::size_t groups() const { return cols_ / group_size_; }
  [[nodiscard]] std::size_t blocks() const { return (rows_ + kBlockRows - 1) / kBlockRows; }
  [[nodiscard]] std::size_t units_per_group() const { return (group_size_ + kUnitInputs - 1) / kUnitInputs; }
  [[nodiscard]] std::size_t unit_bytes() const { return bits_ * kChunkBytes; }
  [[nodiscard]] bool has_minima() const { return origin_ == Origin::kMinimum; }
  /// Bytes from one group's zero points to the next: 0 where all share the same zeros.
  [[nodiscard]] std::size_t zero_bytes() const { return has_minima() ? 0 : bytes_of_zeros(); }

  /// 64-byte aligned; groups follow each other without gaps.
  [[nodiscard]] const std::uint8_t* codes(std::size_t block, std::size_t group) const {
    return codes_.get() + (block * groups() + group) * units_per_group() * unit_bytes();
  }
  [[nodiscard]] std::uint8_t* codes(std::size_t block, std::size_t group) {
    return const_cast<std::uint8_t*>(std::as_const(*this).codes(block, group));
  }
  [[nodiscard]] const std::uint16_t* scales(std::size_t block, std::size_t group) const {
    return scales_.data() + (block * groups() + group) * kBlockRows;
  }
  [[nodiscard]] const std::uint8_t* zeros(std::size_t block, std::size_t group) const {
    return zeros_.data() + (block * groups() + group) * zero_bytes();
  }
  /// Only of a matrix that has_minima().
  [[nodiscard]] const std::uint16_t* minima(std::size_t block, std::size_t group) const {
    return minima_.data() + (block * groups() + group) * kBlockRows;
  }
  /// Input number k of the groups is column order()[k]; empty: column k. [cols]
  [[nodiscard]] std::span<const std::int32_t> order() const { return order_; }

  /// One code, input numbered as in order(); one zero point, doubled. Slow: for references and rare rows.
  [[nodiscard]] unsigned code(std::size_t row, std::size_t input) const;
  [[nodiscard]] unsigned double_zero(std::size_t row, std::size_t group) const;

  /// Bytes of codes, scales and zero points (of `bits` each) or minima without padding: what true bits count.
  [[nodiscard]] std::size_t bytes() const;
  /// Bytes held.
  [[nodiscard]] std::size_t memory() const;

  /// The same float32 values as dequantize_row() or decode() of what it was made from, bit for bit. target: [cols].
  void decode_row(std::size_t row, float* target) const;

 private:
  void fill_block(const QuantizedMatrix& matrix, std::size_t block);
  [[nodiscard]] std::size_t bytes_of_zeros() const { return bits_ < 4 ? 8 : bits_ == 4 ? 16 : 32; }

  struct Delete {
    std::size_t alignment;
    void operator()(std::uint8_t* data) const;
  };

  std::size_t rows_, cols_, group_size_;
  unsigned bits_;
  Origin origin_;
  std::unique_ptr<std::uint8_t, Delete> codes_{nullptr, Delete{kChunkBytes}};
  std::vector<std::uint16_t> scales_, minima_;
  std::vector<std::uint8_t> zeros_;
  std::vector<std::int32_t> order_;
};

}  // namespace lieq::pack
