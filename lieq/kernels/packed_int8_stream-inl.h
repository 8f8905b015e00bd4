// Products of few tokens, for one target and one kind of dot product: codes are unpacked anew for each pass over the
// weights. Included by packed_int8_variants-inl.h.

#include "lieq/kernels/packed_int8_dot-inl.h"

constexpr std::size_t kPrefetch = 2048;  // bytes ahead

/// Packed codes of one block.
template <unsigned kBits>
struct PackedSource {
  static constexpr std::size_t kVectorCount = kVectors;
  static constexpr int kChains = 1;
  const std::uint8_t* unit;

  template <int kStep>
  HWY_INLINE V8 Codes(std::size_t v) const {
    return CodesOf<kBits, kStep>(unit, v);
  }
  HWY_INLINE void Advance() { unit += kBits * kChunk; }
  static HWY_INLINE VAcc Merge(const VAcc* chains) { return chains[0]; }
};

/// Packed 2-bit codes, for one token: every second step leaves its codes where they are, four times too large, which
/// saves shifts; their sum is kept apart. Two more chains hide the latency of instructions that sum four products.
struct PackedSource2 {
  static constexpr std::size_t kVectorCount = kVectors;
  static constexpr int kChains = LIEQ_DOT == 0 ? 2 : 4;
  const std::uint8_t* unit;

  template <int kStep>
  HWY_INLINE V8 Codes(std::size_t v) const {
    const V8 chunk = hn::Load(D8(), unit + static_cast<std::size_t>(kStep / 4) * kChunk + v * kBytes);
    return hn::And(ShiftBytes<kStep % 4 / 2 * 4>(chunk), hn::Set(D8(), kStep % 2 == 0 ? 0x03 : 0x0C));
  }
  HWY_INLINE void Advance() { unit += 2 * kChunk; }
  static HWY_INLINE VAcc Merge(const VAcc* chains) {
    if constexpr (kChains == 4)
      return hn::Add(hn::Add(chains[0], chains[2]), hn::ShiftRight<2>(hn::Add(chains[1], chains[3])));
    return hn::Add(chains[0], hn::ShiftRight<2>(chains[1]));
  }
};

/// The same with other widths: only the chains.
template <unsigned kBits>
struct PackedSource1 : PackedSource<kBits> {
  static constexpr int kChains = LIEQ_DOT == 0 ? 1 : 4;
  static HWY_INLINE VAcc Merge(const VAcc* chains) {
    if constexpr (kChains == 4) return hn::Add(hn::Add(chains[0], chains[2]), hn::Add(chains[1], chains[3]));
    return chains[0];
  }
};
template <>
struct PackedSource1<2> : PackedSource2 {};

/// All inputs of one block for kTokens tokens, straight from the packed codes. y: [kTokens][16].
template <unsigned kBits, std::size_t kTokens>
HWY_NOINLINE void StreamBlock(const pack::PackedMatrix& w, std::size_t block, const Int8Inputs& inputs,
                              std::size_t token, float* HWY_RESTRICT y) {
  using Source = std::conditional_t<kTokens == 1, PackedSource1<kBits>, PackedSource<kBits>>;
  const DF df;
  const std::size_t units = w.units_per_group(), stride = inputs.stride, pieces = inputs.pieces;
  const std::int8_t* x = inputs.codes.data() + token * stride;
  const float* scales = inputs.scales.data() + token * pieces;
  const float* half_sums = inputs.half_sums.data() + token * pieces;
  const std::uint16_t* weight_scales = w.scales(block, 0);
  const std::uint8_t* zeros = w.zeros(block, 0);
  const std::size_t zero_bytes = w.zero_bytes(), groups = w.groups();
  Source source;
  source.unit = w.codes(block, 0);
  VF sum[kTokens][kVectors];
  for (auto& t : sum)
    for (auto& v : t) v = hn::Zero(df);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t left = units; left > 0; ) {
      const std::size_t count = left < kPieceUnits ? left : kPieceUnits;
      for (std::size_t line = 0; line < count * kBits; ++line) hwy::Prefetch(source.unit + kPrefetch + line * kChunk);
      V32 total[kTokens][kVectors];
      DotPiece<kBits, kTokens>(source, count, x, stride, total);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const VF weight_scale = ScalesOf(weight_scales, v);
        const VF zero = DoubleZerosOf<kBits>(zeros, v, kZeroOffset<kBits>);
        for (std::size_t t = 0; t < kTokens; ++t)
          sum[t][v] = AddPiece(sum[t][v], total[t][v], weight_scale, zero, hn::Set(df, scales[t * pieces]),
                               hn::Set(df, half_sums[t * pieces]));
      }
      left -= count;
      x += count * Int8Inputs::kUnit;
      ++scales;
      ++half_sums;
    }
    weight_scales += kBlock;
    zeros += zero_bytes;
  }
  for (std::size_t t = 0; t < kTokens; ++t)
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[t][v], df, y + t * kBlock + v * kRows);
}

template <unsigned kBits, std::size_t kTokens>
HWY_NOINLINE void StreamMultiply(const Int8Product& product) {
  for (std::size_t b = product.first_block; b < product.first_block + product.blocks; ++b) {
    HWY_ALIGN float sums[kTokens * kBlock];
    StreamBlock<kBits, kTokens>(*product.weight, b, *product.x, product.first_token, sums);
    StoreRows(product, sums, kBlock, b * kBlock, HWY_MIN(kBlock, product.weight->rows() - b * kBlock),
              product.first_token, kTokens);
  }
}

template <unsigned kBits>
HWY_NOINLINE void MultiplyBits(const Int8Product& product) {
  switch (product.tokens) {
    case 1: return StreamMultiply<kBits, 1>(product);
    case 2: return StreamMultiply<kBits, 2>(product);
    case 3: return StreamMultiply<kBits, 3>(product);
    default: return StreamMultiply<kBits, 4>(product);
  }
}
