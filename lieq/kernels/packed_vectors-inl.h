// Vectors of packed weights. Included once per target and dot product by the kernels, hence without a guard, inside
// their namespace; `hn` is Highway's.

// Sums stay in registers only if the lambdas around them are gone.
#undef LIEQ_INLINE_LAMBDA
#define LIEQ_INLINE_LAMBDA __attribute__((always_inline))

using D8 = hn::CappedTag<std::uint8_t, pack::PackedMatrix::kChunkBytes>;
using DI8 = hn::RebindToSigned<D8>;
using D16 = hn::Repartition<std::int16_t, D8>;
using DU16 = hn::Repartition<std::uint16_t, D8>;
using D32 = hn::Repartition<std::int32_t, D8>;
using DF = hn::Repartition<float, D8>;
using V8 = hn::Vec<D8>;
using VI8 = hn::Vec<DI8>;
using V16 = hn::Vec<D16>;
using V32 = hn::Vec<D32>;
using VF = hn::Vec<DF>;

constexpr std::size_t kBytes = HWY_MAX_BYTES < 64 ? HWY_MAX_BYTES : 64;          // of one vector
constexpr std::size_t kRows = kBytes / 4;                                        // rows in one vector
constexpr std::size_t kVectors = pack::PackedMatrix::kChunkBytes / kBytes;       // vectors in one chunk
constexpr std::size_t kBlock = pack::PackedMatrix::kBlockRows;
constexpr std::size_t kChunk = pack::PackedMatrix::kChunkBytes;
constexpr int kUnitSteps = pack::PackedMatrix::kUnitInputs / 4;                  // a step is four inputs

/// Calls f with integral constants 0 ... 7.
template <class F>
HWY_INLINE void ForSteps(const F& f) {
  [&]<int... kSteps>(std::integer_sequence<int, kSteps...>) HWY_ATTR LIEQ_INLINE_LAMBDA {
    (f(std::integral_constant<int, kSteps>()), ...);
  }(std::make_integer_sequence<int, kUnitSteps>());
}

/// Shifts all bytes of pairs together: the bits that cross a border are masked off by the caller.
template <int kShift>
HWY_INLINE V8 ShiftBytes(V8 v) {
  if constexpr (kShift > 0) return hn::BitCast(D8(), hn::ShiftRight<kShift>(hn::BitCast(DU16(), v)));
  if constexpr (kShift < 0) return hn::BitCast(D8(), hn::ShiftLeft<-kShift>(hn::BitCast(DU16(), v)));
  return v;
}

/// The codes of the four inputs of step kStep of a unit, for the rows of vector `v` of a block.
template <unsigned kBits, int kStep>
HWY_INLINE V8 CodesOf(const std::uint8_t* HWY_RESTRICT unit, std::size_t v) {
  constexpr int kPlane = kBits == 3 ? 2 : kBits;
  constexpr int kSteps = 8 / kPlane;  // of one chunk
  const V8 chunk = hn::Load(D8(), unit + static_cast<std::size_t>(kStep / kSteps) * kChunk + v * kBytes);
  if constexpr (kBits == 8) return chunk;
  const V8 low = hn::And(ShiftBytes<kStep % kSteps * kPlane>(chunk), hn::Set(D8(), (1U << kPlane) - 1));
  if constexpr (kBits != 3) return low;
  const V8 high = hn::Load(D8(), unit + 2 * kChunk + v * kBytes);
  return hn::Or(low, hn::And(ShiftBytes<kStep - 2>(high), hn::Set(D8(), 4)));
}

HWY_INLINE VF ScalesOf(const std::uint16_t* scales, std::size_t v) {
  const hn::Rebind<hwy::float16_t, DF> dh;
  return hn::PromoteTo(DF(), hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(scales) + v * kRows));
}

/// Doubled zero points of vector `v` of a block, less `offset`.
template <unsigned kBits>
HWY_INLINE VF DoubleZerosOf(const std::uint8_t* zeros, std::size_t v, int offset) {
  const D32 d32;
  V32 value;
  if constexpr (kBits == 8) {
    const hn::Rebind<std::uint16_t, D32> dz;
    value = hn::PromoteTo(d32, hn::LoadU(dz, reinterpret_cast<const std::uint16_t*>(zeros) + v * kRows));
  } else if constexpr (kBits == 4) {
    const hn::Rebind<std::uint8_t, D32> dz;
    value = hn::PromoteTo(d32, hn::LoadU(dz, zeros + v * kRows));
  } else if constexpr (kRows == 16) {
    const hn::Half<D32> half;
    const auto both = hn::PromoteTo(half, hn::LoadU(hn::Rebind<std::uint8_t, decltype(half)>(), zeros));
    value = hn::Combine(d32, hn::ShiftRight<4>(both), hn::And(both, hn::Set(half, 15)));
  } else {
    const hn::Rebind<std::uint8_t, D32> dz;
    const V32 both = hn::PromoteTo(d32, hn::LoadU(dz, zeros + v * kRows % 8));
    value = v * kRows < 8 ? hn::And(both, hn::Set(d32, 15)) : hn::ShiftRight<4>(both);
  }
  return hn::ConvertTo(DF(), hn::Sub(value, hn::Set(d32, offset)));
}
