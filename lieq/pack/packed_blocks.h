#pragma once
/// Blocks of GGUF as packed codes, so that GGUF files run from the same products as what lieq quantises.
///
///   Q2_0         2-bit codes, zero point 1, groups of 64
///   Q4_0, Q4_1   4-bit codes, zero point 8 or a minimum, groups of 32
///   Q5_0, Q5_1   8-bit codes below 32, zero point 16 or a minimum, groups of 32
///   Q8_0         8-bit codes, zero point 128, groups of 32
///
/// Non-goal: K blocks (Q2_K to Q6_K). Their scales and minima are products of a half-precision number and a small
/// integer, which half precision cannot hold; they are multiplied as stored.

#include "lieq/base/dtype.h"
#include "lieq/base/threads.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::pack {

/// True for the types above.
[[nodiscard]] bool fits_packed(DType type);

/// The weights of decode(), bit for bit, rows in logical order. matrix: stored, of a type that fits.
[[nodiscard]] PackedMatrix pack_blocks(Threads& threads, const StoredMatrix& matrix);

}  // namespace lieq::pack
