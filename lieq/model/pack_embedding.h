#pragma once
/// The embedding and the head in fewer bits than their file has: for a small model the head is a large part of what
/// decoding one token reads.

#include <memory>

#include "lieq/base/threads.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::model {

/// Rounds each group of each row to `bits`, 4 or 8, one half-precision scale a group. 8 bits: symmetric about 0, the
/// largest magnitude is kept; 4 bits: from the smallest to the largest weight, 0 kept exactly.
/// Groups have 64 weights, or 32, 16, ... where the row is no multiple. The same result for any number of threads.
/// Cost: one pass over the weights.
[[nodiscard]] std::shared_ptr<const pack::PackedMatrix> pack_rows(Threads& threads, const pack::StoredMatrix& matrix, unsigned bits);

}  // namespace lieq::model
