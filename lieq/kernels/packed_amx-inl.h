// The 8-bit products of 16 tokens at a time on AMX. Included by packed_int8_tile-inl.h where there is AVX-512 VNNI.
//
// 64 inputs of a block as they lie in a Tile, [16 steps][16 rows][4 inputs], are what the instruction takes as its
// second operand; the first is [16 tokens][64 inputs] of signed bytes, where they lie. Sums are the same integers as
// elsewhere, and are scaled by the same AddPiece.

constexpr std::size_t kAmxTokens = 16;
static_assert(kItemBlocks == 4 && kBlock == 16 && kUnitSteps == 8 && kPieceUnits == 2);

/// What ldtilecfg reads: inputs in register 0, codes in 1 to 3, sums in 4 to 7.
struct AmxShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  constexpr explicit AmxShapes(std::size_t units) {
    for (int tile = 0; tile < 8; ++tile) {
      row_bytes[tile] = static_cast<std::uint16_t>(tile == 0 ? units * Int8Inputs::kUnit : 64);
      rows[tile] = static_cast<std::uint8_t>(tile >= 1 && tile <= 3 ? units * kUnitSteps : 16);
    }
  }
};
static_assert(sizeof(AmxShapes) == 64);

/// Keeps AMX configured for pieces of one size while it lives.
class AmxState {
 public:
  explicit AmxState(std::size_t units) {
    static constexpr AmxShapes kShapes[] = {AmxShapes(1), AmxShapes(2)};
    _tile_loadconfig(&kShapes[units - 1]);
  }
  ~AmxState() { _tile_release(); }
  AmxState(const AmxState&) = delete;
  AmxState& operator=(const AmxState&) = delete;
};

/// All pieces of the product have the same size: configuring anew for each one would cost more than it saves.
HWY_INLINE bool FitsAmx(const Int8Product& product) {
  const std::size_t units = product.weight->units_per_group();
  return product.tokens >= kAmxTokens && !product.weight->is_paired() && (units == 1 || units % kPieceUnits == 0) &&
         has_matrix_product(HWY_TARGET);
}

/// total[token][row] = Σ code · input over one piece. codes: the piece's in block 0; the blocks that the tile has not
/// filled give totals that nobody reads.
HWY_INLINE void AmxDot(const std::uint8_t* codes, const std::int8_t* x, std::size_t stride, std::int32_t* total) {
  constexpr std::size_t kBlockStride = sizeof(Tile::codes[0]), kTotalStride = kItemRows * sizeof(std::int32_t);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // GCC 12 does not know that loads of tiles read memory
  _tile_loadd(0, x, stride);
  _tile_loadd(1, codes, kChunk);
  _tile_zero(4);
  _tile_dpbsud(4, 0, 1);
  _tile_loadd(2, codes + kBlockStride, kChunk);
  _tile_zero(5);
  _tile_dpbsud(5, 0, 2);
  _tile_loadd(3, codes + 2 * kBlockStride, kChunk);
  _tile_zero(6);
  _tile_dpbsud(6, 0, 3);
  _tile_loadd(1, codes + 3 * kBlockStride, kChunk);
  _tile_zero(7);
  _tile_dpbsud(7, 0, 1);
  _tile_stored(4, total, kTotalStride);
  _tile_stored(5, total + kBlock, kTotalStride);
  _tile_stored(6, total + 2 * kBlock, kTotalStride);
  _tile_stored(7, total + 3 * kBlock, kTotalStride);
}

/// y += the tile's blocks x kAmxTokens tokens. y: [token][kItemRows].
template <bool kMinima>
HWY_NOINLINE void AmxProduct(const Tile& tile, const std::int8_t* HWY_RESTRICT x, std::size_t stride,
                             const float* HWY_RESTRICT scales, const float* HWY_RESTRICT half_sums, std::size_t pieces,
                             float* HWY_RESTRICT y) {
  HWY_ALIGN static thread_local std::int32_t totals[kTileUnits][kAmxTokens][kItemRows];  // [piece][token][row]
  const DF df;
  const std::uint8_t* codes = tile.codes[0];
  for (std::size_t p = 0; p < tile.pieces; ++p) {
    AmxDot(codes, x, stride, totals[p][0]);
    codes += tile.units[p] * kUnitBytes;
    x += tile.units[p] * Int8Inputs::kUnit;
  }
  constexpr std::size_t kTokens = 4;  // x blocks: outputs that stay in registers
  for (std::size_t first = 0; first < kAmxTokens; first += kTokens) {
    VF sum[kTokens][kItemBlocks];
    for (std::size_t t = 0; t < kTokens; ++t)
      for (std::size_t b = 0; b < kItemBlocks; ++b) sum[t][b] = hn::Load(df, y + (first + t) * kItemRows + b * kBlock);
    for (std::size_t p = 0; p < tile.pieces; ++p) {
      for (std::size_t t = 0; t < kTokens; ++t) {
        const VF scale = hn::Set(df, scales[(first + t) * pieces + p]);
        const VF half_sum = hn::Set(df, half_sums[(first + t) * pieces + p]);
        for (std::size_t b = 0; b < kItemBlocks; ++b) {
          const VF weight_scale = hn::Load(df, tile.scales[p] + b * kBlock);
          const VF origin = hn::Load(df, tile.origins[p] + b * kBlock);
          const V32 total = hn::Load(D32(), totals[p][first + t] + b * kBlock);
          sum[t][b] = AddPiece<kMinima>(sum[t][b], total, weight_scale, origin, scale, half_sum);
        }
      }
    }
    for (std::size_t t = 0; t < kTokens; ++t)
      for (std::size_t b = 0; b < kItemBlocks; ++b) hn::Store(sum[t][b], df, y + (first + t) * kItemRows + b * kBlock);
  }
}
