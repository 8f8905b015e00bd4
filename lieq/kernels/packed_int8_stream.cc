#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "lieq/kernels/isa.h"
#include "lieq/kernels/packed_int8.h"
#include "lieq/pack/iq_grids.h"

// Vectors here are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/packed_int8_stream.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
#include <hwy/cache_control.h>

#undef LIEQ_INT8_BODY
#define LIEQ_INT8_BODY "lieq/kernels/packed_int8_stream-inl.h"
#include "lieq/kernels/packed_int8_variants-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {

void StreamInt8(const Int8Product& product) { Best(product); }

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(StreamInt8);

void multiply_int8_stream(const Int8Product& product) { HWY_DYNAMIC_DISPATCH(StreamInt8)(product); }

}  // namespace lieq::kernels
#endif
