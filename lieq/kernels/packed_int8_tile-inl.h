// Products of many tokens, for one target and one kind of dot product: a tile of codes is unpacked once for all of
// them. Included by packed_int8_variants-inl.h.

#include "lieq/kernels/packed_int8_dot-inl.h"

constexpr std::size_t kUnitBytes = kUnitSteps * kChunk;  // of one unpacked unit of a block
constexpr std::size_t kItemBlocks = kInt8ItemBlocks, kItemRows = kItemBlocks * kBlock;
constexpr std::size_t kTileUnits = 8;  // unpacked at once: blocks x units x 512 bytes fit the L1 cache
// Tokens and row blocks whose sums stay in registers.
constexpr std::size_t kTileTokens = LIEQ_DOT == 4 ? 4 : kVectors > 2 ? 3 : 6;
constexpr std::size_t kTileBlocks = kVectors > 1 ? 1 : LIEQ_DOT == 0 ? 2 : 4;

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

#if LIEQ_DOT == 4
#include "lieq/kernels/matrix8-inl.h"
#else
/// Codes of one unit of a block: [step][16 rows][4 inputs].
template <unsigned kCodes>
HWY_INLINE void UnpackUnit(const std::uint8_t* HWY_RESTRICT unit, std::uint8_t* HWY_RESTRICT to) {
  for (std::size_t v = 0; v < kVectors; ++v) {
    ForSteps([&](auto step) LIEQ_LAMBDA {
      constexpr int kStep = decltype(step)::value;
      hn::Store(CodesOf<kCodes, kStep>(unit, v), D8(), to + static_cast<std::size_t>(kStep) * kChunk + v * kBytes);
    });
  }
}

/// The same as DotPiece, of unpacked codes.
template <unsigned kBits, std::size_t kTokens, Part kPart, std::size_t kBlocks>
HWY_INLINE void TilePiece(TileSource<kBlocks>& source, std::size_t units, const std::int8_t* HWY_RESTRICT x,
                          std::size_t stride, V32 (&total)[kTokens][kBlocks * kVectors]) {
  DotPiece<kBits, kTokens, kPart>(source, units, x, stride, total);
}
#endif

constexpr std::size_t kTilePieces = 2 * kTileUnits;  // two halves of each unit

/// Codes of some pieces of up to kItemBlocks blocks, unpacked.
struct Tile {
  HWY_ALIGN std::uint8_t codes[kItemBlocks][kTileUnits * kUnitBytes];
  HWY_ALIGN float scales[kTilePieces][kItemBlocks * kBlock];   // [piece][row]
  HWY_ALIGN float origins[kTilePieces][kItemBlocks * kBlock];  // as ReadGroups() gives them
  std::size_t units[kTilePieces];                              // of each piece; 1 where halves of them are pieces
  std::size_t pieces, inputs;
  bool has_minima;
};

/// A place in a row: unit `unit` of group `group`.
struct Place {
  std::size_t group = 0, unit = 0;
};

/// Puts `count` units of a group, or of a pair of them, behind what was unpacked.
template <unsigned kCodes, bool kPaired>
HWY_INLINE void UnpackPiece(const pack::PackedMatrix& w, std::size_t first_block, std::size_t blocks, Place place,
                            std::size_t count, Tile& tile) {
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint8_t* unit = w.codes(first_block + b, place.group) + place.unit * w.unit_bytes();
    std::uint8_t* to = tile.codes[b] + tile.inputs / Int8Inputs::kUnit * kUnitBytes;
    for (std::size_t u = 0; u < count; ++u, unit += w.unit_bytes(), to += kUnitBytes) UnpackUnit<kCodes>(unit, to);
    ReadGroups(w, first_block + b, place.group, kPaired ? 2 : 1, kZeroOffset<kCodes>, kItemRows,
               tile.scales[tile.pieces] + b * kBlock, tile.origins[tile.pieces] + b * kBlock);
  }
  for (std::size_t p = 0; p < (kPaired ? 2 : 1); ++p) tile.units[tile.pieces++] = count;
  tile.inputs += count * Int8Inputs::kUnit;
}

/// Fills the tile from `place` on and moves it behind what was unpacked.
template <unsigned kCodes, bool kPaired>
HWY_NOINLINE void FillTile(const pack::PackedMatrix& w, std::size_t first_block, std::size_t blocks, Place& place,
                           Tile& tile) {
  const std::size_t units = w.units_per_group();
  tile.pieces = tile.inputs = 0;
  tile.has_minima = w.has_minima();
  while (place.group < w.groups()) {
    const std::size_t left = units - place.unit, count = left < kPieceUnits ? left : kPieceUnits;
    if (tile.inputs + count * Int8Inputs::kUnit > kTileUnits * Int8Inputs::kUnit) return;
    UnpackPiece<kCodes, kPaired>(w, first_block, blocks, place, count, tile);
    place.unit += count;
    if (place.unit == units) place = {place.group + (kPaired ? 2 : 1), 0};
  }
}

/// y += the tile's blocks [block, block + kBlocks) x kTokens tokens. y: [token][kItemBlocks x 16].
template <unsigned kBits, bool kPaired, bool kMinima, std::size_t kTokens, std::size_t kBlocks>
HWY_NOINLINE void TileProduct(const Tile& tile, std::size_t block, const std::int8_t* HWY_RESTRICT x,
                              std::size_t stride, const float* HWY_RESTRICT scales, const float* HWY_RESTRICT half_sums,
                              std::size_t pieces, float* HWY_RESTRICT y) {
  constexpr std::size_t kV = kBlocks * kVectors;
  const DF df;
  TileSource<kBlocks> source{tile.codes[block], sizeof tile.codes[0]};
  const auto add_piece = [&](auto part, std::size_t p) LIEQ_LAMBDA {
    constexpr Part kPart = decltype(part)::value;
    V32 total[kTokens][kV];
    TilePiece<kBits, kTokens, kPart, kBlocks>(source, tile.units[p], x, stride, total);
    for (std::size_t v = 0; v < kV; ++v) {
      const std::size_t row = block * kBlock + v * kRows;
      const VF weight_scale = hn::Load(df, tile.scales[p] + row), origin = hn::Load(df, tile.origins[p] + row);
      for (std::size_t t = 0; t < kTokens; ++t) {
        float* sum = y + t * kItemRows + row;
        hn::Store(AddPiece<kMinima>(hn::Load(df, sum), total[t][v], weight_scale, origin,
                                    hn::Set(df, scales[t * pieces + p]), hn::Set(df, half_sums[t * pieces + p])),
                  df, sum);
      }
    }
    x += kPart == kWhole ? tile.units[p] * Int8Inputs::kUnit : Int8Inputs::kUnit / 2;
  };
  for (std::size_t p = 0; p < tile.pieces; ++p) {
    if constexpr (kPaired) {
      add_piece(std::integral_constant<Part, kFirstHalf>(), p);
      add_piece(std::integral_constant<Part, kSecondHalf>(), ++p);
    } else {
      add_piece(std::integral_constant<Part, kWhole>(), p);
    }
  }
}

/// Unpacked codes of these widths are multiplied by the same code: how wide they are matters only to how many products
/// fit an accumulator, and 2 and 3 bits fit alike.
template <unsigned kCodes, unsigned kBits = kValueBits<kCodes>>
constexpr unsigned kTileBits = kBits == 2 || LIEQ_DOT == 4 || (LIEQ_DOT != 0 && !(kBits == 8 && kSignedCodes8)) ? 3
                                                                                                                : kBits;

template <unsigned kBits, bool kPaired, bool kMinima, std::size_t kTokens>
HWY_INLINE void TileTokens(const Tile& tile, std::size_t blocks, const std::int8_t* x, std::size_t stride,
                           const float* scales, const float* half_sums, std::size_t pieces, float* y) {
  std::size_t b = 0;
  for (; b + kTileBlocks <= blocks; b += kTileBlocks)
    TileProduct<kBits, kPaired, kMinima, kTokens, kTileBlocks>(tile, b, x, stride, scales, half_sums, pieces, y);
  for (; b < blocks; ++b)
    TileProduct<kBits, kPaired, kMinima, kTokens, 1>(tile, b, x, stride, scales, half_sums, pieces, y);
}

#if LIEQ_DOT == 1
#include "lieq/kernels/packed_amx-inl.h"
#endif

/// Many tokens with up to kItemBlocks blocks. sums: [tokens][kItemBlocks x 16].
template <unsigned kCodes, bool kPaired>
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
    FillTile<kCodes, kPaired>(*product.weight, product.first_block, product.blocks, place, tile);
    for (std::size_t t = 0; t < product.tokens;) {
      const std::size_t token = product.first_token + t, left = product.tokens - t;
      const std::int8_t* codes = x.codes.data() + token * x.stride + input;
      const float* scales = x.scales.data() + token * x.pieces + piece;
      const float* half_sums = x.half_sums.data() + token * x.pieces + piece;
      const auto run = [&](auto count) LIEQ_LAMBDA {
        constexpr unsigned kBits = kTileBits<kCodes>;
        constexpr std::size_t kTokens = decltype(count)::value;
        const auto multiply =
            tile.has_minima ? TileTokens<kBits, kPaired, true, kTokens> : TileTokens<kBits, kPaired, false, kTokens>;
        multiply(tile, product.blocks, codes, x.stride, scales, half_sums, x.pieces, sums + t * kItemRows);
        t += decltype(count)::value;
      };
#if LIEQ_DOT == 1
      if (amx && left >= kAmxTokens) {
        (tile.has_minima ? AmxProduct<true> : AmxProduct<false>)(tile, codes, x.stride, scales, half_sums, x.pieces,
                                                                 sums + t * kItemRows);
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
    input += tile.inputs;
    piece += tile.pieces;
  }
}

template <unsigned kCodes, bool kPaired>
HWY_NOINLINE void MultiplyCodes(const Int8Product& product) {
  static thread_local Buffer<float> buffer;
  float* sums = buffer.reserve(product.tokens * kItemRows);
  TileMultiply<kCodes, kPaired>(product, sums);
  const std::size_t row = product.first_block * kBlock;
  StoreRows(product, sums, kItemRows, row, HWY_MIN(product.blocks * kBlock, product.weight->rows() - row),
            product.first_token, product.tokens);
}
