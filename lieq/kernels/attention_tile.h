#pragma once
/// The products inside attention. Inner part of attention() and store_key_values().

#include <cstddef>
#include <cstdint>

namespace lieq::kernels {

/// A right-hand side: panel p holds columns [16 p, 16 p + 16), row k of it at p * panel_stride + 16 * k.
template <class T>
struct Panels {
  const T* data;
  std::size_t panel_stride, count;
};

/// c[r, j] = Σ_k a[r, k] b[k, j], or += with `add`: float32 fused multiply-adds in the order of k, so the result is the
/// same on every CPU that has them. a: [rows, depth], c: [rows, 16 b.count]; lda and ldc are the row strides.
/// Half-precision panels (16-bit patterns) are widened in registers.
void panel_product(const float* a, std::size_t lda, std::size_t rows, Panels<float> b, std::size_t depth, bool add,
                   float* c, std::size_t ldc);
void panel_product(const float* a, std::size_t lda, std::size_t rows, Panels<std::uint16_t> b, std::size_t depth,
                   bool add, float* c, std::size_t ldc);

/// 16 floats to half-precision bits: nearest, ties to even; beyond the range: the largest number; NaN stays NaN.
void to_half_16(const float* source, std::uint16_t* target);

}  // namespace lieq::kernels
