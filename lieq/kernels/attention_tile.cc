#include "lieq/kernels/attention_tile.h"

#include <algorithm>

#include "lieq/base/dtype.h"
#include "lieq/kernels/key_values.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/attention_tile.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kPanel>;
constexpr std::size_t kLanes = HWY_LANES(float) < kPanel ? HWY_LANES(float) : kPanel;
constexpr std::size_t kVectors = kPanel / kLanes;  // of one row of a panel
// Accumulators of a block fill the registers: 12 of 16 on AVX2, 24 of 32 on AVX-512 and NEON.
constexpr std::size_t kBlockRows = HWY_TARGET <= HWY_AVX3 ? 12 : 6;

HWY_INLINE hn::Vec<D> Widen(D d, const float* from) { return hn::LoadU(d, from); }

HWY_INLINE hn::Vec<D> Widen(D d, const std::uint16_t* from) {
  const hn::Rebind<hwy::float16_t, D> dh;
  return hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(from)));
}

/// kRows rows of c against one panel.
template <std::size_t kRows, class T>
HWY_INLINE void Block(const float* HWY_RESTRICT a, std::size_t lda, const T* HWY_RESTRICT b, std::size_t depth,
                      bool add, float* HWY_RESTRICT c, std::size_t ldc) {
  const D d;
  hn::Vec<D> sums[kRows][kVectors];
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kVectors; ++v)
      sums[r][v] = add ? hn::LoadU(d, c + r * ldc + v * kLanes) : hn::Zero(d);
  for (std::size_t k = 0; k < depth; ++k, b += kPanel) {
    hn::Vec<D> row[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = Widen(d, b + v * kLanes);
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto factor = hn::Set(d, a[r * lda + k]);
      for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(factor, row[v], sums[r][v]);
    }
  }
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, c + r * ldc + v * kLanes);
}

/// The last `rows` < kRows rows of c.
template <std::size_t kRows, class T>
void Rest(const float* a, std::size_t lda, std::size_t rows, const T* b, std::size_t depth, bool add, float* c,
          std::size_t ldc) {
  if constexpr (kRows > 1) {
    if (rows == kRows - 1) return Block<kRows - 1>(a, lda, b, depth, add, c, ldc);
    Rest<kRows - 1>(a, lda, rows, b, depth, add, c, ldc);
  }
}

template <class T>
HWY_INLINE void Product(const float* a, std::size_t lda, std::size_t rows, Panels<T> b, std::size_t depth, bool add,
                        float* c, std::size_t ldc) {
  for (std::size_t p = 0; p < b.count; ++p) {
    const T* panel = b.data + p * b.panel_stride;
    std::size_t r = 0;
    for (; r + kBlockRows <= rows; r += kBlockRows)
      Block<kBlockRows>(a + r * lda, lda, panel, depth, add, c + r * ldc + p * kPanel, ldc);
    Rest<kBlockRows>(a + r * lda, lda, rows - r, panel, depth, add, c + r * ldc + p * kPanel, ldc);
  }
}

void ProductF32(const float* a, std::size_t lda, std::size_t rows, Panels<float> b, std::size_t depth, bool add,
                float* c, std::size_t ldc) {
  Product(a, lda, rows, b, depth, add, c, ldc);
}

void ProductF16(const float* a, std::size_t lda, std::size_t rows, Panels<std::uint16_t> b, std::size_t depth, bool add,
                float* c, std::size_t ldc) {
  Product(a, lda, rows, b, depth, add, c, ldc);
}

void ToHalf16(const float* source, std::uint16_t* target) {
  constexpr float kLargest = 65504.0F;
#if HWY_TARGET <= HWY_AVX2 || HWY_ARCH_ARM
  const D d;
  const hn::Rebind<hwy::float16_t, D> dh;
  for (std::size_t i = 0; i < kPanel; i += kLanes) {
    const auto v = hn::LoadU(d, source + i);
    const auto clamped = hn::Clamp(v, hn::Set(d, -kLargest), hn::Set(d, kLargest));
    const auto kept = hn::IfThenElse(hn::Eq(v, v), clamped, v);
    hn::StoreU(hn::DemoteTo(dh, kept), dh, reinterpret_cast<hwy::float16_t*>(target + i));
  }
#else
  // Highway's conversion for CPUs without an instruction cuts off instead of rounding.
  for (std::size_t i = 0; i < kPanel; ++i)
    target[i] = float_to_f16(source[i] != source[i] ? source[i] : std::clamp(source[i], -kLargest, kLargest));
#endif
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(ProductF32);
HWY_EXPORT(ProductF16);
HWY_EXPORT(ToHalf16);

void panel_product(const float* a, std::size_t lda, std::size_t rows, Panels<float> b, std::size_t depth, bool add,
                   float* c, std::size_t ldc) {
  HWY_DYNAMIC_DISPATCH(ProductF32)(a, lda, rows, b, depth, add, c, ldc);
}

void panel_product(const float* a, std::size_t lda, std::size_t rows, Panels<std::uint16_t> b, std::size_t depth,
                   bool add, float* c, std::size_t ldc) {
  HWY_DYNAMIC_DISPATCH(ProductF16)(a, lda, rows, b, depth, add, c, ldc);
}

void to_half_16(const float* source, std::uint16_t* target) { HWY_DYNAMIC_DISPATCH(ToHalf16)(source, target); }

}  // namespace lieq::kernels
#endif
