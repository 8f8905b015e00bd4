// Vectors of packed weights. Included once per target and dot product by the kernels, hence without a guard, inside
// their namespace; `hn` is Highway's.

// Sums stay in registers only if the lambdas around them are gone. Clang gives lambdas none of the instructions that it
// gives the functions around them.
#undef LIEQ_LAMBDA
#if HWY_COMPILER_CLANG && defined(LIEQ_MORE)
#define LIEQ_LAMBDA __attribute__((target(HWY_TARGET_STR "," LIEQ_MORE), always_inline))
#else
#define LIEQ_LAMBDA HWY_ATTR __attribute__((always_inline))
#endif

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

constexpr std::size_t kBytes = HWY_MAX_BYTES < 64 ? HWY_MAX_BYTES : 64;     // of one vector
constexpr std::size_t kRows = kBytes / 4;                                   // rows in one vector
constexpr std::size_t kVectors = pack::PackedMatrix::kChunkBytes / kBytes;  // vectors in one chunk
constexpr std::size_t kBlock = pack::PackedMatrix::kBlockRows;
constexpr std::size_t kChunk = pack::PackedMatrix::kChunkBytes;
constexpr int kUnitSteps = pack::PackedMatrix::kUnitInputs / 4;  // a step is four inputs

/// Calls f with integral constants 0 ... kCount - 1.
template <int kCount = kUnitSteps, class F>
HWY_INLINE void ForSteps(const F& f) {
  [&]<int... kSteps>(std::integer_sequence<int, kSteps...>) LIEQ_LAMBDA {
    (f(std::integral_constant<int, kSteps>()), ...);
  }(std::make_integer_sequence<int, kCount>());
}

/// Shifts all bytes of pairs together: the bits that cross a border are masked off by the caller.
template <int kShift>
HWY_INLINE V8 ShiftBytes(V8 v) {
  if constexpr (kShift > 0) return hn::BitCast(D8(), hn::ShiftRight<kShift>(hn::BitCast(DU16(), v)));
  if constexpr (kShift < 0) return hn::BitCast(D8(), hn::ShiftLeft<-kShift>(hn::BitCast(DU16(), v)));
  return v;
}

constexpr unsigned kLevelCodes = pack::PackedForm::kLevelKind;
template <unsigned kCodes>
constexpr unsigned kStoredBits = kCodes == kLevelCodes ? 4 : kCodes;
/// Bits of what CodesOf() gives.
template <unsigned kCodes>
constexpr unsigned kValueBits = kCodes == kLevelCodes ? 8 : kCodes;

/// Step kStep of a plane of kBits-bit fields, shifted left by kTo; other bits are 0.
template <unsigned kBits, int kStep, int kTo>
HWY_INLINE V8 FieldsOf(const std::uint8_t* HWY_RESTRICT plane, std::size_t v) {
  constexpr int kSteps = 8 / static_cast<int>(kBits);  // of one chunk
  const V8 chunk = hn::Load(D8(), plane + static_cast<std::size_t>(kStep / kSteps) * kChunk + v * kBytes);
  if constexpr (kBits == 8) return chunk;
  return hn::And(ShiftBytes<kStep % kSteps * static_cast<int>(kBits) - kTo>(chunk),
                 hn::Set(D8(), ((1U << kBits) - 1) << kTo));
}

/// The codes of the four inputs of step kStep of a unit, for the rows of vector `v` of a block.
template <unsigned kCodes, int kStep>
HWY_INLINE V8 CodesOf(const std::uint8_t* HWY_RESTRICT unit, std::size_t v) {
  constexpr unsigned kBits = kStoredBits<kCodes>;
  constexpr unsigned kLow = kBits == 3 ? 2 : kBits == 5 || kBits == 6 ? 4 : kBits;
  const V8 low = FieldsOf<kLow, kStep, 0>(unit, v);
  if constexpr (kCodes == kLevelCodes) {
    return hn::TableLookupBytes(hn::LoadDup128(D8(), pack::kIq4Codes.data()), low);
  } else if constexpr (kLow == kBits) {
    return low;
  } else {
    return hn::Or(low, FieldsOf<kBits - kLow, kStep, static_cast<int>(kLow)>(unit + kLow * kChunk, v));
  }
}

HWY_INLINE VF ScalesOf(const std::uint16_t* scales, std::size_t v) {
  const hn::Rebind<hwy::float16_t, DF> dh;
  return hn::PromoteTo(DF(), hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(scales) + v * kRows));
}

/// Doubled zero points of vector `v` of a block, of groups that have their own.
HWY_INLINE V32 DoubleZerosOf(const std::uint8_t* zeros, unsigned bits, std::size_t v) {
  const D32 d32;
  if (bits == 8) {
    const hn::Rebind<std::uint16_t, D32> dz;
    return hn::PromoteTo(d32, hn::LoadU(dz, reinterpret_cast<const std::uint16_t*>(zeros) + v * kRows));
  }
  const hn::Rebind<std::uint8_t, D32> dz;
  if (bits == 4) return hn::PromoteTo(d32, hn::LoadU(dz, zeros + v * kRows));
  if constexpr (kRows == 16) {
    const hn::Half<D32> half;
    const auto both = hn::PromoteTo(half, hn::LoadU(hn::Rebind<std::uint8_t, decltype(half)>(), zeros));
    return hn::Combine(d32, hn::ShiftRight<4>(both), hn::And(both, hn::Set(half, 15)));
  } else {
    const V32 both = hn::PromoteTo(d32, hn::LoadU(dz, zeros + v * kRows % 8));
    return v * kRows < 8 ? hn::And(both, hn::Set(d32, 15)) : hn::ShiftRight<4>(both);
  }
}

/// What `count` groups from `first` on scale by and count from, as floats, in units of half sums of inputs: a doubled
/// zero point less `offset`, or a doubled minimum plus scale * offset. scales, origins: [count][stride], 16 of each used.
template <bool kMinima>
HWY_INLINE void ReadGroupsOf(const pack::PackedMatrix& w, std::size_t block, std::size_t first, std::size_t count,
                             int offset, std::size_t stride, float* HWY_RESTRICT scales, float* HWY_RESTRICT origins) {
  const DF df;
  const D32 d32;
  const hn::Rebind<std::uint8_t, D32> du8;
  const hn::Rebind<std::int8_t, D32> di8;
  const pack::PackedForm& form = w.form();
  const std::size_t per_half = form.two_levels() ? pack::PackedMatrix::kSuperInputs / form.group_size : 1;
  const auto shared = w.shared_double_zero();
  for (std::size_t v = 0; v < kVectors; ++v) {
    VF half = hn::Zero(df), half_minimum = hn::Zero(df);
    for (std::size_t g = 0; g < count; ++g) {
      const std::size_t group = first + g;
      if (g == 0 || group % per_half == 0) {
        half = ScalesOf(w.scales(block, group / per_half), v);
        if constexpr (kMinima) {
          half_minimum = ScalesOf(w.minima(block, group / per_half), v);
          half_minimum = hn::Add(half_minimum, half_minimum);
        }
      }
      VF scale = half, origin = half_minimum;
      if (form.scales == pack::Scales::kNibbles) {
        const V32 both = hn::PromoteTo(d32, hn::LoadU(du8, w.small(block, group) + v * kRows));
        scale = hn::Mul(half, hn::ConvertTo(df, hn::And(both, hn::Set(d32, 15))));
        origin = hn::Neg(hn::Mul(half_minimum, hn::ConvertTo(df, hn::ShiftRight<4>(both))));
      } else if (form.scales == pack::Scales::kBytes) {
        const std::uint8_t* small = w.small(block, group) + v * kRows;
        const auto bytes = hn::LoadU(di8, reinterpret_cast<const std::int8_t*>(small));
        scale = hn::Mul(half, hn::ConvertTo(df, hn::PromoteTo(d32, bytes)));
        if constexpr (kMinima) {
          const V32 minimum = hn::PromoteTo(d32, hn::LoadU(du8, small + kBlock));
          origin = hn::Neg(hn::Mul(half_minimum, hn::ConvertTo(df, minimum)));
        }
      }
      if constexpr (kMinima) {
        if (offset != 0) origin = hn::MulAdd(scale, hn::Set(df, static_cast<float>(offset)), origin);
      } else {
        const V32 zeros = shared ? hn::Set(d32, *shared) : DoubleZerosOf(w.zeros(block, group), form.bits, v);
        origin = hn::ConvertTo(df, hn::Sub(zeros, hn::Set(d32, offset)));
      }
      hn::Store(scale, df, scales + g * stride + v * kRows);
      hn::Store(origin, df, origins + g * stride + v * kRows);
    }
  }
}

HWY_NOINLINE void ReadGroups(const pack::PackedMatrix& w, std::size_t block, std::size_t first, std::size_t count,
                             int offset, std::size_t stride, float* HWY_RESTRICT scales, float* HWY_RESTRICT origins) {
  if (w.has_minima()) {
    ReadGroupsOf<true>(w, block, first, count, offset, stride, scales, origins);
  } else {
    ReadGroupsOf<false>(w, block, first, count, offset, stride, scales, origins);
  }
}
