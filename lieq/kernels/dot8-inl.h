// acc += Σ of four code · input products per 32-bit lane, the one step that instruction sets differ in. Included like
// packed_vectors-inl.h. LIEQ_DOT says which instructions there are beyond the target's own:
//   0  none: products of bytes are summed in pairs to 16 bits, and from time to time to 32
//   1  AVX-512 VNNI    2  AVX-VNNI    3  Arm dot product    4  Arm matrix product (matrix8-inl.h)

#if LIEQ_DOT != 0

using VAcc = V32;
constexpr bool kSignedCodes8 = LIEQ_DOT >= 3;  // 8-bit codes less 128

HWY_INLINE VAcc Dot(VAcc acc, V8 codes, VI8 x) {
#if LIEQ_DOT == 1
  return VAcc{_mm512_dpbusd_epi32(acc.raw, codes.raw, x.raw)};
#elif LIEQ_DOT == 2
  return VAcc{_mm256_dpbusd_avx_epi32(acc.raw, codes.raw, x.raw)};
#else
  return VAcc(vdotq_s32(acc.raw, vreinterpretq_s8_u8(codes.raw), x.raw));
#endif
}
template <unsigned kBits>
HWY_INLINE VAcc DotOf(VAcc acc, V8 codes, VI8 x) {
  if constexpr (kBits == 8 && kSignedCodes8) codes = hn::Xor(codes, hn::Set(D8(), 0x80));
  return Dot(acc, codes, x);
}
HWY_INLINE V32 Widen(VAcc acc) { return acc; }
HWY_INLINE VAcc ZeroAcc() { return hn::Zero(D32()); }

/// Steps whose sum fits an accumulator.
template <unsigned kBits>
constexpr int kStepsThatFit = 1 << 20;

#else

using VAcc = V16;
constexpr bool kSignedCodes8 = true;

/// Sums of two neighbouring products. Codes below 128.
HWY_INLINE V16 PairsOf(V8 codes, VI8 x) {
#if HWY_TARGET == HWY_AVX3
  return V16{_mm512_maddubs_epi16(codes.raw, x.raw)};
#elif HWY_TARGET == HWY_AVX2
  return V16{_mm256_maddubs_epi16(codes.raw, x.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return V16{_mm_maddubs_epi16(codes.raw, x.raw)};
#else
  const D16 d;
  const V16 c = hn::BitCast(d, codes), a = hn::BitCast(d, x);
  const V16 even = hn::Mul(hn::And(c, hn::Set(d, 0xFF)), hn::ShiftRight<8>(hn::ShiftLeft<8>(a)));
  return hn::Add(even, hn::Mul(hn::ShiftRight<8>(c), hn::ShiftRight<8>(a)));
#endif
}

/// Steps whose sum fits 16 bits: one adds at most 2 · 127 · (2^bits - 1), of 8-bit codes less 128 at most 2 · 127 ·
/// 128.
template <unsigned kBits>
constexpr int kStepsThatFit = kBits == 8 ? 1 : 32767 / (2 * 127 * ((1 << kBits) - 1));

template <unsigned kBits>
HWY_INLINE V16 DotOf(V16 acc, V8 codes, VI8 x) {
  if constexpr (kBits != 8) return hn::Add(acc, PairsOf(codes, x));
  // |c| times x with the sign of c. x is never -128, so its negative fits.
  const DI8 di8;
  const VI8 c = hn::BitCast(di8, hn::Xor(codes, hn::Set(D8(), 0x80)));
#if HWY_TARGET == HWY_AVX2
  const VI8 signed_x{_mm256_sign_epi8(x.raw, c.raw)};
#else
  const VI8 signed_x = hn::IfThenElse(hn::Lt(c, hn::Zero(di8)), hn::Neg(x), x);
#endif
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  // The instruction takes |-128| as unsigned.
  return hn::Add(acc, PairsOf(hn::BitCast(D8(), hn::Abs(c)), signed_x));
#else
  (void)signed_x;
  const D16 d;
  const V16 w = hn::BitCast(d, c), a = hn::BitCast(d, x);
  const V16 even = hn::Mul(hn::ShiftRight<8>(hn::ShiftLeft<8>(w)), hn::ShiftRight<8>(hn::ShiftLeft<8>(a)));
  return hn::Add(acc, hn::Add(even, hn::Mul(hn::ShiftRight<8>(w), hn::ShiftRight<8>(a))));
#endif
}

HWY_INLINE V32 Widen(V16 acc) {
#if HWY_TARGET == HWY_AVX3
  return V32{_mm512_madd_epi16(acc.raw, _mm512_set1_epi16(1))};
#elif HWY_TARGET == HWY_AVX2
  return V32{_mm256_madd_epi16(acc.raw, _mm256_set1_epi16(1))};
#else
  const V32 both = hn::BitCast(D32(), acc);
  return hn::Add(hn::ShiftRight<16>(both), hn::ShiftRight<16>(hn::ShiftLeft<16>(both)));
#endif
}
HWY_INLINE VAcc ZeroAcc() { return hn::Zero(D16()); }

#endif
