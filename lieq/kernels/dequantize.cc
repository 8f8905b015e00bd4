#include "lieq/kernels/dequantize.h"

#include <cstring>

#include "lieq/pack/decode.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/dequantize.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void F16ToFloat(const std::byte* source, std::size_t count, float* target) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  HWY_ALIGN hwy::float16_t staged[HWY_MAX_BYTES / sizeof(float)];
  for (; i + lanes <= count; i += lanes) {
    std::memcpy(staged, source + 2 * i, 2 * lanes);  // the source may be misaligned
    hn::StoreU(hn::PromoteTo(df, hn::Load(dh, staged)), df, target + i);
  }
  for (; i < count; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, source + 2 * i, 2);
    target[i] = f16_to_float(bits);
  }
}

void Bf16ToFloat(const std::byte* source, std::size_t count, float* target) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::Rebind<std::uint16_t, decltype(df)> dh;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  HWY_ALIGN std::uint16_t staged[HWY_MAX_BYTES / sizeof(float)];
  for (; i + lanes <= count; i += lanes) {
    std::memcpy(staged, source + 2 * i, 2 * lanes);
    const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(du, hn::Load(dh, staged)));
    hn::StoreU(hn::BitCast(df, bits), df, target + i);
  }
  for (; i < count; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, source + 2 * i, 2);
    target[i] = bf16_to_float(bits);
  }
}

void RoundToBf16(const float* source, std::size_t count, std::uint16_t* target) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::Rebind<std::uint16_t, decltype(df)> dh;
  const std::size_t lanes = hn::Lanes(df);
  const auto half = hn::Set(du, 0x7FFF), one = hn::Set(du, 1);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto bits = hn::BitCast(du, hn::LoadU(df, source + i));
    const auto odd = hn::And(hn::ShiftRight<16>(bits), one);
    const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, half), odd));
    hn::StoreU(hn::DemoteTo(dh, hn::BitCast(hn::RebindToSigned<decltype(du)>(), rounded)), dh, target + i);
  }
  for (; i < count; ++i) target[i] = float_to_bf16(source[i]);
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(F16ToFloat);
HWY_EXPORT(Bf16ToFloat);
HWY_EXPORT(RoundToBf16);

void dequantize(DType type, const std::byte* source, std::size_t elements, float* target) {
  switch (type) {
    case DType::kF32: std::memcpy(target, source, elements * sizeof(float)); return;
    case DType::kF16: HWY_DYNAMIC_DISPATCH(F16ToFloat)(source, elements, target); return;
    case DType::kBF16: HWY_DYNAMIC_DISPATCH(Bf16ToFloat)(source, elements, target); return;
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: dequantize_k(type, source, elements, target); return;
    default: pack::decode(type, source, elements, target);
  }
}

void round_to_bf16(const float* source, std::size_t count, std::uint16_t* target) {
  HWY_DYNAMIC_DISPATCH(RoundToBf16)(source, count, target);
}

}  // namespace lieq::kernels
#endif
