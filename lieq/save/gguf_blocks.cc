#include "lieq/save/gguf_blocks.h"

#include <fmt/format.h>

#include "lieq/base/check.h"

namespace lieq::save {
namespace {

/// What the blocks of one type want to know of 32 or 64 codes.
struct Block {
  const std::uint8_t* codes;
  std::uint16_t scale, double_zero, minimum;
};

void put_half(std::byte*& target, std::uint16_t half) {
  *target++ = static_cast<std::byte>(half & 255);
  *target++ = static_cast<std::byte>(half >> 8);
}

std::uint16_t negative(std::uint16_t half) { return half ^ 0x8000; }

/// Whether the zero point is the type's own, or the one that the mirrored codes have.
bool is_mirrored(const Block& block, unsigned own_double_zero) { return block.double_zero != own_double_zero; }

void put_q2_0(const Block& block, std::byte* target) {
  const bool mirrored = is_mirrored(block, 2);
  put_half(target, mirrored ? negative(block.scale) : block.scale);
  for (std::size_t k = 0; k < 64; k += 4) {
    unsigned byte = 0;
    for (std::size_t i = 0; i < 4; ++i)
      byte |= (mirrored ? 3U - block.codes[k + i] : block.codes[k + i]) << (2 * i);
    *target++ = static_cast<std::byte>(byte);
  }
}

void put_nibbles(const std::uint8_t* codes, unsigned flip, std::byte* target) {
  for (std::size_t j = 0; j < 16; ++j) {
    const unsigned low = codes[j] ^ flip, high = codes[j + 16] ^ flip;  // 15 - q is q with all bits turned
    *target++ = static_cast<std::byte>(low | high << 4);
  }
}

void put_q4_0(const Block& block, std::byte* target) {
  const bool mirrored = is_mirrored(block, 16);
  put_half(target, mirrored ? negative(block.scale) : block.scale);
  put_nibbles(block.codes, mirrored ? 15 : 0, target);
}

void put_q4_1(const Block& block, std::byte* target) {
  put_half(target, block.scale);
  put_half(target, block.minimum);
  put_nibbles(block.codes, 0, target);
}

void put_q8_0(const Block& block, std::byte* target) {
  const bool mirrored = is_mirrored(block, 256);
  put_half(target, mirrored ? negative(block.scale) : block.scale);
  for (std::size_t j = 0; j < 32; ++j) {
    const int code = mirrored ? 255 - block.codes[j] : block.codes[j];
    *target++ = static_cast<std::byte>(code - 128);
  }
}

/// -s z, rounded once.
std::uint16_t minimum_of(std::uint16_t scale, std::uint16_t double_zero) {
  return float_to_f16(-f16_to_float(scale) * (0.5F * static_cast<float>(double_zero)));
}

Unexpected refuse(const pack::StoredMatrix& matrix, const std::string& place, const std::string& found,
                  const std::string& expected) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: tensor '{}': found {}, GGUF holds {}", place, matrix.name, found, expected));
}

}  // namespace

Result<DType> block_type_of(const pack::StoredMatrix& matrix, const std::string& place) {
  const auto facts = code_facts(matrix);
  LIEQ_CHECK(facts);
  const std::string codes = fmt::format("{}-bit codes", facts->bits);
  if (!facts->in_order)
    return refuse(matrix, place, "groups in activation order",
                  "groups of neighbours only (quantise with another --act-order)");
  const auto whole_groups = [&](std::size_t block) -> Result<void> {
    if (facts->group_size % block == 0) return {};
    return refuse(matrix, place, fmt::format("{} in groups of {}", codes, facts->group_size),
                  fmt::format("them in groups of a multiple of {} (quantise with --group-size {})", block, block));
  };
  const ZeroPoints zeros = facts->has_minima ? ZeroPoints{} : zero_points(matrix);
  switch (facts->bits) {
    case 2:
      LIEQ_TRY(whole_groups(64));
      if (zeros.only({2, 4})) return DType::kQ2_0;
      return refuse(matrix, place, "2-bit codes with a zero point other than 1 or 2",
                    "those only (quantise with --grid skew or sym; Q2_0's levels are -1, 0, 1 and 2)");
    case 4:
      LIEQ_TRY(whole_groups(32));
      return !facts->has_minima && zeros.only({14, 16}) ? DType::kQ4_0 : DType::kQ4_1;
    case 8:
      LIEQ_TRY(whole_groups(32));
      if (!facts->has_minima && zeros.only({254, 256})) return DType::kQ8_0;
      return refuse(matrix, place, "8-bit codes with a zero point other than 127 or 128",
                    "those only (quantise with --grid skew or sym)");
    default:
      return refuse(matrix, place, codes, "widths of 2, 4 and 8 bits with such scales (quantise to one of those)");
  }
}

void codes_to_blocks(const LinearCodes& codes, std::size_t row, DType type, std::byte* target) {
  const pack::QuantizedMatrix& m = codes.matrix;
  const std::size_t elements = block_elements(type);
  for (std::size_t j = 0; j < m.cols; j += elements, target += block_bytes(type)) {
    const std::size_t g = row * m.groups() + j / m.group_size;
    const Block block = {m.codes.data() + row * m.cols + j, m.scales[g], m.double_zeros[g],
                         codes.minima.empty() ? minimum_of(m.scales[g], m.double_zeros[g]) : codes.minima[g]};
    switch (type) {
      case DType::kQ2_0: put_q2_0(block, target); break;
      case DType::kQ4_0: put_q4_0(block, target); break;
      case DType::kQ4_1: put_q4_1(block, target); break;
      case DType::kQ8_0: put_q8_0(block, target); break;
      default: LIEQ_CHECK(false);
    }
  }
}

}  // namespace lieq::save
