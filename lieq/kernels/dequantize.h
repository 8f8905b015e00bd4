#pragma once
/// Stored weights to float32, vectorised where it pays; equal to pack::decode bit for bit for finite weights
/// (loading a model proves them finite; half-precision infinity comes out wrong on CPUs without F16C).

#include <cstddef>
#include <cstdint>

#include "lieq/base/dtype.h"

namespace lieq::kernels {

/// Decodes `elements` consecutive weights (a whole number of blocks). `source` may be misaligned.
void dequantize(DType type, const std::byte* source, std::size_t elements, float* target);

/// The part of dequantize() for Q2_K to Q6_K.
void dequantize_k(DType type, const std::byte* source, std::size_t elements, float* target);

/// Rounds to the nearest bfloat16 value (ties to even), as bits. NaN is not expected.
void round_to_bf16(const float* source, std::size_t count, std::uint16_t* target);

}  // namespace lieq::kernels
