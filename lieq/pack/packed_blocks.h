#pragma once
/// Blocks of GGUF as packed codes, so that GGUF files run from the same products as what lieq quantises.
///
///   type          codes                    groups   scales                    codes count from
///   Q2_0          2 bits                   64       halves                    1
///   Q4_0, Q4_1    4 bits                   32       halves                    8 or a minimum
///   Q5_0, Q5_1    5 bits                   32       halves                    16 or a minimum
///   Q8_0          8 bits                   32       halves                    128
///   IQ4_NL        numbers of 16 levels     32       halves                    0
///   Q2_K          2 bits                   16       two levels, 4 bits each   minima of two levels
///   Q3_K          3 bits                   16       two levels, 6 bits        4
///   Q4_K, Q5_K    4, 5 bits                32       two levels, 6 bits each   minima of two levels
///   Q6_K          6 bits                   16       two levels, 8 bits        32
///   IQ4_XS        numbers of 16 levels     32       two levels, 6 bits        0
///
/// Memory is that of the blocks, and a few bits a group more where 6 bits become a byte (3 % and less).
/// Non-goal: IQ types of fewer bits, TQ types and MXFP4; they are multiplied as stored.

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
