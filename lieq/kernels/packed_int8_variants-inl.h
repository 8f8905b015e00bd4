// Best(product) for one target: the MultiplyCodes of LIEQ_INT8_BODY, compiled for the target alone and again with those
// of the instructions in dot8-inl.h that this CPU may have and Highway has no target for. Included without a guard.

// Instructions beyond the target's own for what follows. Clang takes one list only, so the target's own is given again.
#ifndef LIEQ_MORE_TARGET
#if HWY_COMPILER_CLANG
#define LIEQ_MORE_TARGET HWY_POP_ATTRIBUTES HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR "," LIEQ_MORE)
#define LIEQ_END_TARGET HWY_POP_ATTRIBUTES HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR)
#else
#define LIEQ_MORE_TARGET HWY_PRAGMA(GCC push_options) LIEQ_PRAGMA_TARGET(LIEQ_MORE)
#define LIEQ_PRAGMA_TARGET(more) HWY_PRAGMA(GCC target(more))
#define LIEQ_END_TARGET HWY_PRAGMA(GCC pop_options)
#endif
#endif

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
#define LIEQ_MORE "avx512vnni,amx-tile,amx-int8"
#elif HWY_TARGET == HWY_AVX2
#define LIEQ_DOT 2
#define LIEQ_MORE "avxvnni"
#elif HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
#define LIEQ_DOT 3
#define LIEQ_MORE "arch=armv8.2-a+crypto+dotprod"
#endif
#ifdef LIEQ_DOT
LIEQ_MORE_TARGET
namespace dot {
#include LIEQ_INT8_BODY
}  // namespace dot
LIEQ_END_TARGET
#undef LIEQ_MORE
#undef LIEQ_DOT
#define LIEQ_HAS_DOT
#endif

#if HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
#define LIEQ_DOT 4
#define LIEQ_MORE "arch=armv8.2-a+crypto+dotprod+i8mm"
LIEQ_MORE_TARGET
namespace matrix {
#include LIEQ_INT8_BODY
}  // namespace matrix
LIEQ_END_TARGET
#undef LIEQ_MORE
#undef LIEQ_DOT
#define LIEQ_HAS_MATRIX
#endif

template <unsigned kCodes, bool kPaired = false>
void BestCodes(const Int8Product& product) {
#ifdef LIEQ_HAS_MATRIX
  if (has_matrix_product(HWY_TARGET)) return matrix::MultiplyCodes<kCodes, kPaired>(product);
#endif
#ifdef LIEQ_HAS_DOT
  if (has_dot_product(HWY_TARGET)) return dot::MultiplyCodes<kCodes, kPaired>(product);
#endif
#if HWY_TARGET == HWY_SCALAR
  multiply_int8_reference(product);
#else
  plain::MultiplyCodes<kCodes, kPaired>(product);
#endif
}
#undef LIEQ_HAS_DOT
#undef LIEQ_HAS_MATRIX

void Best(const Int8Product& product) {
  const pack::PackedMatrix& w = *product.weight;
  const bool paired = w.is_paired();
  switch (w.form().kind()) {
    case 2: return paired ? BestCodes<2, true>(product) : BestCodes<2>(product);
    case 3: return paired ? BestCodes<3, true>(product) : BestCodes<3>(product);
    case 4: return BestCodes<4>(product);
    case 5: return BestCodes<5>(product);
    case 6: return BestCodes<6, true>(product);
    case 8: return BestCodes<8>(product);
    default: return BestCodes<pack::PackedForm::kLevelKind>(product);
  }
}

}  // namespace
}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
