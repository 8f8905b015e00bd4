// The decoders of pack/decode_k.cc, where the layouts are described, sixteen weights at a time.

#include <cstring>

#include "lieq/base/check.h"
#include "lieq/kernels/dequantize.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/dequantize_k.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<DF>;
using DU8 = hn::Rebind<std::uint8_t, DF>;
using VI = hn::Vec<DI>;

HWY_INLINE int At(const std::byte* p) { return std::to_integer<int>(*p); }
HWY_INLINE float HalfAt(const std::byte* p) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof bits);
  return f16_to_float(bits);
}

/// Bits `shift` and up of bytes, those in `mask`.
HWY_INLINE VI Bits(const std::byte* bytes, int shift, int mask) {
  const DI di;
  const VI values = hn::PromoteTo(di, hn::LoadU(DU8(), reinterpret_cast<const std::uint8_t*>(bytes)));
  return hn::And(hn::ShiftRightSame(values, shift), hn::Set(di, mask));
}

/// w[l] = scale * code(l) - minimum, l = 0 ... 15; code gives the codes of a vector's lanes from l on.
template <class Code>
HWY_INLINE void SubBlock(float scale, float minimum, const Code& code, float* HWY_RESTRICT w) {
  const DF df;
  for (std::size_t l = 0; l < 16; l += hn::Lanes(df))
    hn::StoreU(hn::Sub(hn::Mul(hn::Set(df, scale), hn::ConvertTo(df, code(l))), hn::Set(df, minimum)), df, w + l);
}
/// The same where there is no minimum: -0 stays what it is.
template <class Code>
HWY_INLINE void SubBlock(float scale, const Code& code, float* HWY_RESTRICT w) {
  const DF df;
  for (std::size_t l = 0; l < 16; l += hn::Lanes(df))
    hn::StoreU(hn::Mul(hn::Set(df, scale), hn::ConvertTo(df, code(l))), df, w + l);
}

HWY_INLINE void DecodeQ2(const std::byte* block, float* w) {
  const float d = HalfAt(block + 80), dmin = HalfAt(block + 82);
  for (int sub = 0; sub < 16; ++sub, w += 16) {
    const std::byte* q = block + 16 + 32 * (sub / 8) + 16 * (sub % 2);
    const int shift = 2 * (sub / 2 % 4), scales = At(block + sub);
    SubBlock(d * static_cast<float>(scales & 15), dmin * static_cast<float>(scales >> 4),
             [&](std::size_t l) HWY_ATTR { return Bits(q + l, shift, 3); }, w);
  }
}

HWY_INLINE void DecodeQ3(const std::byte* block, float* w) {
  const std::byte* scales = block + 96;
  const float d = HalfAt(block + 108);
  for (int sub = 0; sub < 16; ++sub, w += 16) {
    const int n = sub / 8, j = sub / 2 % 4, h = sub % 2;
    const int low = (At(scales + sub % 8) >> (4 * (sub / 8))) & 15;
    const int high = (At(scales + 8 + sub % 4) >> (2 * (sub / 4))) & 3;
    const std::byte *q = block + 32 + 32 * n + 16 * h, *mask = block + 16 * h;
    SubBlock(d * static_cast<float>((low | (high << 4)) - 32), [&](std::size_t l) HWY_ATTR {
      const VI code = hn::Or(Bits(q + l, 2 * j, 3), hn::ShiftLeft<2>(Bits(mask + l, 4 * n + j, 1)));
      return hn::Sub(code, hn::Set(DI(), 4));
    }, w);
  }
}

/// Scale and minimum of sub-block j of Q4_K and Q5_K, of 12 bytes s.
struct ScaleAndMinimum {
  float scale, minimum;

  ScaleAndMinimum(const std::byte* s, float d, float dmin, int j) {
    const int i = j % 4, low = At(s + i), high = At(s + i + 4), last = At(s + i + 8);
    const int six = j < 4 ? low & 63 : (last & 15) | ((low >> 6) << 4);
    const int other = j < 4 ? high & 63 : (last >> 4) | ((high >> 6) << 4);
    scale = d * static_cast<float>(six);
    minimum = dmin * static_cast<float>(other);
  }
};

HWY_INLINE void DecodeQ4(const std::byte* block, float* w) {
  const float d = HalfAt(block), dmin = HalfAt(block + 2);
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMinimum sub(block + 4, d, dmin, j);
    for (int h = 0; h < 2; ++h, w += 16) {
      const std::byte* q = block + 16 + 32 * (j / 2) + 16 * h;
      SubBlock(sub.scale, sub.minimum, [&](std::size_t l) HWY_ATTR { return Bits(q + l, 4 * (j % 2), 15); }, w);
    }
  }
}

HWY_INLINE void DecodeQ5(const std::byte* block, float* w) {
  const float d = HalfAt(block), dmin = HalfAt(block + 2);
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMinimum sub(block + 4, d, dmin, j);
    for (int h = 0; h < 2; ++h, w += 16) {
      const std::byte *q = block + 48 + 32 * (j / 2) + 16 * h, *high = block + 16 + 16 * h;
      SubBlock(sub.scale, sub.minimum, [&](std::size_t l) HWY_ATTR {
        return hn::Or(Bits(q + l, 4 * (j % 2), 15), hn::ShiftLeft<4>(Bits(high + l, j, 1)));
      }, w);
    }
  }
}

HWY_INLINE void DecodeQ6(const std::byte* block, float* w) {
  const float d = HalfAt(block + 208);
  for (int sub = 0; sub < 16; ++sub, w += 16) {
    const int n = sub / 8, k = sub / 2 % 4, h = sub % 2;
    const std::byte *q = block + 64 * n + 32 * (k % 2) + 16 * h, *high = block + 128 + 32 * n + 16 * h;
    SubBlock(d * static_cast<float>(static_cast<std::int8_t>(block[192 + sub])), [&](std::size_t l) HWY_ATTR {
      const VI code = hn::Or(Bits(q + l, 4 * (k / 2), 15), hn::ShiftLeft<4>(Bits(high + l, 2 * k, 3)));
      return hn::Sub(code, hn::Set(DI(), 32));
    }, w);
  }
}

template <void (*kDecode)(const std::byte*, float*)>
HWY_INLINE void Blocks(DType type, const std::byte* source, std::size_t elements, float* w) {
  for (std::size_t i = 0; i < elements; i += 256, source += block_bytes(type)) kDecode(source, w + i);
}

void DequantizeK(DType type, const std::byte* source, std::size_t elements, float* w) {
  switch (type) {
    case DType::kQ2_K: return Blocks<DecodeQ2>(type, source, elements, w);
    case DType::kQ3_K: return Blocks<DecodeQ3>(type, source, elements, w);
    case DType::kQ4_K: return Blocks<DecodeQ4>(type, source, elements, w);
    case DType::kQ5_K: return Blocks<DecodeQ5>(type, source, elements, w);
    case DType::kQ6_K: return Blocks<DecodeQ6>(type, source, elements, w);
    default: LIEQ_CHECK(false);
  }
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(DequantizeK);

void dequantize_k(DType type, const std::byte* source, std::size_t elements, float* target) {
  HWY_DYNAMIC_DISPATCH(DequantizeK)(type, source, elements, target);
}

}  // namespace lieq::kernels
#endif
