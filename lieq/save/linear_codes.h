#pragma once
/// The codes of a weight matrix in one form, whatever container they were read from: what every export writes from.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/pack/quantized_matrix.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::save {

/// What can be said of a matrix of codes without reading it.
struct CodeFacts {
  unsigned bits = 0;           ///< 2, 3, 4 or 8
  std::size_t group_size = 0;  ///< divides the inputs
  bool has_minima = false;     ///< weight = scale * code + minimum (Q4_1, Q5_1), otherwise scale * (code - zero)
  bool in_order = true;        ///< group of input j is j / group_size (no activation order)
};

/// Nothing for weights that have no codes with half-precision scales: dense ones, and K blocks of GGUF (Q2_K to Q6_K),
/// whose scales are products. Those are decoded with kernels::decode_row(), or copied as they lie.
[[nodiscard]] std::optional<CodeFacts> code_facts(const pack::StoredMatrix& matrix);

/// Codes, scales and zero points of some rows, in logical (Hugging Face) row order, inputs in file order.
/// With minima the zero points are all 0 and weight = scale * code + minimum.
struct LinearCodes {
  pack::QuantizedMatrix matrix;       ///< codes [rows, in]; scales and double_zeros [rows, in / group_size]
  std::vector<std::uint16_t> minima;  ///< [rows, in / group_size] IEEE halves, or empty
};

/// Rows [first, first + count) of a matrix that has code_facts(); count at most matrix.rows - first.
/// The weights they stand for are those of decode_row(), bit for bit. Rows of an embedding are best taken in slabs.
[[nodiscard]] LinearCodes codes_of(Threads& threads, const pack::StoredMatrix& matrix, std::size_t first,
                                   std::size_t count);

/// The zero points that occur in a matrix: what containers ask about a grid.
struct ZeroPoints {
  std::vector<bool> doubled;  ///< by 2 z: occurs

  [[nodiscard]] bool only(std::initializer_list<unsigned> double_zeros) const;
  [[nodiscard]] bool all_whole() const;
};
/// The same of several matrices, as grids are told by.
struct ZeroKinds {
  bool symmetric = true;  ///< all are 2^(bits-1)
  bool whole = true;      ///< none lies between two codes

  /// matrix: as of zero_points().
  void add(const pack::StoredMatrix& matrix);
};
/// Of a matrix that has code_facts() and no minima. Cost: one look at each group.
[[nodiscard]] ZeroPoints zero_points(const pack::StoredMatrix& matrix);

}  // namespace lieq::save
