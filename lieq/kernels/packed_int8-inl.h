// The 8-bit products for one target and one kind of dot product; included by packed_int8.cc, without a guard, inside
// the namespace of both.

#include "lieq/kernels/packed_vectors-inl.h"
#include "lieq/kernels/dot8-inl.h"

constexpr std::size_t kPieceUnits = Int8Inputs::kPiece / Int8Inputs::kUnit;
constexpr std::size_t kUnitBytes = kUnitSteps * kChunk;  // of one unpacked unit of a block
constexpr std::size_t kItemBlocks = kInt8ItemBlocks, kItemRows = kItemBlocks * kBlock;
constexpr std::size_t kTileUnits = 8;  // unpacked at once: blocks x units x 512 bytes fit the L1 cache
constexpr std::size_t kPrefetch = 2048;                  // bytes ahead
// Tokens and row blocks whose sums stay in registers.
constexpr std::size_t kTileTokens = LIEQ_DOT == 4 ? 4 : kVectors > 2 ? 3 : 6, kTileBlocks = kVectors > 1 ? 1 : 2;
/// What is taken off doubled zero points where codes are taken as signed.
template <unsigned kBits>
constexpr int kZeroOffset = kBits == 8 && kSignedCodes8 ? 256 : 0;

/// Four inputs in each lane.
HWY_INLINE VI8 Broadcast4(const std::int8_t* x) {
  std::int32_t four = 0;
  std::memcpy(&four, x, 4);
  return hn::BitCast(DI8(), hn::Set(D32(), four));
}

/// Where a product finds codes: packed, one block.
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

/// Unpacked codes of kBlocks blocks.
template <std::size_t kBlocks>
struct TileSource {
  static constexpr std::size_t kVectorCount = kBlocks * kVectors;
  static constexpr int kChains = 1;
  const std::uint8_t* unit;
  std::size_t block_stride;

  template <int kStep>
  HWY_INLINE V8 Codes(std::size_t v) const {
    return hn::Load(
        D8(), unit + v / kVectors * block_stride + static_cast<std::size_t>(kStep) * kChunk + v % kVectors * kBytes);
  }
  HWY_INLINE void Advance() { unit += kUnitBytes; }
  static HWY_INLINE VAcc Merge(const VAcc* chains) { return chains[0]; }
};

/// total[t][v] = Σ code · input over one piece.
template <unsigned kBits, std::size_t kTokens, class Source>
HWY_INLINE void DotPiece(Source& source, std::size_t units, const std::int8_t* HWY_RESTRICT x, std::size_t stride,
                         V32 (&total)[kTokens][Source::kVectorCount]) {
  constexpr std::size_t kV = Source::kVectorCount;
  constexpr int kFit = kStepsThatFit<kBits>;
  constexpr bool kByStep = kFit < kUnitSteps, kByUnit = kFit < 2 * kUnitSteps;
  VAcc acc[kTokens][kV][Source::kChains];
  const std::int8_t* row[kTokens];
  for (std::size_t t = 0; t < kTokens; ++t) {
    row[t] = x + t * stride;
    // GCC would rather keep an offset from x for every token and step than a pointer for every token, and spill them.
    if constexpr (kTokens > 1) __asm__("" : "+r"(row[t]));
  }
  const auto clear = [&]() HWY_ATTR LIEQ_INLINE_LAMBDA {
    for (auto& token : acc)
      for (auto& vector : token)
        for (auto& chain : vector) chain = ZeroAcc();
  };
  const auto add_unit = [&]() HWY_ATTR LIEQ_INLINE_LAMBDA {
    ForSteps([&](auto step) HWY_ATTR LIEQ_INLINE_LAMBDA {
      constexpr int kStep = decltype(step)::value;
      V8 codes[kV];
      for (std::size_t v = 0; v < kV; ++v) codes[v] = source.template Codes<kStep>(v);
      for (std::size_t t = 0; t < kTokens; ++t) {
        const VI8 four = Broadcast4(row[t] + 4 * kStep);
        for (std::size_t v = 0; v < kV; ++v) {
          VAcc& sum = acc[t][v][kStep % Source::kChains];
          if constexpr (kByStep) {
            total[t][v] = hn::Add(total[t][v], Widen(DotOf<kBits>(ZeroAcc(), codes[v], four)));
          } else {
            sum = DotOf<kBits>(sum, codes[v], four);
          }
        }
      }
    });
    source.Advance();
    for (auto& inputs : row) inputs += Int8Inputs::kUnit;
  };
  const auto widen = [&](auto first) HWY_ATTR LIEQ_INLINE_LAMBDA {
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t v = 0; v < kV; ++v) {
        const V32 sum = Widen(Source::Merge(acc[t][v]));
        total[t][v] = decltype(first)::value ? sum : hn::Add(total[t][v], sum);
      }
    }
  };
  if constexpr (kByStep) {
    for (auto& token : total)
      for (auto& vector : token) vector = hn::Zero(D32());
    for (std::size_t u = 0; u < units; ++u) add_unit();
  } else {
    clear();
    add_unit();
    if constexpr (kByUnit) widen(std::true_type());
    if (units == kPieceUnits) {
      if constexpr (kByUnit) clear();
      add_unit();
      if constexpr (kByUnit) widen(std::false_type());
    }
    if constexpr (!kByUnit) widen(std::true_type());
  }
}

/// y + weight_scale · (scale · total - double_zero · half_sum)
HWY_INLINE VF AddPiece(VF y, V32 total, VF weight_scale, VF double_zero, VF scale, VF half_sum) {
  const VF product = hn::Mul(hn::ConvertTo(DF(), total), scale);
  return hn::MulAdd(weight_scale, hn::NegMulAdd(double_zero, half_sum, product), y);
}

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

#if LIEQ_DOT == 4
#include "lieq/kernels/matrix8-inl.h"
#else
/// Codes of one unit of a block: [step][16 rows][4 inputs].
template <unsigned kBits>
HWY_INLINE void UnpackUnit(const std::uint8_t* HWY_RESTRICT unit, std::uint8_t* HWY_RESTRICT to) {
  for (std::size_t v = 0; v < kVectors; ++v) {
    ForSteps([&](auto step) HWY_ATTR LIEQ_INLINE_LAMBDA {
      constexpr int kStep = decltype(step)::value;
      hn::Store(CodesOf<kBits, kStep>(unit, v), D8(), to + static_cast<std::size_t>(kStep) * kChunk + v * kBytes);
    });
  }
}

/// The same as DotPiece, of unpacked codes.
template <unsigned kBits, std::size_t kTokens, std::size_t kBlocks>
HWY_INLINE void TilePiece(TileSource<kBlocks>& source, std::size_t units, const std::int8_t* HWY_RESTRICT x,
                          std::size_t stride, V32 (&total)[kTokens][kBlocks * kVectors]) {
  DotPiece<kBits, kTokens>(source, units, x, stride, total);
}
#endif

/// Codes of some pieces of up to kItemBlocks blocks, unpacked.
struct Tile {
  HWY_ALIGN std::uint8_t codes[kItemBlocks][kTileUnits * kUnitBytes];
  HWY_ALIGN float scales[kTileUnits][kItemBlocks * kBlock];        // [piece][row]
  HWY_ALIGN float double_zeros[kTileUnits][kItemBlocks * kBlock];
  std::size_t units[kTileUnits];  // of each piece
  std::size_t pieces;
};

/// A place in a row: unit `unit` of group `group`.
struct Place {
  std::size_t group = 0, unit = 0;
};

template <unsigned kBits>
HWY_INLINE void UnpackPiece(const pack::PackedMatrix& w, std::size_t first_block, std::size_t blocks, Place place,
                            std::size_t count, std::size_t tile_unit, Tile& tile) {
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint8_t* unit = w.codes(first_block + b, place.group) + place.unit * w.unit_bytes();
    std::uint8_t* to = tile.codes[b] + tile_unit * kUnitBytes;
    for (std::size_t u = 0; u < count; ++u, unit += w.unit_bytes(), to += kUnitBytes) UnpackUnit<kBits>(unit, to);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = b * kBlock + v * kRows;
      hn::Store(ScalesOf(w.scales(first_block + b, place.group), v), DF(), tile.scales[tile.pieces] + at);
      hn::Store(DoubleZerosOf<kBits>(w.zeros(first_block + b, place.group), v, kZeroOffset<kBits>), DF(),
                tile.double_zeros[tile.pieces] + at);
    }
  }
}

/// Fills the tile from `place` on and moves it behind what was unpacked.
template <unsigned kBits>
HWY_NOINLINE void FillTile(const pack::PackedMatrix& w, std::size_t first_block, std::size_t blocks, Place& place,
                           Tile& tile) {
  const std::size_t units = w.units_per_group();
  std::size_t filled = 0;
  for (tile.pieces = 0; place.group < w.groups(); ++tile.pieces) {
    const std::size_t left = units - place.unit, count = left < kPieceUnits ? left : kPieceUnits;
    if (filled + count > kTileUnits) return;
    UnpackPiece<kBits>(w, first_block, blocks, place, count, filled, tile);
    tile.units[tile.pieces] = count;
    filled += count;
    place.unit += count;
    if (place.unit == units) place = {place.group + 1, 0};
  }
}

/// y += the tile's blocks [block, block + kBlocks) x kTokens tokens. y: [token][kItemBlocks x 16].
template <unsigned kBits, std::size_t kTokens, std::size_t kBlocks>
HWY_NOINLINE void TileProduct(const Tile& tile, std::size_t block, const std::int8_t* HWY_RESTRICT x,
                              std::size_t stride, const float* HWY_RESTRICT scales, const float* HWY_RESTRICT half_sums,
                              std::size_t pieces, float* HWY_RESTRICT y) {
  constexpr std::size_t kV = kBlocks * kVectors;
  const DF df;
  TileSource<kBlocks> source{tile.codes[block], sizeof tile.codes[0]};
  for (std::size_t p = 0; p < tile.pieces; ++p) {
    V32 total[kTokens][kV];
    TilePiece<kBits, kTokens, kBlocks>(source, tile.units[p], x, stride, total);
    for (std::size_t v = 0; v < kV; ++v) {
      const std::size_t row = block * kBlock + v * kRows;
      const VF weight_scale = hn::Load(df, tile.scales[p] + row), zero = hn::Load(df, tile.double_zeros[p] + row);
      for (std::size_t t = 0; t < kTokens; ++t) {
        float* sum = y + t * kItemRows + row;
        hn::Store(AddPiece(hn::Load(df, sum), total[t][v], weight_scale, zero, hn::Set(df, scales[t * pieces + p]),
                           hn::Set(df, half_sums[t * pieces + p])), df, sum);
      }
    }
    x += tile.units[p] * Int8Inputs::kUnit;
  }
}

/// Unpacked codes of these widths are multiplied by the same code: how wide they are matters only to how many products
/// fit an accumulator, and 2 and 3 bits fit alike.
template <unsigned kBits>
constexpr unsigned kTileBits =
    kBits == 2 || LIEQ_DOT == 4 || (LIEQ_DOT != 0 && !(kBits == 8 && kSignedCodes8)) ? 3 : kBits;

template <unsigned kBits, std::size_t kTokens>
HWY_INLINE void TileTokens(const Tile& tile, std::size_t blocks, const std::int8_t* x, std::size_t stride,
                           const float* scales, const float* half_sums, std::size_t pieces, float* y) {
  std::size_t b = 0;
  for (; b + kTileBlocks <= blocks; b += kTileBlocks)
    TileProduct<kBits, kTokens, kTileBlocks>(tile, b, x, stride, scales, half_sums, pieces, y);
  for (; b < blocks; ++b) TileProduct<kBits, kTokens, 1>(tile, b, x, stride, scales, half_sums, pieces, y);
}

#if LIEQ_DOT == 1
#include "lieq/kernels/packed_amx-inl.h"
#endif

/// Many tokens with up to kItemBlocks blocks. sums: [tokens][kItemBlocks x 16].
template <unsigned kBits>
HWY_NOINLINE void TileMultiply(const Int8Product& product, float* HWY_RESTRICT sums) {
  static thread_local Tile tile;
  const Int8Inputs& x = *product.x;
  std::memset(sums, 0, product.tokens * kItemRows * sizeof(float));
#if LIEQ_DOT == 1
  std::optional<AmxState> amx;
  if (FitsAmx(product)) amx.emplace(HWY_MIN(product.weight->units_per_group(), kPieceUnits));
#endif
  std::size_t input = 0, piece = 0;
  for (Place place; place.group < product.weight->groups();) {
    FillTile<kBits>(*product.weight, product.first_block, product.blocks, place, tile);
    for (std::size_t t = 0; t < product.tokens;) {
      const std::size_t token = product.first_token + t, left = product.tokens - t;
      const std::int8_t* codes = x.codes.data() + token * x.stride + input;
      const float* scales = x.scales.data() + token * x.pieces + piece;
      const float* half_sums = x.half_sums.data() + token * x.pieces + piece;
      const auto run = [&](auto count) HWY_ATTR LIEQ_INLINE_LAMBDA {
        TileTokens<kTileBits<kBits>, decltype(count)::value>(tile, product.blocks, codes, x.stride, scales, half_sums,
                                                             x.pieces, sums + t * kItemRows);
        t += decltype(count)::value;
      };
#if LIEQ_DOT == 1
      if (amx && left >= kAmxTokens) {
        AmxProduct(tile, codes, x.stride, scales, half_sums, x.pieces, sums + t * kItemRows);
        t += kAmxTokens;
        continue;
      }
#endif
      if (left >= kTileTokens) {
        run(std::integral_constant<std::size_t, kTileTokens>());
      } else if (left >= 4 && kTileTokens >= 4) {
        run(std::integral_constant<std::size_t, 4>());
      } else if (left >= 2) {
        run(std::integral_constant<std::size_t, 2>());
      } else {
        run(std::integral_constant<std::size_t, 1>());
      }
    }
    for (std::size_t p = 0; p < tile.pieces; ++p) input += tile.units[p] * Int8Inputs::kUnit;
    piece += tile.pieces;
  }
}

HWY_INLINE void StoreRows(const Int8Product& product, const float* sums, std::size_t stride, std::size_t first_row,
                          std::size_t rows, std::size_t first_token, std::size_t tokens) {
  for (std::size_t t = 0; t < tokens; ++t) {
    float* y = product.y.row(first_token + t).data() + first_row;
    for (std::size_t r = 0; r < rows; ++r)
      y[r] = sums[t * stride + r] + (product.bias.empty() ? 0.0F : product.bias[first_row + r]);
  }
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
HWY_NOINLINE void MultiplyBits(const Int8Product& product, float* sums) {
#if LIEQ_DOT != 4
  switch (product.tokens) {
    case 1: return StreamMultiply<kBits, 1>(product);
    case 2: return StreamMultiply<kBits, 2>(product);
    case 3: return StreamMultiply<kBits, 3>(product);
    case 4: return StreamMultiply<kBits, 4>(product);
    default: break;
  }
#endif
  TileMultiply<kBits>(product, sums);
  const std::size_t row = product.first_block * kBlock;
  StoreRows(product, sums, kItemBlocks * kBlock, row, HWY_MIN(product.blocks * kBlock, product.weight->rows() - row),
            product.first_token, product.tokens);
}

HWY_NOINLINE void Multiply(const Int8Product& product, float* sums) {
  switch (product.weight->bits()) {
    case 2: return MultiplyBits<2>(product, sums);
    case 3: return MultiplyBits<3>(product, sums);
    case 4: return MultiplyBits<4>(product, sums);
    default: return MultiplyBits<8>(product, sums);
  }
}
