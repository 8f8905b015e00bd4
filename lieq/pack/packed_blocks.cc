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

const std::uint8_t* bytes_at(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }

// Each writes the 32 codes of one unit of a block. Layouts: decode.cc, decode_k.cc, decode_iq.cc.

template <std::size_t kAt, std::size_t kStep = 0>
void nibbles(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  const std::uint8_t* qs = bytes_at(block + kAt + kStep * unit);
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
  const std::uint8_t* qs = bytes_at(block + 2);
  for (std::size_t j = 0; j < 32; ++j) codes[j] = qs[j] ^ 0x80;  // + 128
}

void two_bits(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  const std::uint8_t* qs = bytes_at(block + 2 + 8 * unit);
  for (std::size_t j = 0; j < 32; ++j) codes[j] = (qs[j / 4] >> (2 * (j % 4))) & 3;
}

/// codes = bits `shift` and up of 32 bytes, below 2^bits, from bit `to` on.
void add_bits(const std::byte* source, std::size_t shift, unsigned bits, unsigned to, std::uint8_t* codes) {
  const std::uint8_t* bytes = bytes_at(source);
  const auto mask = static_cast<std::uint8_t>((1U << bits) - 1);
  for (std::size_t j = 0; j < 32; ++j)
    codes[j] = static_cast<std::uint8_t>((to == 0 ? 0 : codes[j]) | ((bytes[j] >> shift) & mask) << to);
}

void codes_q2_k(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  add_bits(block + 16 + 32 * (unit / 4), 2 * (unit % 4), 2, 0, codes);
}
void codes_q3_k(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  add_bits(block + 32 + 32 * (unit / 4), 2 * (unit % 4), 2, 0, codes);
  add_bits(block, unit, 1, 2, codes);
}
template <std::size_t kAt>
void codes_q4_k(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  add_bits(block + kAt + 32 * (unit / 2), 4 * (unit % 2), 4, 0, codes);
}
void codes_q5_k(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  codes_q4_k<48>(block, unit, codes);
  add_bits(block + 16, unit, 1, 4, codes);
}
void codes_q6_k(const std::byte* block, std::size_t unit, std::uint8_t* codes) {
  const std::size_t n = unit / 4, k = unit % 4;
  add_bits(block + 64 * n + 32 * (k % 2), 4 * (k / 2), 4, 0, codes);
  add_bits(block + 128 + 32 * n, 2 * k, 2, 4, codes);
}

/// The integers that scale a group, of two levels.
struct Small {
  int scale, minimum;
};

Small small_q2_k(const std::byte* block, std::size_t group) {
  const std::uint8_t byte = *bytes_at(block + group);
  return {byte & 15, byte >> 4};
}
Small small_q3_k(const std::byte* block, std::size_t group) {
  const std::uint8_t* s = bytes_at(block + 96);
  const int low = (s[group % 8] >> (4 * (group / 8))) & 15, high = (s[8 + group % 4] >> (2 * (group / 4))) & 3;
  return {(low | high << 4) - 32, 0};
}
Small small_q4_k(const std::byte* block, std::size_t group) {
  const std::uint8_t* s = bytes_at(block + 4) + group % 4;
  if (group < 4) return {s[0] & 63, s[4] & 63};
  return {(s[8] & 15) | (s[0] >> 6) << 4, (s[8] >> 4) | (s[4] >> 6) << 4};
}
Small small_q6_k(const std::byte* block, std::size_t group) {
  return {static_cast<std::int8_t>(*bytes_at(block + 192 + group)), 0};
}
Small small_iq4_xs(const std::byte* block, std::size_t group) {
  const int low = (*bytes_at(block + 4 + group / 2) >> (4 * (group % 2))) & 15;
  return {(low | ((half_bits_at(block + 2) >> (2 * group)) & 3) << 4) - 32, 0};
}

/// How a block's numbers become those of groups.
struct Form {
  DType type;
  PackedForm packed;
  void (*codes)(const std::byte* block, std::size_t unit, std::uint8_t* codes);
  std::size_t scale_at = 0, minimum_at = 2;                             // offsets of the halves
  Small (*small)(const std::byte* block, std::size_t group) = nullptr;  // of two levels
};

constexpr PackedForm halves(unsigned bits, std::size_t group_size, std::uint16_t double_zero, bool levels = false) {
  return {bits, group_size, Origin::kZero, Scales::kHalves, double_zero, levels};
}
constexpr PackedForm with_minima(unsigned bits, std::size_t group_size, Scales scales) {
  return {bits, group_size, Origin::kMinimum, scales, {}, false};
}
constexpr PackedForm two_levels(unsigned bits, std::size_t group_size, std::uint16_t double_zero, bool levels = false) {
  return {bits, group_size, Origin::kZero, Scales::kBytes, double_zero, levels};
}

constexpr Form kForms[] = {
    {DType::kQ2_0, halves(2, 64, 2), two_bits},
    {DType::kQ4_0, halves(4, 32, 16), nibbles<2>},
    {DType::kQ4_1, with_minima(4, 32, Scales::kHalves), nibbles<4>},
    {DType::kQ5_0, halves(5, 32, 32), nibbles_and_fifth_bits<2>},
    {DType::kQ5_1, with_minima(5, 32, Scales::kHalves), nibbles_and_fifth_bits<4>},
    {DType::kQ8_0, halves(8, 32, 256), signed_bytes},
    {DType::kIQ4_NL, halves(4, 32, 256, true), nibbles<2>},
    {DType::kQ2_K, with_minima(2, 16, Scales::kNibbles), codes_q2_k, 80, 82, small_q2_k},
    {DType::kQ3_K, two_levels(3, 16, 8), codes_q3_k, 108, 0, small_q3_k},
    {DType::kQ4_K, with_minima(4, 32, Scales::kBytes), codes_q4_k<16>, 0, 2, small_q4_k},
    {DType::kQ5_K, with_minima(5, 32, Scales::kBytes), codes_q5_k, 0, 2, small_q4_k},
    {DType::kQ6_K, two_levels(6, 16, 64), codes_q6_k, 208, 0, small_q6_k},
    {DType::kIQ4_XS, two_levels(4, 32, 256, true), nibbles<8, 16>, 0, 0, small_iq4_xs},
};

/// The scales of one block of the file: number `number` of its row.
void set_scales(const Form& form, const std::byte* block, std::size_t row, std::size_t number, PackedMatrix& packed) {
  const std::uint16_t scale = half_bits_at(block + form.scale_at);
  const std::uint16_t minimum = packed.has_minima() ? half_bits_at(block + form.minimum_at) : std::uint16_t{0};
  if (!form.small) return packed.set_group(row, number, scale, minimum);
  packed.set_super(row, number, scale, minimum);
  const std::size_t groups = block_elements(form.type) / packed.group_size();
  for (std::size_t g = 0; g < groups; ++g) {
    const Small small = form.small(block, g);
    packed.set_small(row, number * groups + g, small.scale, small.minimum);
  }
}

/// A block of rows: 16 rows, all their blocks of the file.
void fill_block(const StoredMatrix& matrix, const Form& form, std::size_t b, PackedMatrix& packed) {
  const std::size_t first = b * kRows, count = std::min(kRows, matrix.rows - first);
  const std::size_t elements = block_elements(form.type), groups = elements / packed.group_size();
  const std::byte* rows[kRows] = {};
  for (std::size_t r = 0; r < count; ++r) rows[r] = matrix.row(first + r);
  std::uint8_t codes[kRows * kInputs] = {};
  for (std::size_t n = 0; n < matrix.cols / elements; ++n) {
    for (std::size_t u = 0; u < elements / kInputs; ++u) {
      for (std::size_t r = 0; r < count; ++r) form.codes(rows[r], u, codes + r * kInputs);
      packed.set_unit(b, n * groups, u, codes);
    }
    for (std::size_t r = 0; r < count; ++r) {
      set_scales(form, rows[r], first + r, n, packed);
      rows[r] += block_bytes(form.type);
    }
  }
}

}  // namespace

bool fits_packed(DType type) { return std::ranges::find(kForms, type, &Form::type) != std::end(kForms); }

PackedMatrix pack_blocks(Threads& threads, const StoredMatrix& matrix) {
  const auto* form = std::ranges::find(kForms, matrix.type, &Form::type);
  LIEQ_CHECK(form != std::end(kForms) && matrix.is_stored());
  PackedMatrix packed(matrix.rows, matrix.cols, form->packed);
  threads.for_each(packed.blocks(), [&](std::size_t block, std::size_t) { fill_block(matrix, *form, block, packed); });
  return packed;
}

}  // namespace lieq::pack
