#pragma once
/// A quantised matrix as it stays in memory and is multiplied: lanes are output rows, so that a product needs no
/// horizontal sums and reads scales as vectors.
///
/// Rows lie in blocks of 16; a block's inputs lie in groups, a group in units of 32 inputs. The last unit of a group is
/// padded with codes 0, the last block with rows of scale 0. Groups of 16 with scales of two levels lie in pairs, two a
/// unit. One chunk is 64 bytes: byte 4 r + b belongs to row r.
///
///                bits of byte 4 r + b of a chunk, the lowest first             inputs of a chunk   chunks of a unit
///   1 bit        [4·0 + b] [4·1 + b] ... [4·7 + b]         one bit each        32                  1
///   2 bits       [4·0 + b] [4·1 + b] [4·2 + b] [4·3 + b]   two bits each       16                  2
///   4 bits       [4·0 + b] [4·1 + b]                       four bits each       8                  4
///   8 bits       [4·0 + b]                                                      4                  8
///
/// Codes of 3, 5 and 6 bits lie in two such planes, the one of their low 2, 4 and 4 bits before that of the others.
/// So (chunk >> shift) & mask gives, in each 32-bit lane, the codes of four consecutive inputs of one row as bytes:
/// what 8-bit dot products take. codes: [block][unit][chunk].
///
/// weight = scale * (code - zero), or scale * code + minimum. Scales and minima are
///   of one level    IEEE halves, [block][group][16]
///   of two levels   products of a half, [block][256 inputs][16], and a small integer, [block][group][16]: bytes (a
///                   signed scale; behind those of 16 rows their minima, if any) or nibbles (scale low, minimum high).
///                   A minimum is less than 0 by its product.
/// Zero points are kept doubled, so that half-integers fit: one for all groups, or [block][group][16] of 4 bits (2- and
/// 3-bit codes: row r in the low, row r + 8 in the high half of byte r), 8 bits (4-bit codes) or 16 bits (8-bit codes).
/// With minima they are 0. Codes may also number the levels of IQ4 blocks (iq_grids.h); a code then counts as
/// level + 128.
/// Same bytes on every CPU. Goal: one form for loading, evaluating and generating. Non-goal: a file format.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/pack/quantized_matrix.h"

namespace lieq::pack {

/// What the codes of a group count from.
enum class Origin { kZero, kMinimum };

/// How scales, and minima, are kept: of one level, or the small integers of two.
enum class Scales { kHalves, kBytes, kNibbles };

/// What the numbers of a matrix look like.
struct PackedForm {
  /// Of a code: 2, 3, 4, 5, 6 or 8. Groups of 5-bit codes have no zero points of their own; 6-bit ones are paired.
  unsigned bits = 4;
  std::size_t group_size = 64;  ///< divides the columns
  Origin origin = Origin::kZero;
  Scales scales = Scales::kHalves;                ///< others: groups divide 256, and 256 the columns
  std::optional<std::uint16_t> double_zero = {};  ///< one zero point for all groups, doubled
  bool levels = false;                            ///< codes number levels; bits is 4, double_zero 256

  /// Kinds of codes: their bits, or kLevelKind.
  static constexpr unsigned kLevelKind = 20;
  [[nodiscard]] unsigned kind() const { return levels ? kLevelKind : bits; }
  [[nodiscard]] bool two_levels() const { return scales != Scales::kHalves; }
};

class PackedMatrix {
 public:
  static constexpr std::size_t kBlockRows = 16, kUnitInputs = 32, kChunkBytes = 64, kSuperInputs = 256;

  /// Memory for `rows` x `cols` weights. Scales, zero points and minima are 0, codes undefined until each unit was
  /// written.
  PackedMatrix(std::size_t rows, std::size_t cols, const PackedForm& form);
  PackedMatrix(std::size_t rows, std::size_t cols, unsigned bits, std::size_t group_size, Origin origin = Origin::kZero)
      : PackedMatrix(rows, cols, PackedForm{.bits = bits, .group_size = group_size, .origin = origin}) {}
  PackedMatrix(Threads& threads, const QuantizedMatrix& matrix);

  /// Writes the codes of one unit, counted from the group's first. lanes: [16][32], each below 2^bits; those of inputs
  /// beyond the group (or pair) must be 0. Different blocks may be written by different threads.
  void set_unit(std::size_t block, std::size_t group, std::size_t unit, const std::uint8_t* lanes);
  /// Writes scale and origin of one row in one group: twice the zero point, unless all share one, or the minimum. The
  /// rows beyond rows() want zeros. Different blocks or groups may be written by different threads.
  void set_group(std::size_t row, std::size_t group, std::uint16_t scale, std::uint16_t origin);
  /// The same with scales of two levels: the halves of 256 inputs, and the integers of a group.
  void set_super(std::size_t row, std::size_t super, std::uint16_t scale, std::uint16_t minimum);
  void set_small(std::size_t row, std::size_t group, int scale, int minimum);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }
  [[nodiscard]] const PackedForm& form() const { return form_; }
  [[nodiscard]] unsigned bits() const { return form_.bits; }
  [[nodiscard]] std::size_t group_size() const { return form_.group_size; }
  [[nodiscard]] std::size_t groups() const { return cols_ / form_.group_size; }
  [[nodiscard]] std::size_t blocks() const { return (rows_ + kBlockRows - 1) / kBlockRows; }
  /// True if two groups share a unit; the units of the second are those of the first.
  [[nodiscard]] bool is_paired() const { return form_.two_levels() && 2 * form_.group_size == kUnitInputs; }
  [[nodiscard]] std::size_t units_per_group() const { return (form_.group_size + kUnitInputs - 1) / kUnitInputs; }
  /// Units of a row.
  [[nodiscard]] std::size_t units() const { return unit_of(groups()); }
  [[nodiscard]] std::size_t unit_bytes() const { return form_.bits * kChunkBytes; }
  [[nodiscard]] bool has_minima() const { return form_.origin == Origin::kMinimum; }

  /// The unit that a group begins in. 64-byte aligned; units follow each other without gaps.
  [[nodiscard]] const std::uint8_t* codes(std::size_t block, std::size_t group) const {
    return codes_.get() + (block * units() + unit_of(group)) * unit_bytes();
  }
  [[nodiscard]] std::uint8_t* codes(std::size_t block, std::size_t group) {
    return const_cast<std::uint8_t*>(std::as_const(*this).codes(block, group));
  }
  /// Halves of group `at` of a block; of scales of two levels, of the 256 inputs number `at`.
  [[nodiscard]] const std::uint16_t* scales(std::size_t block, std::size_t at) const {
    return scales_.data() + (block * halves_per_row() + at) * kBlockRows;
  }
  /// The same; only of a matrix that has_minima().
  [[nodiscard]] const std::uint16_t* minima(std::size_t block, std::size_t at) const {
    return minima_.data() + (block * halves_per_row() + at) * kBlockRows;
  }
  /// The integers of a group with scales of two levels.
  [[nodiscard]] const std::uint8_t* small(std::size_t block, std::size_t group) const {
    return small_.data() + (block * groups() + group) * small_bytes();
  }
  /// Only of a matrix whose groups have zero points of their own.
  [[nodiscard]] const std::uint8_t* zeros(std::size_t block, std::size_t group) const {
    return zeros_.data() + (block * groups() + group) * zero_bytes();
  }
  /// The zero point of all groups, doubled (0 with minima), or nothing.
  [[nodiscard]] std::optional<std::uint16_t> shared_double_zero() const {
    return has_minima() ? std::uint16_t{0} : form_.double_zero;
  }
  /// Input number k of the groups is column order()[k]; empty: column k. [cols]
  [[nodiscard]] std::span<const std::int32_t> order() const { return order_; }

  /// One code, input numbered as in order(); one zero point, doubled; one scale, one minimum (0 without). Slow: for
  /// references and rare rows.
  [[nodiscard]] unsigned code(std::size_t row, std::size_t input) const;
  [[nodiscard]] unsigned double_zero(std::size_t row, std::size_t group) const;
  [[nodiscard]] float scale(std::size_t row, std::size_t group) const;
  [[nodiscard]] float minimum(std::size_t row, std::size_t group) const;

  /// Bytes of codes, scales and zero points (of `bits` each, if groups have their own) or minima without padding: what
  /// true bits count.
  [[nodiscard]] std::size_t bytes() const;
  /// Bytes held.
  [[nodiscard]] std::size_t memory() const;

  /// The same float32 values as dequantize_row() or decode() of what it was made from, bit for bit. target: [cols].
  void decode_row(std::size_t row, float* target) const;

 private:
  void fill_block(const QuantizedMatrix& matrix, std::size_t block);
  [[nodiscard]] std::size_t unit_of(std::size_t group) const {
    return is_paired() ? group / 2 : group * units_per_group();
  }
  [[nodiscard]] std::size_t halves_per_row() const { return form_.two_levels() ? cols_ / kSuperInputs : groups(); }
  [[nodiscard]] std::size_t small_bytes() const {
    return form_.scales == Scales::kBytes && has_minima() ? 2 * kBlockRows : kBlockRows;
  }
  [[nodiscard]] std::size_t zero_bytes() const { return form_.bits < 4 ? 8 : form_.bits == 4 ? 16 : 32; }

  struct Delete {
    std::size_t alignment;
    void operator()(std::uint8_t* data) const;
  };

  std::size_t rows_, cols_;
  PackedForm form_;
  std::unique_ptr<std::uint8_t, Delete> codes_{nullptr, Delete{kChunkBytes}};
  std::vector<std::uint16_t> scales_, minima_;
  std::vector<std::uint8_t> small_, zeros_;
  std::vector<std::int32_t> order_;
};

}  // namespace lieq::pack
