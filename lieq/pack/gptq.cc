#include "lieq/pack/gptq.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/pack/bit_stream.h"

namespace lieq::pack {
namespace {

bool is_packable(unsigned bits) { return bits == 2 || bits == 3 || bits == 4 || bits == 8; }

/// Fields that fill whole words: 32 for 3 bits.
std::size_t fields_per_unit(unsigned bits) { return bits == 3 ? 32 : 32 / bits; }

/// The field for a zero point given as twice its value, or -1 when the format has none for it.
std::int64_t zero_field(std::uint32_t double_zero, ZeroFormat format, unsigned bits) {
  const std::int64_t twice = double_zero;
  if (format != ZeroFormat::kHalf && twice % 2 != 0) return -1;
  const std::int64_t field = format == ZeroFormat::kV1   ? twice / 2 - 1
                             : format == ZeroFormat::kV2 ? twice / 2
                                                         : twice - 1;
  return field < (std::int64_t{1} << bits) ? field : -1;
}

const char* name(ZeroFormat format) {
  switch (format) {
    case ZeroFormat::kV1: return "GPTQ v1";
    case ZeroFormat::kV2: return "GPTQ v2";
    case ZeroFormat::kHalf: return "the half-integer form";
  }
  return "?";
}

/// qzeros with the zero points of v2 in them.
std::vector<std::int32_t> v1_to_v2(std::vector<std::int32_t> words, unsigned bits, std::size_t out) {
  if (bits != 3) {
    const std::uint32_t ones = bits == 2 ? 0x55555555U : bits == 4 ? 0x11111111U : 0x01010101U;
    for (std::int32_t& word : words) word = static_cast<std::int32_t>(static_cast<std::uint32_t>(word) + ones);
    return words;
  }
  std::vector<std::int32_t> raised(words.size());
  const std::size_t row = out * bits / 32;
  for (std::size_t first = 0; first < words.size(); first += row) {
    const FieldStream from(std::span{words}, first, 1, bits), to(std::span{raised}, first, 1, bits);
    for (std::size_t i = 0; i < out; ++i) to.put(i, (from.get(i) + 1) & 7);
  }
  return raised;
}

Result<void> check_sizes(std::size_t in, std::size_t out, unsigned bits, const std::string& place, ErrorCode code) {
  if (in == 0 || in % 32 != 0)
    return fail(code, fmt::format("{}: found {} inputs, expected a multiple of 32", place, in));
  if (out == 0 || out % fields_per_unit(bits) != 0)
    return fail(code, fmt::format("{}: found {} outputs, expected a multiple of {} for {} bits", place, out,
                                  fields_per_unit(bits), bits));
  return {};
}

Result<void> expect_size(const std::string& place, const char* tensor, std::size_t found, std::size_t expected) {
  if (found == expected) return {};
  return fail(ErrorCode::kInvalidFormat, fmt::format("{}.{}: found {} elements, expected {}", place, tensor, found,
                                                     expected));
}

Result<void> check_g_idx(const GptqView& tensors, const std::string& place) {
  for (const std::int32_t g : tensors.g_idx)
    if (g < 0 || static_cast<std::size_t>(g) >= tensors.groups)
      return fail(ErrorCode::kInvalidFormat, fmt::format("{}.g_idx: found group {}, expected below {}", place, g,
                                                         tensors.groups));
  return {};
}

Result<void> check_equal_groups(const GptqView& t, const std::string& place) {
  if (t.in % t.groups != 0)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {} groups, expected a divisor of {} inputs", place,
                                                       t.groups, t.in));
  std::vector<std::size_t> members(t.groups);
  for (const std::int32_t g : t.g_idx) ++members[static_cast<std::size_t>(g)];
  if (std::ranges::adjacent_find(members, std::not_equal_to<>()) != members.end())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}.g_idx: found groups of different sizes, expected {} inputs in each",
                                                       place, t.in / t.groups));
  return {};
}

/// All but the scales and what makes groups equal.
Result<void> check_codes(const GptqView& t, const std::string& place) {
  if (!is_packable(t.bits)) return fail(ErrorCode::kUnsupported,
                                        fmt::format("{}: found {} bits, expected 2, 3, 4 or 8", place, t.bits));
  LIEQ_TRY(check_sizes(t.in, t.out, t.bits, place, ErrorCode::kInvalidFormat));
  if (t.groups == 0 || t.groups > t.in)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {} groups, expected 1 to {}", place, t.groups, t.in));
  LIEQ_TRY(expect_size(place, "qweight", t.qweight.size(), t.in / 32 * t.bits * t.out));
  LIEQ_TRY(expect_size(place, "qzeros", t.qzeros.size(), t.groups * (t.out * t.bits / 32)));
  LIEQ_TRY(expect_size(place, "g_idx", t.g_idx.size(), t.in));
  return check_g_idx(t, place);
}

Result<void> check_tensors(const GptqView& t, const std::string& place) {
  LIEQ_TRY(check_codes(t, place));
  LIEQ_TRY(expect_size(place, "scales", t.scales.size(), t.groups * t.out));
  return check_equal_groups(t, place);
}

/// qzeros with v1's fields raised, which `raised` then keeps.
std::span<const std::int32_t> zero_fields(const GptqView& t, ZeroFormat format, std::vector<std::int32_t>& raised) {
  if (format != ZeroFormat::kV1) return t.qzeros;
  raised = v1_to_v2({t.qzeros.begin(), t.qzeros.end()}, t.bits, t.out);
  return raised;
}

/// Calls take(row, double_zero) for each row of group g.
template <class Take>
void for_each_row(const GptqView& t, std::span<const std::int32_t> qzeros, ZeroFormat format, std::size_t g,
                  const Take& take) {
  const FieldStream stream(qzeros, g * (t.out * t.bits / 32), 1, t.bits);
  for (std::size_t i = 0; i < t.out; ++i) {
    const std::uint32_t field = stream.get(i);
    take(i, static_cast<std::uint16_t>(format == ZeroFormat::kHalf ? field + 1 : 2 * field));
  }
}

void read_row(const GptqView& t, std::size_t row, std::uint8_t* codes) {
  const FieldStream stream(t.qweight, row, t.out, t.bits);
  for (std::size_t j = 0; j < t.in; ++j) codes[j] = static_cast<std::uint8_t>(stream.get(j));
}

bool is_in_order(const GptqView& t) {
  const std::size_t group_size = t.in / t.groups;
  for (std::size_t j = 0; j < t.in; ++j)
    if (static_cast<std::size_t>(t.g_idx[j]) != j / group_size) return false;
  return true;
}

std::uint32_t swap_fields(std::uint32_t word, unsigned distance, std::uint32_t low_fields) {
  const std::uint32_t change = (word ^ (word >> distance)) & low_fields;
  return word ^ change ^ (change << distance);
}

/// A word of consecutive codes as a lane of PackedMatrix: code 4 s + b goes to byte b, field s.
std::uint32_t lane_of(std::uint32_t word, unsigned bits) {
  if (bits == 2) return swap_fields(swap_fields(word, 6, 0x00CC00CC), 12, 0x0000F0F0);
  if (bits == 4) return swap_fields(swap_fields(word, 8, 0x0000FF00), 4, 0x00F000F0);
  return word;
}

/// One unit of 2, 4 or 8 bits: a word of GPTQ holds the inputs of a lane.
void repack_unit(const GptqView& t, std::size_t block, std::size_t g, std::size_t u, PackedMatrix& packed) {
  constexpr std::size_t kRows = PackedMatrix::kBlockRows;
  const std::size_t first_row = block * kRows, rows = std::min(kRows, t.out - first_row);
  const std::size_t first_word = (g * packed.group_size() + u * PackedMatrix::kUnitInputs) * t.bits / 32;
  std::uint8_t* target = packed.codes(block, g) + u * packed.unit_bytes();
  for (std::size_t chunk = 0; chunk < t.bits; ++chunk) {
    std::uint32_t lanes[kRows] = {};
    const std::int32_t* words = t.qweight.data() + (first_word + chunk) * t.out + first_row;
    for (std::size_t r = 0; r < rows; ++r) lanes[r] = lane_of(static_cast<std::uint32_t>(words[r]), t.bits);
    std::memcpy(target + chunk * PackedMatrix::kChunkBytes, lanes, sizeof lanes);
  }
}

/// One unit of 3 bits: three words.
void repack_unit_of_3_bits(const GptqView& t, std::size_t block, std::size_t g, std::size_t u, PackedMatrix& packed) {
  constexpr std::size_t kRows = PackedMatrix::kBlockRows, kInputs = PackedMatrix::kUnitInputs;
  const std::size_t first_row = block * kRows, first = g * packed.group_size() + u * kInputs;
  std::uint8_t codes[kRows * kInputs] = {};
  for (std::size_t r = 0; r < std::min(kRows, t.out - first_row); ++r) {
    const FieldStream stream(t.qweight, first_row + r, t.out, 3);
    for (std::size_t k = 0; k < kInputs; ++k) codes[r * kInputs + k] = static_cast<std::uint8_t>(stream.get(first + k));
  }
  packed.set_unit(block, g, u, codes);
}

}  // namespace

Result<GptqTensors> pack_gptq(const QuantizedMatrix& m, ZeroFormat format, const std::string& place) {
  LIEQ_CHECK(is_packable(m.bits));
  LIEQ_TRY(check_sizes(m.cols, m.rows, m.bits, place, ErrorCode::kInvalidArgument));
  GptqTensors t;
  t.in = m.cols;
  t.out = m.rows;
  t.groups = m.groups();
  t.bits = m.bits;
  t.qweight.resize(m.cols / 32 * m.bits * m.rows);
  t.qzeros.resize(t.groups * (m.rows * m.bits / 32));
  t.scales.resize(t.groups * m.rows);
  for (std::size_t i = 0; i < m.rows; ++i) {
    const FieldStream stream(std::span{t.qweight}, i, m.rows, m.bits);
    for (std::size_t j = 0; j < m.cols; ++j) stream.put(j, m.codes[i * m.cols + j]);
  }
  for (std::size_t g = 0; g < t.groups; ++g) {
    const FieldStream stream(std::span{t.qzeros}, g * (m.rows * m.bits / 32), 1, m.bits);
    for (std::size_t i = 0; i < m.rows; ++i) {
      const std::uint16_t double_zero = m.double_zeros[i * t.groups + g];
      const std::int64_t field = zero_field(double_zero, format, m.bits);
      if (field < 0)
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{}: found zero point {}, which {} at {} bits cannot hold", place, 0.5 * double_zero,
                                name(format), m.bits));
      stream.put(i, static_cast<std::uint32_t>(field));
      t.scales[g * m.rows + i] = m.scales[i * t.groups + g];
    }
  }
  t.g_idx.resize(m.cols);
  for (std::size_t j = 0; j < m.cols; ++j) t.g_idx[j] = narrow<std::int32_t>(m.group_of(j));
  return t;
}

Result<QuantizedMatrix> unpack_gptq(const GptqView& t, ZeroFormat format, const std::string& place) {
  LIEQ_TRY(check_tensors(t, place));
  QuantizedMatrix m;
  m.rows = t.out;
  m.cols = t.in;
  m.bits = t.bits;
  m.group_size = t.in / t.groups;
  m.codes.resize(m.rows * m.cols);
  m.scales.resize(m.rows * t.groups);
  m.double_zeros.resize(m.rows * t.groups);
  for (std::size_t i = 0; i < m.rows; ++i) read_row(t, i, m.codes.data() + i * m.cols);
  std::vector<std::int32_t> raised;
  const std::span<const std::int32_t> qzeros = zero_fields(t, format, raised);
  for (std::size_t g = 0; g < t.groups; ++g)
    for_each_row(t, qzeros, format, g, [&](std::size_t i, std::uint16_t double_zero) {
      m.double_zeros[i * t.groups + g] = double_zero;
      m.scales[i * t.groups + g] = t.scales[g * t.out + i];
    });
  if (!is_in_order(t)) m.g_idx.assign(t.g_idx.begin(), t.g_idx.end());
  return m;
}

Result<GroupedMatrix> group_gptq(Threads& threads, const GptqView& t, std::span<const float> scales, ZeroFormat format,
                                 const std::string& place) {
  LIEQ_TRY(check_codes(t, place));
  LIEQ_TRY(expect_size(place, "scales", scales.size(), t.groups * t.out));
  auto groups = equal_groups(t.g_idx, t.groups);
  if (!groups)
    return fail(ErrorCode::kInvalidFormat,
                place + ".g_idx: found groups of odd sizes, expected sizes with a common divisor of at least 8");
  GroupedMatrix m{t.out, t.in, t.bits, groups->group_size, Origin::kZero, {}, {}, {}, std::move(groups->g_idx)};
  m.codes.resize(m.rows * m.cols);
  m.scales.resize(m.rows * m.groups());
  m.origins.resize(m.rows * m.groups());
  threads.for_each(m.rows, [&](std::size_t i, std::size_t) { read_row(t, i, m.codes.data() + i * m.cols); });
  std::vector<std::int32_t> raised;
  const std::span<const std::int32_t> qzeros = zero_fields(t, format, raised);
  threads.for_each(m.groups(), [&](std::size_t g, std::size_t) {
    const std::size_t source = groups->source[g];
    for_each_row(t, qzeros, format, source, [&](std::size_t i, std::uint16_t double_zero) {
      m.scales[i * m.groups() + g] = scales[source * t.out + i];
      m.origins[i * m.groups() + g] = 0.5F * static_cast<float>(double_zero);
    });
  });
  return m;
}

Result<PackedMatrix> repack_gptq(Threads& threads, const GptqView& t, ZeroFormat format, const std::string& place) {
  LIEQ_TRY(check_tensors(t, place));
  const std::size_t group_size = t.in / t.groups;
  if (group_size % PackedMatrix::kUnitInputs != 0 || !is_in_order(t)) {
    LIEQ_ASSIGN(const QuantizedMatrix matrix, unpack_gptq(t, format, place));
    return PackedMatrix(threads, matrix);
  }
  PackedMatrix packed(t.out, t.in, t.bits, group_size);
  threads.for_each(packed.blocks(), [&](std::size_t block, std::size_t) {
    for (std::size_t g = 0; g < t.groups; ++g)
      for (std::size_t u = 0; u < packed.units_per_group(); ++u)
        t.bits == 3 ? repack_unit_of_3_bits(t, block, g, u, packed) : repack_unit(t, block, g, u, packed);
  });
  std::vector<std::int32_t> raised;
  const std::span<const std::int32_t> qzeros = zero_fields(t, format, raised);
  threads.for_each(t.groups, [&](std::size_t g, std::size_t) {
    for_each_row(t, qzeros, format, g, [&](std::size_t i, std::uint16_t double_zero) {
      packed.set_group(i, g, t.scales[g * t.out + i], double_zero);
    });
  });
  return packed;
}

}  // namespace lieq::pack
