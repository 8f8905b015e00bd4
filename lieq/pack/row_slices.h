#pragma once
/// Matrices of some rows of others: fused projections are cut into their parts when they are read and put together
/// again when they are written.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/quantized_matrix.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::pack {

/// Rows [first, first + count) as they were before packing, inputs in file order.
[[nodiscard]] QuantizedMatrix unpack_rows_of(Threads& threads, const PackedMatrix& packed, std::size_t first,
                                             std::size_t count);

/// Parts of `rows` rows each, which sum up to those of the matrix. Rows of elements or blocks are viewed where they
/// lie; packed codes are packed anew. The matrix is not interleaved.
[[nodiscard]] std::vector<StoredMatrix> split_rows(Threads& threads, const StoredMatrix& matrix,
                                                   std::span<const std::size_t> rows);

/// The rows of all parts, one after the other: of one width, all stored in one type or all packed alike. Parts that lie
/// behind each other are viewed where they are.
[[nodiscard]] StoredMatrix stack_rows(Threads& threads, std::span<const StoredMatrix* const> parts);
[[nodiscard]] QuantizedMatrix stack_rows(std::span<const QuantizedMatrix* const> parts);

}  // namespace lieq::pack
