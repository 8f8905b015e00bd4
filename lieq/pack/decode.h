#pragma once
/// Decoding of stored weights to float32, scalar, written to be read: the oracle for kernels/dequantize.h.

#include <cstddef>

#include "lieq/base/dtype.h"

namespace lieq::pack {

/// True for the types decode() takes: F32, F16, BF16 and all GGUF block types of DType.
[[nodiscard]] bool is_weight_type(DType type);

/// Decodes `elements` consecutive weights (a whole number of blocks) from `source` to `target`.
/// Exact: the float32 arithmetic is that of the reference dequantisers of the `gguf` package.
/// `source` may be misaligned. Layouts: docs of each block at its decoder in decode.cc.
void decode(DType type, const std::byte* source, std::size_t elements, float* target);

}  // namespace lieq::pack
