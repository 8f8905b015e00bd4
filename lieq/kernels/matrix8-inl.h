// Unpacked codes of a tile and their sums by an instruction that multiplies 2 x 8 by 8 x 2 bytes: two tokens by two
// rows. Included by packed_int8_tile-inl.h.

constexpr std::size_t kHalfUnit = Int8Inputs::kUnit / 2;  // inputs in one vector of a token
constexpr std::size_t kRowPairs = kBlock / 2;

/// Codes of one unit of a block, as signed bytes: [4 times eight inputs][8 row pairs][2 rows][8 inputs].
template <unsigned kCodes>
HWY_INLINE void UnpackUnit(const std::uint8_t* HWY_RESTRICT unit, std::uint8_t* HWY_RESTRICT to) {
  const D8 d8;
  const D32 d32;
  const V8 offset = hn::Set(d8, kValueBits<kCodes> == 8 ? 0x80 : 0);
  for (std::size_t v = 0; v < kVectors; ++v) {
    ForSteps([&](auto step) LIEQ_LAMBDA {
      constexpr int kStep = decltype(step)::value;
      if constexpr (kStep % 2 == 0) {
        const V32 first = hn::BitCast(d32, hn::Xor(CodesOf<kCodes, kStep>(unit, v), offset));
        const V32 second = hn::BitCast(d32, hn::Xor(CodesOf<kCodes, kStep + 1>(unit, v), offset));
        std::uint8_t* pairs = to + static_cast<std::size_t>(kStep) * kChunk + 2 * v * kBytes;
        hn::Store(hn::BitCast(d8, hn::InterleaveLower(d32, first, second)), d8, pairs);
        hn::Store(hn::BitCast(d8, hn::InterleaveUpper(d32, first, second)), d8, pairs + kBytes);
      }
    });
  }
}

/// total[t][v] = Σ code · input over one piece, of unpacked codes. An odd last token makes a pair with itself.
/// Halves of a unit follow each other like units.
template <unsigned, std::size_t kTokens, Part kPart, std::size_t kBlocks>
HWY_INLINE void TilePiece(TileSource<kBlocks>& source, std::size_t units, const std::int8_t* HWY_RESTRICT x,
                          std::size_t stride, V32 (&total)[kTokens][kVectors]) {
  constexpr std::size_t kPairs = (kTokens + 1) / 2;
  const DI8 di8;
  const hn::Repartition<std::int64_t, DI8> d64;
  V32 acc[kPairs][kRowPairs];  // lanes: [2 tokens][2 rows]
  for (auto& pair : acc)
    for (auto& sum : pair) sum = hn::Zero(D32());
  const std::uint8_t* end = source.unit + (kPart == kWhole ? units * kUnitBytes : kUnitBytes / 2);
  do {
    hn::Vec<decltype(d64)> inputs[2][kPairs];  // [eight inputs][2 tokens]
    for (std::size_t p = 0; p < kPairs; ++p) {
      const auto token = [&](std::size_t t) LIEQ_LAMBDA {
        return hn::BitCast(d64, hn::LoadU(di8, x + HWY_MIN(t, kTokens - 1) * stride));
      };
      const auto even = token(2 * p), odd = token(2 * p + 1);
      inputs[0][p] = hn::InterleaveLower(d64, even, odd);
      inputs[1][p] = hn::InterleaveUpper(d64, even, odd);
    }
    for (const auto& eight : inputs) {
      for (std::size_t r = 0; r < kRowPairs; ++r) {
        const VI8 codes = hn::BitCast(di8, hn::Load(D8(), source.unit + r * kBytes));
        for (std::size_t p = 0; p < kPairs; ++p)
          acc[p][r] = V32(vmmlaq_s32(acc[p][r].raw, hn::BitCast(di8, eight[p]).raw, codes.raw));
      }
      source.unit += kRowPairs * kBytes;
    }
    x += kHalfUnit;
  } while (source.unit < end);
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V32 low = acc[t / 2][2 * v], high = acc[t / 2][2 * v + 1];
      total[t][v] = t % 2 == 0 ? hn::ConcatLowerLower(D32(), high, low) : hn::ConcatUpperUpper(D32(), high, low);
    }
  }
}
