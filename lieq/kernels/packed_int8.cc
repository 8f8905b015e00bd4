#include "lieq/kernels/packed_int8.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "lieq/kernels/isa.h"

// Vectors here are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/packed_int8.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
namespace plain {
#define LIEQ_DOT 0
#include "lieq/kernels/packed_int8-inl.h"
#undef LIEQ_DOT
}  // namespace plain
#endif

}  // namespace lieq::kernels::HWY_NAMESPACE

// The same with instructions that Highway has no target for.
#if HWY_TARGET == HWY_AVX3
#define LIEQ_DOT 1
#pragma GCC push_options
#pragma GCC target("avx512vnni,amx-tile,amx-int8")
#elif HWY_TARGET == HWY_AVX2
#define LIEQ_DOT 2
#pragma GCC push_options
#pragma GCC target("avxvnni")
#elif HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
#define LIEQ_DOT 3
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+crypto+dotprod")
#endif
#ifdef LIEQ_DOT
namespace lieq::kernels::HWY_NAMESPACE::dot {
#include "lieq/kernels/packed_int8-inl.h"
}  // namespace lieq::kernels::HWY_NAMESPACE::dot
#pragma GCC pop_options
#endif

// For many tokens.
#if HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
#undef LIEQ_DOT
#define LIEQ_DOT 4
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+crypto+dotprod+i8mm")
namespace lieq::kernels::HWY_NAMESPACE::matrix {
#include "lieq/kernels/packed_int8-inl.h"
}  // namespace lieq::kernels::HWY_NAMESPACE::matrix
#pragma GCC pop_options
#endif

namespace lieq::kernels::HWY_NAMESPACE {

void MultiplyInt8(const Int8Product& product, float* scratch) {
#if HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
  if (product.tokens > kInt8StreamTokens && has_matrix_product(HWY_TARGET)) return matrix::Multiply(product, scratch);
#endif
#ifdef LIEQ_DOT
#undef LIEQ_DOT
  if (has_dot_product(HWY_TARGET)) return dot::Multiply(product, scratch);
#endif
#if HWY_TARGET == HWY_SCALAR
  (void)scratch;
  multiply_int8_reference(product);
#else
  plain::Multiply(product, scratch);
#endif
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(MultiplyInt8);

void multiply_int8(const Int8Product& product) {
  static thread_local Buffer<float> sums;
  HWY_DYNAMIC_DISPATCH(MultiplyInt8)
  (product, sums.reserve(product.tokens * kInt8ItemBlocks * pack::PackedMatrix::kBlockRows));
  if (product.weight->has_minima()) add_minima(product);
}

}  // namespace lieq::kernels
#endif
