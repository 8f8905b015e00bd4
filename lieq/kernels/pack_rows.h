#pragma once
/// Any stored matrix as a packed one: for embeddings and heads, which no recipe quantises.

#include <cstddef>

#include "lieq/base/threads.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::kernels {

/// The group size pack_rows() uses when `wanted` is asked for: the largest divisor of `cols` up to it, or all of `cols`
/// when that is below 16.
[[nodiscard]] std::size_t pack_group_size(std::size_t cols, std::size_t wanted);

/// Rounds each group of each row to the nearest of 2^bits levels that lie symmetrically around zero point 2^(bits-1).
/// bits: 8 (scale = max / 127) or 4 (the scale, of either sign, of the least squared error among a few).
/// Weights are decoded 16 rows at a time, so that no float32 copy exists. The result does not depend on the threads.
/// 8 bits: each weight is off by at most half a scale and the scale's own rounding to half precision.
[[nodiscard]] pack::PackedMatrix pack_rows(Threads& threads, const pack::StoredMatrix& matrix, unsigned bits,
                                           std::size_t group_size);

}  // namespace lieq::kernels
