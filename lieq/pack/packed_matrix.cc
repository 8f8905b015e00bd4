#include "lieq/pack/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <type_traits>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"
#include "lieq/pack/iq_grids.h"

namespace lieq::pack {
namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;

/// Bits of a code in the first plane of a unit; the rest is in the second.
unsigned low_bits(unsigned bits) { return bits == 3 ? 2 : bits == 5 || bits == 6 ? 4 : bits; }

/// Input `i` of row `r` in a plane of codes of `bits` bits.
unsigned field_at(const std::uint8_t* plane, unsigned bits, std::size_t r, std::size_t i) {
  const std::size_t inputs = 32 / bits;  // of a chunk
  const std::uint8_t byte = plane[i / inputs * PackedMatrix::kChunkBytes + 4 * r + i % 4];
  return (byte >> (i % inputs / 4 * bits)) & ((1U << bits) - 1);
}

/// The code of input `i` of a unit in row `r`.
unsigned code_at(const std::uint8_t* unit, unsigned bits, std::size_t r, std::size_t i) {
  const unsigned low = low_bits(bits);
  const unsigned code = field_at(unit, low, r, i);
  return low == bits ? code : code | field_at(unit + low * PackedMatrix::kChunkBytes, bits - low, r, i) << low;
}

/// Four codes, one a byte.
std::uint32_t four_codes(const std::uint8_t* codes) {
  std::uint32_t word;
  std::memcpy(&word, codes, sizeof word);
  return word;
}

}  // namespace

void PackedMatrix::Delete::operator()(std::uint8_t* data) const {
  ::operator delete (data, std::align_val_t{alignment});
}

PackedMatrix::PackedMatrix(std::size_t rows, std::size_t cols, const PackedForm& form)
    : rows_(rows), cols_(cols), form_(form) {
  const unsigned bits = form.bits;
  LIEQ_CHECK(bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8);
  LIEQ_CHECK(rows > 0 && form.group_size > 0 && cols % form.group_size == 0);
  const bool own_zeros = !shared_double_zero();
  LIEQ_CHECK(!own_zeros || (bits != 5 && bits != 6));
  LIEQ_CHECK(bits != 6 || is_paired());
  LIEQ_CHECK(!form.levels || (bits == 4 && form.double_zero == 256));
  LIEQ_CHECK(!form.two_levels() || (cols % kSuperInputs == 0 && kSuperInputs % form.group_size == 0 && !own_zeros));
  LIEQ_CHECK(form.scales != Scales::kNibbles || has_minima());
  const std::size_t size = blocks() * units() * unit_bytes();
  // Large pages let a pass over the codes miss the TLB less. They are a wish: a refusal does no harm.
  const std::size_t alignment = size < kLargePage ? kChunkBytes : kLargePage;
  codes_ = {static_cast<std::uint8_t*>(::operator new (size, std::align_val_t{alignment})), Delete{alignment}};
  if (size >= kLargePage) madvise(codes_.get(), size / kLargePage * kLargePage, MADV_HUGEPAGE);
  scales_.resize(blocks() * halves_per_row() * kBlockRows);
  if (form.two_levels()) small_.resize(blocks() * groups() * small_bytes());
  if (has_minima()) minima_.resize(scales_.size());
  if (own_zeros) zeros_.resize(blocks() * groups() * zero_bytes());
}

PackedMatrix::PackedMatrix(Threads& threads, const QuantizedMatrix& m)
    : PackedMatrix(m.rows, m.cols, m.bits, m.group_size, m.minima.empty() ? Origin::kZero : Origin::kMinimum) {
  LIEQ_CHECK(m.codes.size() == m.rows * m.cols && m.scales.size() == m.rows * m.groups());
  if (!m.g_idx.empty()) {
    order_.resize(m.cols);
    for (std::size_t j = 0; j < m.cols; ++j) order_[j] = narrow<std::int32_t>(j);
    std::ranges::stable_sort(order_, {}, [&](std::int32_t j) { return m.g_idx[static_cast<std::size_t>(j)]; });
  }
  threads.for_each(blocks(), [&](std::size_t block, std::size_t) { fill_block(m, block); });
}

void PackedMatrix::fill_block(const QuantizedMatrix& m, std::size_t b) {
  const std::size_t first = b * kBlockRows, count = std::min(kBlockRows, m.rows - first);
  for (std::size_t g = 0; g < groups(); ++g) {
    for (std::size_t u = 0; u < units_per_group(); ++u) {
      const std::size_t begin = g * group_size() + u * kUnitInputs;
      const std::size_t inputs = std::min(kUnitInputs, (g + 1) * group_size() - begin);
      std::uint8_t lanes[kBlockRows * kUnitInputs] = {};
      for (std::size_t r = 0; r < count; ++r) {
        const std::uint8_t* row = m.codes.data() + (first + r) * m.cols;
        for (std::size_t k = 0; k < inputs; ++k)
          lanes[r * kUnitInputs + k] = row[order_.empty() ? begin + k : static_cast<std::size_t>(order_[begin + k])];
      }
      set_unit(b, g, u, lanes);
    }
    for (std::size_t i = first; i < first + count; ++i)
      set_group(i, g, m.scales[i * groups() + g], (has_minima() ? m.minima : m.double_zeros)[i * groups() + g]);
  }
}

void PackedMatrix::set_unit(std::size_t block, std::size_t group, std::size_t unit, const std::uint8_t* codes) {
  std::uint32_t chunks[8][kBlockRows] = {};
  // Constants, so that the loops below unroll.
  const auto fill = [&]<unsigned kLow, unsigned kHigh>(std::integral_constant<unsigned, kLow>,
                                                       std::integral_constant<unsigned, kHigh>) {
    constexpr std::size_t kFields = 8 / kLow;  // of a byte
    constexpr std::uint32_t kMask = ((1U << kLow) - 1) * 0x01010101U, kHighMask = ((1U << kHigh) - 1) * 0x01010101U;
    for (std::size_t quad = 0; quad < kUnitInputs / 4; ++quad) {
      for (std::size_t r = 0; r < kBlockRows; ++r) {
        const std::uint32_t word = four_codes(codes + r * kUnitInputs + 4 * quad);
        chunks[quad / kFields][r] |= (word & kMask) << (quad % kFields * kLow);
        if constexpr (kHigh > 0) {
          constexpr std::size_t kHighFields = 8 / kHigh;
          chunks[kLow + quad / kHighFields][r] |= ((word >> kLow) & kHighMask) << (quad % kHighFields * kHigh);
        }
      }
    }
  };
  using std::integral_constant;
  switch (bits()) {
    case 2: fill(integral_constant<unsigned, 2>(), integral_constant<unsigned, 0>()); break;
    case 3: fill(integral_constant<unsigned, 2>(), integral_constant<unsigned, 1>()); break;
    case 4: fill(integral_constant<unsigned, 4>(), integral_constant<unsigned, 0>()); break;
    case 5: fill(integral_constant<unsigned, 4>(), integral_constant<unsigned, 1>()); break;
    case 6: fill(integral_constant<unsigned, 4>(), integral_constant<unsigned, 2>()); break;
    default: fill(integral_constant<unsigned, 8>(), integral_constant<unsigned, 0>());
  }
  std::memcpy(this->codes(block, group) + unit * unit_bytes(), chunks, unit_bytes());
}

void PackedMatrix::set_super(std::size_t row, std::size_t super, std::uint16_t scale, std::uint16_t minimum) {
  LIEQ_DCHECK(form_.two_levels());
  const std::size_t at = (row / kBlockRows * halves_per_row() + super) * kBlockRows + row % kBlockRows;
  scales_[at] = scale;
  if (has_minima()) minima_[at] = minimum;
}

void PackedMatrix::set_small(std::size_t row, std::size_t group, int scale, int minimum) {
  LIEQ_DCHECK(form_.two_levels());
  const std::size_t r = row % kBlockRows;
  std::uint8_t* small = small_.data() + (row / kBlockRows * groups() + group) * small_bytes();
  if (form_.scales == Scales::kNibbles) {
    small[r] = static_cast<std::uint8_t>(scale | minimum << 4);
  } else {
    small[r] = static_cast<std::uint8_t>(scale);
    if (has_minima()) small[kBlockRows + r] = static_cast<std::uint8_t>(minimum);
  }
}

void PackedMatrix::set_group(std::size_t row, std::size_t group, std::uint16_t scale, std::uint16_t origin) {
  LIEQ_DCHECK(!form_.two_levels());
  const std::size_t at = row / kBlockRows * groups() + group, r = row % kBlockRows;
  scales_[at * kBlockRows + r] = scale;
  if (has_minima()) {
    minima_[at * kBlockRows + r] = origin;
    return;
  }
  if (form_.double_zero) return;
  const std::uint16_t double_zero = origin;
  std::uint8_t* zeros = zeros_.data() + at * zero_bytes();
  if (bits() < 4) {
    LIEQ_CHECK(double_zero < 16);
    const unsigned shift = r < 8 ? 0 : 4;
    zeros[r % 8] =
        static_cast<std::uint8_t>((zeros[r % 8] & ~(15U << shift)) | static_cast<unsigned>(double_zero) << shift);
  } else if (bits() == 4) {
    LIEQ_CHECK(double_zero < 256);
    zeros[r] = static_cast<std::uint8_t>(double_zero);
  } else {
    std::memcpy(zeros + 2 * r, &double_zero, 2);
  }
}

unsigned PackedMatrix::code(std::size_t row, std::size_t input) const {
  const std::size_t group = input / group_size();
  const std::size_t k = is_paired() ? input % kUnitInputs : input % group_size();
  const unsigned code = code_at(codes(row / kBlockRows, group) + k / kUnitInputs * unit_bytes(), bits(),
                                row % kBlockRows, k % kUnitInputs);
  return form_.levels ? kIq4Codes[code] : code;
}

unsigned PackedMatrix::double_zero(std::size_t row, std::size_t group) const {
  if (const auto shared = shared_double_zero()) return *shared;
  const std::size_t r = row % kBlockRows;
  const std::uint8_t* stored = zeros(row / kBlockRows, group);
  if (bits() < 4) return (stored[r % 8] >> (r < 8 ? 0 : 4)) & 15U;
  if (bits() == 4) return stored[r];
  return stored[2 * r] | static_cast<unsigned>(stored[2 * r + 1]) << 8;
}

float PackedMatrix::scale(std::size_t row, std::size_t group) const {
  const std::size_t block = row / kBlockRows, r = row % kBlockRows;
  if (!form_.two_levels()) return f16_to_float(scales(block, group)[r]);
  const std::uint8_t byte = small(block, group)[r];
  const int integer = form_.scales == Scales::kNibbles ? byte & 15 : static_cast<std::int8_t>(byte);
  return f16_to_float(scales(block, group * group_size() / kSuperInputs)[r]) * static_cast<float>(integer);
}

float PackedMatrix::minimum(std::size_t row, std::size_t group) const {
  if (!has_minima()) return 0;
  const std::size_t block = row / kBlockRows, r = row % kBlockRows;
  if (!form_.two_levels()) return f16_to_float(minima(block, group)[r]);
  const std::uint8_t* bytes = small(block, group);
  const int integer = form_.scales == Scales::kNibbles ? bytes[r] >> 4 : bytes[kBlockRows + r];
  return -(f16_to_float(minima(block, group * group_size() / kSuperInputs)[r]) * static_cast<float>(integer));
}

std::size_t PackedMatrix::bytes() const {
  const std::size_t small_bits = form_.scales == Scales::kHalves ? 0 : 8 * small_bytes() / kBlockRows;
  const std::size_t half_bits = has_minima() ? 32 : 16;
  const std::size_t zero_bits = shared_double_zero() ? 0 : bits();
  return rows_ * ((cols_ * bits() + 7) / 8) + rows_ * halves_per_row() * half_bits / 8 +
         (rows_ * groups() * (small_bits + zero_bits) + 7) / 8;
}

std::size_t PackedMatrix::memory() const {
  return blocks() * units() * unit_bytes() + 2 * (scales_.size() + minima_.size()) + small_.size() + zeros_.size() +
         4 * order_.size();
}

void PackedMatrix::decode_row(std::size_t row, float* target) const {
  LIEQ_CHECK(row < rows_);
  for (std::size_t g = 0; g < groups(); ++g) {
    const float scale = this->scale(row, g), minimum = this->minimum(row, g);
    const float zero = 0.5F * static_cast<float>(double_zero(row, g));
    for (std::size_t at = g * group_size(); at < (g + 1) * group_size(); ++at) {
      const std::size_t j = order_.empty() ? at : static_cast<std::size_t>(order_[at]);
      const float w = scale * (static_cast<float>(code(row, at)) - zero);
      target[j] = has_minima() ? w + minimum : w;  // adding 0 would take the sign of -0
    }
  }
}

}  // namespace lieq::pack
