// Products of few tokens, for one target and one kind of dot product: codes are unpacked anew for each pass over the
// weights. Included by packed_int8_variants-inl.h.

#include "lieq/kernels/packed_int8_dot-inl.h"

constexpr std::size_t kPrefetch = 2048;  // bytes ahead

/// Packed codes of one block.
template <unsigned kCodes>
struct PackedSource {
  static constexpr std::size_t kVectorCount = kVectors;
  static constexpr int kChains = 1;
  const std::uint8_t* unit;

  template <int kStep>
  HWY_INLINE V8 Codes(std::size_t v) const {
    return CodesOf<kCodes, kStep>(unit, v);
  }
  HWY_INLINE void Advance() { unit += kStoredBits<kCodes> * kChunk; }
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
template <unsigned kCodes>
struct PackedSource1 : PackedSource<kCodes> {
  static constexpr int kChains = LIEQ_DOT == 0 ? 1 : 4;
  static HWY_INLINE VAcc Merge(const VAcc* chains) {
    if constexpr (kChains == 4) return hn::Add(hn::Add(chains[0], chains[2]), hn::Add(chains[1], chains[3]));
    return chains[0];
  }
};
template <>
struct PackedSource1<2> : PackedSource2 {};

constexpr std::size_t kRunGroups = 16;  // whose scales are read at once

/// All inputs of one block for kTokens tokens, straight from the packed codes. y: [kTokens][16].
template <unsigned kCodes, bool kPaired, std::size_t kTokens>
HWY_NOINLINE void StreamBlock(const pack::PackedMatrix& w, std::size_t block, const Int8Inputs& inputs,
                              std::size_t token, float* HWY_RESTRICT y) {
  using Source = std::conditional_t<kTokens == 1, PackedSource1<kCodes>, PackedSource<kCodes>>;
  const DF df;
  const std::size_t units = w.units_per_group(), stride = inputs.stride, pieces = inputs.pieces, groups = w.groups();
  const bool has_minima = w.has_minima();
  const std::int8_t* x = inputs.codes.data() + token * stride;
  const float* scales = inputs.scales.data() + token * pieces;
  const float* half_sums = inputs.half_sums.data() + token * pieces;
  Source source;
  source.unit = w.codes(block, 0);
  VF sum[kTokens][kVectors];
  for (auto& t : sum)
    for (auto& v : t) v = hn::Zero(df);
  HWY_ALIGN float group_scales[kRunGroups * kBlock], origins[kRunGroups * kBlock];

  const auto add_piece = [&](auto part, std::size_t count, std::size_t group) LIEQ_LAMBDA {
    constexpr Part kPart = decltype(part)::value;
    V32 total[kTokens][kVectors];
    DotPiece<kCodes, kTokens, kPart>(source, count, x, stride, total);
    const auto add = [&](auto minima) LIEQ_LAMBDA {
      for (std::size_t v = 0; v < kVectors; ++v) {
        const VF weight_scale = hn::Load(df, group_scales + group * kBlock + v * kRows);
        const VF origin = hn::Load(df, origins + group * kBlock + v * kRows);
        for (std::size_t t = 0; t < kTokens; ++t)
          sum[t][v] =
              AddPiece<decltype(minima)::value>(sum[t][v], total[t][v], weight_scale, origin,
                                                hn::Set(df, scales[t * pieces]), hn::Set(df, half_sums[t * pieces]));
      }
    };
    if (has_minima) {
      add(std::true_type());
    } else {
      add(std::false_type());
    }
    x += kPart == kWhole ? count * Int8Inputs::kUnit : Int8Inputs::kUnit / 2;
    ++scales;
    ++half_sums;
  };
  const auto prefetch = [&](std::size_t count) LIEQ_LAMBDA {
    for (std::size_t line = 0; line < count * kStoredBits<kCodes>; ++line)
      hwy::Prefetch(source.unit + kPrefetch + line * kChunk);
  };

  for (std::size_t first = 0; first < groups; first += kRunGroups) {
    const std::size_t run = HWY_MIN(kRunGroups, groups - first);
    ReadGroups(w, block, first, run, kZeroOffset<kCodes>, kBlock, group_scales, origins);
    for (std::size_t g = 0; g < run; ++g) {
      if constexpr (kPaired) {
        prefetch(1);
        add_piece(std::integral_constant<Part, kFirstHalf>(), 1, g);
        add_piece(std::integral_constant<Part, kSecondHalf>(), 1, ++g);
      } else {
        for (std::size_t left = units; left > 0;) {
          const std::size_t count = HWY_MIN(left, kPieceUnits);
          prefetch(count);
          add_piece(std::integral_constant<Part, kWhole>(), count, g);
          left -= count;
        }
      }
    }
  }
  for (std::size_t t = 0; t < kTokens; ++t)
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[t][v], df, y + t * kBlock + v * kRows);
}

template <unsigned kCodes, bool kPaired, std::size_t kTokens>
HWY_NOINLINE void StreamMultiply(const Int8Product& product) {
  for (std::size_t b = product.first_block; b < product.first_block + product.blocks; ++b) {
    HWY_ALIGN float sums[kTokens * kBlock];
    StreamBlock<kCodes, kPaired, kTokens>(*product.weight, b, *product.x, product.first_token, sums);
    StoreRows(product, sums, kBlock, b * kBlock, HWY_MIN(kBlock, product.weight->rows() - b * kBlock),
              product.first_token, kTokens);
  }
}

template <unsigned kCodes, bool kPaired>
HWY_NOINLINE void MultiplyCodes(const Int8Product& product) {
  switch (product.tokens) {
    case 1: return StreamMultiply<kCodes, kPaired, 1>(product);
    case 2: return StreamMultiply<kCodes, kPaired, 2>(product);
    case 3: return StreamMultiply<kCodes, kPaired, 3>(product);
    default: return StreamMultiply<kCodes, kPaired, 4>(product);
  }
}
