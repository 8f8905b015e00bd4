// Best(product) for one target: the MultiplyBits of LIEQ_INT8_BODY, compiled for the target alone and again with those
// of the instructions in dot8-inl.h that this CPU may have and Highway has no target for. Included without a guard.

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
namespace plain {
#define LIEQ_DOT 0
#include LIEQ_INT8_BODY
#undef LIEQ_DOT
}  // namespace plain
#endif

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
namespace dot {
#include LIEQ_INT8_BODY
}  // namespace dot
#pragma GCC pop_options
#undef LIEQ_DOT
#define LIEQ_HAS_DOT
#endif

#if HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
#define LIEQ_DOT 4
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+crypto+dotprod+i8mm")
namespace matrix {
#include LIEQ_INT8_BODY
}  // namespace matrix
#pragma GCC pop_options
#undef LIEQ_DOT
#define LIEQ_HAS_MATRIX
#endif

template <unsigned kBits>
void BestBits(const Int8Product& product) {
#ifdef LIEQ_HAS_MATRIX
  if (has_matrix_product(HWY_TARGET)) return matrix::MultiplyBits<kBits>(product);
#endif
#ifdef LIEQ_HAS_DOT
  if (has_dot_product(HWY_TARGET)) return dot::MultiplyBits<kBits>(product);
#endif
#if HWY_TARGET == HWY_SCALAR
  multiply_int8_reference(product);
#else
  plain::MultiplyBits<kBits>(product);
#endif
}
#undef LIEQ_HAS_DOT
#undef LIEQ_HAS_MATRIX

void Best(const Int8Product& product) {
  switch (product.weight->bits()) {
    case 2: return BestBits<2>(product);
    case 3: return BestBits<3>(product);
    case 4: return BestBits<4>(product);
    default: return BestBits<8>(product);
  }
}

}  // namespace
}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
