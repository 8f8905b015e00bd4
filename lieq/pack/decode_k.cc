// The "K" blocks: 256 weights in sub-blocks of 16 or 32, whose scales (and minima) are small integers times the block's
// f16 d (and dmin). The products d * scale are rounded first, as in the reference; then times the code.
//
// Where codes have 2 bits or two high bits (Q2_K, Q3_K): the 128 weights of half n share 32 bytes, and weight
// 128n + 32j + 16h + l is in bits 2j and up of byte 32n + 16h + l (n, h = 0..1, j = 0..3, l = 0..15).

#include <cstdint>
#include <cstring>

#include "lieq/base/dtype.h"
#include "lieq/pack/decode_blocks.h"

namespace lieq::pack {
namespace {

int u8(std::byte b) { return std::to_integer<int>(b); }

float half_at(const std::byte* p) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof bits);
  return f16_to_float(bits);
}

/// Scales and minima of the 8 sub-blocks of Q4_K and Q5_K: 6 bits each in 12 bytes S.
///   S[j], j < 4:        bits 0-5 scale j     | bits 6-7: bits 4-5 of scale j + 4
///   S[j + 4], j < 4:    bits 0-5 minimum j   | bits 6-7: bits 4-5 of minimum j + 4
///   S[j + 8], j < 4:    bits 0-3 of scale j + 4 | bits 0-3 of minimum j + 4
struct ScalesAndMinima {
  int scale[8], minimum[8];

  explicit ScalesAndMinima(const std::byte* s) {
    for (int j = 0; j < 4; ++j) {
      scale[j] = u8(s[j]) & 63;
      minimum[j] = u8(s[j + 4]) & 63;
      scale[j + 4] = (u8(s[j + 8]) & 15) | ((u8(s[j]) >> 6) << 4);
      minimum[j + 4] = (u8(s[j + 8]) >> 4) | ((u8(s[j + 4]) >> 6) << 4);
    }
  }
};

/// The 16 scales of Q3_K: 6 bits each in 12 bytes S, stored + 32.
///   low nibble of S[i] = bits 0-3 of scale i, high nibble = those of scale i + 8 (i < 8)
///   S[8 + i], i < 4: bits 4-5 of scales i, i + 4, i + 8, i + 12
int q3_k_scale(const std::byte* s, int i) {
  const int low = i < 8 ? u8(s[i]) & 15 : u8(s[i - 8]) >> 4;
  const int high = (u8(s[8 + i % 4]) >> (2 * (i / 4))) & 3;
  return (low | (high << 4)) - 32;
}

}  // namespace

/// Q2_K, 84 bytes, 16 sub-blocks of 16: w = (d * scale) * q - dmin * minimum
///   u8 scales[16]: low nibble scale, high nibble minimum of sub-block 8n + 2j + h | u8 qs[64] | f16 d | f16 dmin
void decode_q2_k(const std::byte* block, float* w) {
  const std::byte* scales = block;
  const std::byte* qs = block + 16;
  const float d = half_at(block + 80), dmin = half_at(block + 82);
  for (int sub = 0; sub < 16; ++sub, w += 16) {
    const int n = sub / 8, j = sub / 2 % 4, h = sub % 2;
    const float scale = d * static_cast<float>(u8(scales[sub]) & 15);
    const float minimum = dmin * static_cast<float>(u8(scales[sub]) >> 4);
    const std::byte* q = qs + 32 * n + 16 * h;
    for (int l = 0; l < 16; ++l) w[l] = scale * static_cast<float>((u8(q[l]) >> (2 * j)) & 3) - minimum;
  }
}

/// Q3_K, 110 bytes, 16 sub-blocks of 16: w = (d * scale) * (q - 4)
///   u8 hmask[32]: bit 4n + j of byte 16h + l = bit 2 of the code | u8 qs[64]: bits 0-1 | u8 scales[12] | f16 d
void decode_q3_k(const std::byte* block, float* w) {
  const std::byte* hmask = block;
  const std::byte* qs = block + 32;
  const std::byte* scales = block + 96;
  const float d = half_at(block + 108);
  for (int sub = 0; sub < 16; ++sub, w += 16) {
    const int n = sub / 8, j = sub / 2 % 4, h = sub % 2;
    const float scale = d * static_cast<float>(q3_k_scale(scales, sub));
    const std::byte* q = qs + 32 * n + 16 * h;
    const std::byte* high = hmask + 16 * h;
    for (int l = 0; l < 16; ++l) {
      const int code = ((u8(q[l]) >> (2 * j)) & 3) | (((u8(high[l]) >> (4 * n + j)) & 1) << 2);
      w[l] = scale * static_cast<float>(code - 4);
    }
  }
}

/// Q4_K, 144 bytes, 8 sub-blocks of 32: w = (d * scale) * q - dmin * minimum
///   f16 d | f16 dmin | u8 scales[12] | u8 qs[128]: weight l of sub-block j in byte 32 (j / 2) + l,
///   low nibble for even j, high nibble for odd
void decode_q4_k(const std::byte* block, float* w) {
  const float d = half_at(block), dmin = half_at(block + 2);
  const ScalesAndMinima sub(block + 4);
  const std::byte* qs = block + 16;
  for (int j = 0; j < 8; ++j, w += 32) {
    const float scale = d * static_cast<float>(sub.scale[j]);
    const float minimum = dmin * static_cast<float>(sub.minimum[j]);
    const std::byte* q = qs + 32 * (j / 2);
    const int shift = 4 * (j % 2);
    for (int l = 0; l < 32; ++l) w[l] = scale * static_cast<float>((u8(q[l]) >> shift) & 15) - minimum;
  }
}

/// Q5_K, 176 bytes, 8 sub-blocks of 32: w = (d * scale) * q - dmin * minimum
///   f16 d | f16 dmin | u8 scales[12] | u8 qh[32]: bit j of byte l = bit 4 of code l of sub-block j
///   | u8 qs[128]: bits 0-3 as in Q4_K
void decode_q5_k(const std::byte* block, float* w) {
  const float d = half_at(block), dmin = half_at(block + 2);
  const ScalesAndMinima sub(block + 4);
  const std::byte* qh = block + 16;
  const std::byte* qs = block + 48;
  for (int j = 0; j < 8; ++j, w += 32) {
    const float scale = d * static_cast<float>(sub.scale[j]);
    const float minimum = dmin * static_cast<float>(sub.minimum[j]);
    const std::byte* q = qs + 32 * (j / 2);
    const int shift = 4 * (j % 2);
    for (int l = 0; l < 32; ++l) {
      const int code = ((u8(q[l]) >> shift) & 15) | (((u8(qh[l]) >> j) & 1) << 4);
      w[l] = scale * static_cast<float>(code) - minimum;
    }
  }
}

/// Q6_K, 210 bytes, 16 sub-blocks of 16: w = (d * scale) * (q - 32)
///   u8 ql[128] | u8 qh[64] | i8 scales[16] | f16 d
///   weight 128n + 32k + l (k = 0..3, l = 0..31): bits 0-3 in ql[64n + 32 (k % 2) + l], low nibble for k < 2,
///   high nibble for k >= 2; bits 4-5 in bits 2k and up of qh[32n + l]; its scale is scales[8n + 2k + l / 16]
void decode_q6_k(const std::byte* block, float* w) {
  const std::byte* scales = block + 192;
  const float d = half_at(block + 208);
  for (int sub = 0; sub < 16; ++sub, w += 16) {
    const int n = sub / 8, k = sub / 2 % 4, h = sub % 2;
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(scales[sub]));
    const std::byte* ql = block + 64 * n + 32 * (k % 2) + 16 * h;
    const std::byte* qh = block + 128 + 32 * n + 16 * h;
    for (int l = 0; l < 16; ++l) {
      const int code = ((u8(ql[l]) >> (4 * (k / 2))) & 15) | (((u8(qh[l]) >> (2 * k)) & 3) << 4);
      w[l] = scale * static_cast<float>(code - 32);
    }
  }
}

}  // namespace lieq::pack
