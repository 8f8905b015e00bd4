#include "lieq/pack/finite.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/pack/decode.h"

namespace lieq::pack {
namespace {

/// True if no element has all exponent bits set. Branch-free, so that it vectorises.
template <class Bits>
bool elements_finite(std::span<const std::byte> bytes, Bits exponent) {
  unsigned bad = 0;
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i, sizeof bits);
    bad |= static_cast<unsigned>((bits & exponent) == exponent);
  }
  return bad == 0;
}

/// Checks the half-precision scales at the given byte offsets of each block.
bool scales_finite(DType type, std::span<const std::byte> blocks, std::initializer_list<std::size_t> offsets) {
  for (std::size_t block = 0; block < blocks.size(); block += block_bytes(type)) {
    for (const std::size_t offset : offsets) {
      if (!elements_finite<std::uint16_t>(blocks.subspan(block + offset, 2), 0x7C00)) return false;
    }
  }
  return true;
}

/// For scales that are no f16 number at one place.
bool decoded_finite(DType type, std::span<const std::byte> blocks) {
  std::vector<float> weights(block_elements(type));
  for (std::size_t block = 0; block < blocks.size(); block += block_bytes(type)) {
    decode(type, blocks.data() + block, weights.size(), weights.data());
    if (!elements_finite<std::uint32_t>(std::as_bytes(std::span(weights)), 0x7F800000U)) return false;
  }
  return true;
}

}  // namespace

bool all_finite(DType type, std::span<const std::byte> blocks) {
  LIEQ_CHECK(blocks.size() % block_bytes(type) == 0);
  switch (type) {
    case DType::kF32: return elements_finite<std::uint32_t>(blocks, 0x7F800000U);
    case DType::kF16: return elements_finite<std::uint16_t>(blocks, 0x7C00);
    case DType::kBF16: return elements_finite<std::uint16_t>(blocks, 0x7F80);
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kQ2_0:
    case DType::kIQ1_S:
    case DType::kIQ2_XXS:
    case DType::kIQ2_XS:
    case DType::kIQ2_S:
    case DType::kIQ3_XXS:
    case DType::kIQ3_S:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS: return scales_finite(type, blocks, {0});
    case DType::kTQ1_0: return scales_finite(type, blocks, {52});
    case DType::kTQ2_0: return scales_finite(type, blocks, {64});
    case DType::kIQ1_M:
    case DType::kMXFP4: return decoded_finite(type, blocks);
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K: return scales_finite(type, blocks, {0, 2});
    case DType::kQ2_K: return scales_finite(type, blocks, {80, 82});
    case DType::kQ3_K: return scales_finite(type, blocks, {108});
    case DType::kQ6_K: return scales_finite(type, blocks, {208});
    default: LIEQ_CHECK(false);
  }
}

}  // namespace lieq::pack
