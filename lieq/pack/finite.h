#pragma once
/// Finds NaN and infinity in stored weights without decoding them.

#include <cstddef>
#include <span>

#include "lieq/base/dtype.h"

namespace lieq::pack {

/// True if every weight of `blocks` (a whole number of blocks of a weight type) decodes to a finite number,
/// judged by the 16-bit scales for block types. Cost: one read at about memory speed.
[[nodiscard]] bool all_finite(DType type, std::span<const std::byte> blocks);

}  // namespace lieq::pack
