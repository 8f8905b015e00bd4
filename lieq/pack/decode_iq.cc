// The "IQ" blocks, whose codes are numbers of points in a table (iq_grids.h) or of levels, the ternary "TQ" blocks, and
// MXFP4. Signs are kept apart from points: 1 bit per weight, or for 8 weights 7 bits and their parity.

#include <bit>
#include <cstdint>
#include <cstring>

#include "lieq/base/dtype.h"
#include "lieq/pack/decode_blocks.h"
#include "lieq/pack/iq_grids.h"

namespace lieq::pack {
namespace {

unsigned u8(std::byte b) { return std::to_integer<unsigned>(b); }
unsigned u16_at(const std::byte* p) { return u8(p[0]) | (u8(p[1]) << 8); }
std::uint32_t u32_at(const std::byte* p) {
  std::uint32_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}
float f16_at(const std::byte* p) { return f16_to_float(static_cast<std::uint16_t>(u16_at(p))); }

/// The 8 signs of 7 stored bits: the last one makes their number even.
unsigned with_parity(unsigned bits) { return bits | (static_cast<unsigned>(std::popcount(bits) & 1) << 7); }

/// w[k] = scale * point k of an 8-weight point of 2 bits each, negative where bit k of `signs` is set.
void point_of_8(std::uint16_t point, unsigned signs, float scale, float* w) {
  constexpr float kLevels[] = {8, 25, 43, 0};
  for (unsigned k = 0; k < 8; ++k)
    w[k] = scale * kLevels[(point >> (2 * k)) & 3] * ((signs >> k) & 1 ? -1.0F : 1.0F);
}

/// The same for 4 weights of 3 bits each.
void point_of_4(std::uint16_t point, unsigned signs, float scale, const float (&levels)[8], float* w) {
  for (unsigned k = 0; k < 4; ++k)
    w[k] = scale * levels[(point >> (3 * k)) & 7] * ((signs >> k) & 1 ? -1.0F : 1.0F);
}

/// w[k] = scale * (point k + delta), points -1, 0 and 1.
void ternary_point(std::uint16_t point, float scale, float delta, float* w) {
  for (unsigned k = 0; k < 8; ++k) w[k] = scale * (static_cast<float>((point >> (2 * k)) & 3) - 1.0F + delta);
}

float level(unsigned code) { return static_cast<float>(kIq4Levels[code]); }

constexpr float kThreeXxs[8] = {4, 12, 20, 28, 36, 44, 52, 62}, kThreeS[8] = {1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace

/// IQ2_XXS, 66 bytes, 8 sub-blocks of 32: w = d * (0.5 + scale) / 4 * point
///   f16 d | per sub-block: u8 point[4] | u32: bits 7k..7k+6 signs of point k, bits 28-31 scale
void decode_iq2_xxs(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte* sub = block + 2;
  for (int s = 0; s < 8; ++s, sub += 8) {
    const std::uint32_t rest = u32_at(sub + 4);
    const float scale = d * (0.5F + static_cast<float>(rest >> 28)) * 0.25F;
    for (unsigned k = 0; k < 4; ++k, w += 8)
      point_of_8(kGrid2Xxs[u8(sub[k])], with_parity((rest >> (7 * k)) & 127), scale, w);
  }
}

/// IQ2_XS, 74 bytes, 16 sub-blocks of 16: w = d * (0.5 + scale) / 4 * point
///   f16 d | u16 codes[32]: bits 0-8 point, bits 9-15 signs | u8 scales[8]: low nibble of the even sub-block
void decode_iq2_xs(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte *codes = block + 2, *scales = block + 66;
  for (unsigned i = 0; i < 32; ++i, w += 8) {
    const unsigned code = u16_at(codes + 2 * i), nibble = (u8(scales[i / 4]) >> (4 * (i / 2 % 2))) & 15;
    point_of_8(kGrid2Xs[code & 511], with_parity(code >> 9), d * (0.5F + static_cast<float>(nibble)) * 0.25F, w);
  }
}

/// IQ2_S, 82 bytes, 16 sub-blocks of 16: as IQ2_XS
///   f16 d | u8 low[32] of the points | u8 signs[32] | u8 high[8]: bits 2k, 2k+1 for point 4i + k | u8 scales[8]
void decode_iq2_s(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte *low = block + 2, *signs = block + 34, *high = block + 66, *scales = block + 74;
  for (unsigned i = 0; i < 32; ++i, w += 8) {
    const unsigned point = u8(low[i]) | (((u8(high[i / 4]) >> (2 * (i % 4))) & 3) << 8);
    const unsigned nibble = (u8(scales[i / 4]) >> (4 * (i / 2 % 2))) & 15;
    point_of_8(kGrid2S[point], u8(signs[i]), d * (0.5F + static_cast<float>(nibble)) * 0.25F, w);
  }
}

/// IQ3_XXS, 98 bytes, 8 sub-blocks of 32: w = d * (0.5 + scale) / 2 * point
///   f16 d | u8 points[64] of 4 weights | per sub-block u32 as in IQ2_XXS, the signs of two points each
void decode_iq3_xxs(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte *points = block + 2, *rests = block + 66;
  for (unsigned s = 0; s < 8; ++s) {
    const std::uint32_t rest = u32_at(rests + 4 * s);
    const float scale = d * (0.5F + static_cast<float>(rest >> 28)) * 0.5F;
    for (unsigned k = 0; k < 8; ++k, w += 4) {
      const unsigned signs = with_parity((rest >> (7 * (k / 2))) & 127) >> (4 * (k % 2));
      point_of_4(kGrid3Xxs[u8(points[8 * s + k])], signs, scale, kThreeXxs, w);
    }
  }
}

/// IQ3_S, 110 bytes, 8 sub-blocks of 32: w = d * (1 + 2 scale) * point
///   f16 d | u8 low[64] of the points | u8 high[8]: bit k for point 8i + k | u8 signs[32] | u8 scales[4]: nibbles
void decode_iq3_s(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte *low = block + 2, *high = block + 66, *signs = block + 74, *scales = block + 106;
  for (unsigned i = 0; i < 64; ++i, w += 4) {
    const unsigned s = i / 8, nibble = (u8(scales[s / 2]) >> (4 * (s % 2))) & 15;
    const unsigned point = u8(low[i]) | (((u8(high[s]) >> (i % 8)) & 1) << 8);
    point_of_4(kGrid3S[point], u8(signs[i / 2]) >> (4 * (i % 2)), d * static_cast<float>(1 + 2 * nibble), kThreeS, w);
  }
}

/// IQ1_S, 50 bytes, 8 sub-blocks of 32: w = d * (2 scale + 1) * (point + delta)
///   f16 d | u8 low[32] of the points | u16 rest[8]: bits 3k..3k+2 high bits of point k, bits 12-14 scale, bit 15:
/// delta
///   is -1/8 instead of 1/8
void decode_iq1_s(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte *low = block + 2, *rests = block + 34;
  for (unsigned s = 0; s < 8; ++s) {
    const unsigned rest = u16_at(rests + 2 * s);
    const float scale = d * static_cast<float>(2 * ((rest >> 12) & 7) + 1);
    for (unsigned k = 0; k < 4; ++k, w += 8)
      ternary_point(kGrid1[u8(low[4 * s + k]) | (((rest >> (3 * k)) & 7) << 8)], scale,
                    (rest & 0x8000) != 0 ? -0.125F : 0.125F, w);
  }
}

float iq1_m_scale(const std::byte* block) {
  const std::byte* scales = block + 48;
  unsigned bits = 0;
  for (unsigned i = 0; i < 4; ++i) bits |= (u16_at(scales + 2 * i) >> 12) << (4 * i);
  return f16_to_float(static_cast<std::uint16_t>(bits));
}

/// IQ1_M, 56 bytes, 16 sub-blocks of 16: w = d * (2 scale + 1) * (point + delta)
///   u8 low[32] of the points | u8 high[16]: per point a nibble, bits 0-2 high bits of the point, bit 3: delta is -1/8
///   | u16 scales[4]: bits 3k..3k+2 scale of sub-block 4i + k, bits 12-15: nibble i of the f16 d
void decode_iq1_m(const std::byte* block, float* w) {
  const float d = iq1_m_scale(block);
  const std::byte *low = block, *high = block + 32, *scales = block + 48;
  for (unsigned i = 0; i < 32; ++i, w += 8) {
    const unsigned s = i / 2, nibble = u8(high[s]) >> (4 * (i % 2));
    const unsigned scale = (u16_at(scales + 2 * (s / 4)) >> (3 * (s % 4))) & 7;
    ternary_point(kGrid1[u8(low[i]) | ((nibble & 7) << 8)], d * static_cast<float>(2 * scale + 1),
                  (nibble & 8) != 0 ? -0.125F : 0.125F, w);
  }
}

/// IQ4_NL, 18 bytes, 32 weights: w = d * level[code]
///   f16 d | u8 qs[16] as in Q4_0
void decode_iq4_nl(const std::byte* block, float* w) {
  const float d = f16_at(block);
  for (unsigned j = 0; j < 16; ++j) {
    w[j] = d * level(u8(block[2 + j]) & 15);
    w[j + 16] = d * level(u8(block[2 + j]) >> 4);
  }
}

/// IQ4_XS, 136 bytes, 8 sub-blocks of 32: w = d * (scale - 32) * level[code]
///   f16 d | u16: bits 2s, 2s+1 = bits 4-5 of scale s | u8[4]: bits 0-3 in nibbles | u8 qs[128]: 16 bytes per sub-block
void decode_iq4_xs(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const unsigned high = u16_at(block + 2);
  for (unsigned s = 0; s < 8; ++s, w += 32) {
    const unsigned low = (u8(block[4 + s / 2]) >> (4 * (s % 2))) & 15;
    const float scale = d * (static_cast<float>(low | (((high >> (2 * s)) & 3) << 4)) - 32.0F);
    const std::byte* qs = block + 8 + 16 * s;
    for (unsigned j = 0; j < 16; ++j) {
      w[j] = scale * level(u8(qs[j]) & 15);
      w[j + 16] = scale * level(u8(qs[j]) >> 4);
    }
  }
}

/// TQ1_0, 54 bytes, 256 weights: w = d * (digit - 1), digits of 3 as the leading ones of a byte read as a fraction
///   u8 a[32]: digit n of byte j is weight 32n + j | u8 b[16]: weight 160 + 16n + j | u8 c[4]: weight 240 + 4n + j |
/// f16 d
void decode_tq1_0(const std::byte* block, float* w) {
  constexpr unsigned kPowers[] = {1, 3, 9, 27, 81};
  const float d = f16_at(block + 52);
  const auto digits = [&](const std::byte* bytes, unsigned count, unsigned each, float* target) {
    for (unsigned n = 0; n < each; ++n)
      for (unsigned j = 0; j < count; ++j)
        target[n * count + j] = d * (static_cast<float>(((u8(bytes[j]) * kPowers[n] & 255) * 3) >> 8) - 1.0F);
  };
  digits(block, 32, 5, w);
  digits(block + 32, 16, 5, w + 160);
  digits(block + 48, 4, 4, w + 240);
}

/// TQ2_0, 66 bytes, 256 weights: w = d * (code - 1)
///   u8 qs[64]: weight 128n + 32k + j in bits 2k, 2k+1 of byte 32n + j | f16 d
void decode_tq2_0(const std::byte* block, float* w) {
  const float d = f16_at(block + 64);
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned n = i / 128, k = i / 32 % 4, j = i % 32;
    w[i] = d * (static_cast<float>((u8(block[32 * n + j]) >> (2 * k)) & 3) - 1.0F);
  }
}

/// MXFP4, 17 bytes, 32 weights: w = 2^(e - 128) * twice the number of 4 bits (sign, 2 of exponent, 1 of fraction)
///   u8 e | u8 qs[16] as in Q4_0
void decode_mxfp4(const std::byte* block, float* w) {
  constexpr float kTwice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const std::uint32_t e = u8(block[0]);
  const auto d = std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1) << 23);
  for (unsigned j = 0; j < 16; ++j) {
    w[j] = d * kTwice[u8(block[1 + j]) & 15];
    w[j + 16] = d * kTwice[u8(block[1 + j]) >> 4];
  }
}

}  // namespace lieq::pack
