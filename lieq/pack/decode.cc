// Dense floats, and the blocks of 32 or 64 weights with one or two f16 numbers. All little-endian.
// The blocks of 256 ("K") are in decode_k.cc, those with tables in decode_iq.cc.

#include "lieq/pack/decode.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "lieq/base/check.h"
#include "lieq/pack/decode_blocks.h"

namespace lieq::pack {
namespace {

static_assert(std::endian::native == std::endian::little, "weights are little-endian, and read by memcpy");

std::uint16_t u16_at(const std::byte* p) {
  std::uint16_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

float f16_at(const std::byte* p) { return f16_to_float(u16_at(p)); }

int low_nibble(std::byte b) { return std::to_integer<int>(b) & 15; }
int high_nibble(std::byte b) { return std::to_integer<int>(b) >> 4; }

/// Q4_0, 18 bytes, 32 weights: w = d * (q - 8)
///   f16 d | u8 qs[16]: low nibble of qs[j] = code j, high nibble = code j + 16
void decode_q4_0(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte* qs = block + 2;
  for (int j = 0; j < 16; ++j) {
    w[j] = d * static_cast<float>(low_nibble(qs[j]) - 8);
    w[j + 16] = d * static_cast<float>(high_nibble(qs[j]) - 8);
  }
}

/// Q4_1, 20 bytes, 32 weights: w = d * q + m
///   f16 d | f16 m | u8 qs[16] as in Q4_0
void decode_q4_1(const std::byte* block, float* w) {
  const float d = f16_at(block), m = f16_at(block + 2);
  const std::byte* qs = block + 4;
  for (int j = 0; j < 16; ++j) {
    w[j] = d * static_cast<float>(low_nibble(qs[j])) + m;
    w[j + 16] = d * static_cast<float>(high_nibble(qs[j])) + m;
  }
}

/// Bit 4 of code j from the 32 high bits of a Q5 block.
int fifth_bit(std::uint32_t qh, int j) { return static_cast<int>((qh >> j) & 1) << 4; }

/// Q5_0, 22 bytes, 32 weights: w = d * (q - 16)
///   f16 d | u32 qh: bit j = bit 4 of code j | u8 qs[16]: bits 0-3 as in Q4_0
void decode_q5_0(const std::byte* block, float* w) {
  const float d = f16_at(block);
  std::uint32_t qh = 0;
  std::memcpy(&qh, block + 2, sizeof qh);
  const std::byte* qs = block + 6;
  for (int j = 0; j < 16; ++j) {
    w[j] = d * static_cast<float>((low_nibble(qs[j]) | fifth_bit(qh, j)) - 16);
    w[j + 16] = d * static_cast<float>((high_nibble(qs[j]) | fifth_bit(qh, j + 16)) - 16);
  }
}

/// Q5_1, 24 bytes, 32 weights: w = d * q + m
///   f16 d | f16 m | u32 qh | u8 qs[16], both as in Q5_0
void decode_q5_1(const std::byte* block, float* w) {
  const float d = f16_at(block), m = f16_at(block + 2);
  std::uint32_t qh = 0;
  std::memcpy(&qh, block + 4, sizeof qh);
  const std::byte* qs = block + 8;
  for (int j = 0; j < 16; ++j) {
    w[j] = d * static_cast<float>(low_nibble(qs[j]) | fifth_bit(qh, j)) + m;
    w[j + 16] = d * static_cast<float>(high_nibble(qs[j]) | fifth_bit(qh, j + 16)) + m;
  }
}

/// Q8_0, 34 bytes, 32 weights: w = d * q
///   f16 d | i8 qs[32]
void decode_q8_0(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte* qs = block + 2;
  for (int j = 0; j < 32; ++j) w[j] = d * static_cast<float>(static_cast<std::int8_t>(qs[j]));
}

/// Q2_0, 18 bytes, 64 weights: w = d * (q - 1), so -d, 0, d or 2d
///   f16 d | u8 qs[16]: code k in bits 2 (k % 4) and up of qs[k / 4]
void decode_q2_0(const std::byte* block, float* w) {
  const float d = f16_at(block);
  const std::byte* qs = block + 2;
  for (int j = 0; j < 16; ++j) {
    const int codes = std::to_integer<int>(qs[j]);
    for (int k = 0; k < 4; ++k) w[4 * j + k] = d * static_cast<float>(((codes >> (2 * k)) & 3) - 1);
  }
}

void decode_f32(const std::byte* source, std::size_t elements, float* target) {
  std::memcpy(target, source, elements * sizeof(float));
}
void decode_f16(const std::byte* source, std::size_t elements, float* target) {
  for (std::size_t i = 0; i < elements; ++i) target[i] = f16_to_float(u16_at(source + 2 * i));
}
void decode_bf16(const std::byte* source, std::size_t elements, float* target) {
  for (std::size_t i = 0; i < elements; ++i) target[i] = bf16_to_float(u16_at(source + 2 * i));
}

/// One block after the other. The type is a template argument, so that the decoder is inlined into the loop.
template <DType kType, void (*kDecode)(const std::byte*, float*)>
void decode_blocks(const std::byte* source, std::size_t elements, float* target) {
  const std::size_t step = block_elements(kType), bytes = block_bytes(kType);
  for (std::size_t i = 0; i < elements; i += step, source += bytes) kDecode(source, target + i);
}

using Decoder = void (*)(const std::byte*, std::size_t, float*);

/// nullptr: no weight type.
Decoder decoder(DType type) {
  switch (type) {
    case DType::kF32: return decode_f32;
    case DType::kF16: return decode_f16;
    case DType::kBF16: return decode_bf16;
    case DType::kQ4_0: return decode_blocks<DType::kQ4_0, decode_q4_0>;
    case DType::kQ4_1: return decode_blocks<DType::kQ4_1, decode_q4_1>;
    case DType::kQ5_0: return decode_blocks<DType::kQ5_0, decode_q5_0>;
    case DType::kQ5_1: return decode_blocks<DType::kQ5_1, decode_q5_1>;
    case DType::kQ8_0: return decode_blocks<DType::kQ8_0, decode_q8_0>;
    case DType::kQ2_0: return decode_blocks<DType::kQ2_0, decode_q2_0>;
    case DType::kQ2_K: return decode_blocks<DType::kQ2_K, decode_q2_k>;
    case DType::kQ3_K: return decode_blocks<DType::kQ3_K, decode_q3_k>;
    case DType::kQ4_K: return decode_blocks<DType::kQ4_K, decode_q4_k>;
    case DType::kQ5_K: return decode_blocks<DType::kQ5_K, decode_q5_k>;
    case DType::kQ6_K: return decode_blocks<DType::kQ6_K, decode_q6_k>;
    case DType::kIQ1_S: return decode_blocks<DType::kIQ1_S, decode_iq1_s>;
    case DType::kIQ1_M: return decode_blocks<DType::kIQ1_M, decode_iq1_m>;
    case DType::kIQ2_XXS: return decode_blocks<DType::kIQ2_XXS, decode_iq2_xxs>;
    case DType::kIQ2_XS: return decode_blocks<DType::kIQ2_XS, decode_iq2_xs>;
    case DType::kIQ2_S: return decode_blocks<DType::kIQ2_S, decode_iq2_s>;
    case DType::kIQ3_XXS: return decode_blocks<DType::kIQ3_XXS, decode_iq3_xxs>;
    case DType::kIQ3_S: return decode_blocks<DType::kIQ3_S, decode_iq3_s>;
    case DType::kIQ4_NL: return decode_blocks<DType::kIQ4_NL, decode_iq4_nl>;
    case DType::kIQ4_XS: return decode_blocks<DType::kIQ4_XS, decode_iq4_xs>;
    case DType::kTQ1_0: return decode_blocks<DType::kTQ1_0, decode_tq1_0>;
    case DType::kTQ2_0: return decode_blocks<DType::kTQ2_0, decode_tq2_0>;
    case DType::kMXFP4: return decode_blocks<DType::kMXFP4, decode_mxfp4>;
    default: return nullptr;
  }
}

}  // namespace

bool is_weight_type(DType type) { return decoder(type) != nullptr; }

void decode(DType type, const std::byte* source, std::size_t elements, float* target) {
  const Decoder decode_all = decoder(type);
  LIEQ_CHECK(decode_all != nullptr);
  LIEQ_CHECK(elements % block_elements(type) == 0);
  if (elements > 0) decode_all(source, elements, target);
}

}  // namespace lieq::pack
