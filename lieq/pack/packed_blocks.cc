#include "lieq/pack/packed_blocks.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lieq/base/check.h"

namespace lieq::pack {
namespace {

constexpr std::size_t kRows = PackedMatrix::kBlockRows, kInputs = PackedMatrix::kUnitInputs;

std::uint16_t half_bits_at(const std::byte* p) {
  std::uint16_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Each writes the 32 codes of one unit of a block. Layouts: decode.cc.

template <std::size_t kAt>
void nibbles(const std::byte* block, std::size_t, std::uint8_t* codes) {
  const auto* qs = reinterpret_cast<const std::uint8_t*>(block + kAt);
  for (std::size_t j = 0; j < 16; ++j) {
    codes[j] = qs[j] & 15;
    codes[j + 16] = qs[j] >> 4;
  }
}

template <std::size_t kAt>
void nibbles_and_fifth_bits(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  nibbles<kAt + 4>(block, unit, codes);
  std::uint32_t high = 0;
  std::memcpy(&high, block + kAt, sizeof high);
  for (std::size_t j = 0; j < 32; ++j) codes[j] = static_cast<std::uint8_t>(codes[j] | ((high >> j) & 1) << 4);
}

void signed_bytes(const std::byte* block, std::size_t, std::uint8_t* codes) {
  const auto* qs = reinterpret_cast<const std::uint8_t*>(block + 2);
  for (std::size_t j = 0; j < 32; ++j) codes[j] = qs[j] ^ 0x80;  // + 128
}

void two_bits(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  const auto* qs = reinterpret_cast<const std::uint8_t*>(block + 2 + 8 * unit);
  for (std::size_t j = 0; j < 32; ++j) codes[j] = (qs[j / 4] >> (2 * (j % 4))) & 3;
}

/// How a block's numbers become those of a group. All begin with the scale; minima follow it.
struct Form {
  DType type;
  unsigned bits;
  Origin origin;
  std::uint16_t double_zero;
  void (*codes)(const std::byte* block, std::size_t unit, std::uint8_t* codes);
};

constexpr Form kForms[] = {
    {DType::kQ2_0, 2, Origin::kZero, 2, two_bits},
    {DType::kQ4_0, 4, Origin::kZero, 16, nibbles<2>},
    {DType::kQ4_1, 4, Origin::kMinimum, 0, nibbles<4>},
    {DType::kQ5_0, 8, Origin::kZero, 32, nibbles_and_fifth_bits<2>},
    {DType::kQ5_1, 8, Origin::kMinimum, 0, nibbles_and_fifth_bits<4>},
    {DType::kQ8_0, 8, Origin::kZero, 256, signed_bytes},
};

void fill_block(const StoredMatrix& matrix, const Form& form, std::size_t b, PackedMatrix& packed) {
  const std::size_t first = b * kRows, count = std::min(kRows, matrix.rows - first);
  const std::byte* rows[kRows] = {};
  for (std::size_t r = 0; r < count; ++r) rows[r] = matrix.row(first + r);
  std::uint8_t codes[kRows * kInputs] = {};
  for (std::size_t g = 0; g < packed.groups(); ++g) {
    const std::size_t at = g * block_bytes(matrix.type);
    for (std::size_t u = 0; u < packed.units_per_group(); ++u) {
      for (std::size_t r = 0; r < count; ++r) form.codes(rows[r] + at, u, codes + r * kInputs);
      packed.set_unit(b, g, u, codes);
    }
    for (std::size_t r = 0; r < count; ++r) {
      const std::byte* block = rows[r] + at;
      packed.set_group(first + r, g, half_bits_at(block),
                       form.origin == Origin::kMinimum ? half_bits_at(block + 2) : form.double_zero);
    }
  }
}

}  // namespace

bool fits_packed(DType type) { return std::ranges::find(kForms, type, &Form::type) != std::end(kForms); }

PackedMatrix pack_blocks(Threads& threads, const StoredMatrix& matrix) {
  const auto* form = std::ranges::find(kForms, matrix.type, &Form::type);
  LIEQ_CHECK(form != std::end(kForms) && matrix.is_stored());
  PackedMatrix packed(matrix.rows, matrix.cols, form->bits, block_elements(matrix.type), form->origin);
  threads.for_each(packed.blocks(),
                   [&](std::size_t block, std::size_t) { fill_block(matrix, *form, block, packed); });
  return packed;
}

}  // namespace lieq::pack
