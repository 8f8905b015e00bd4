#include "lieq/pack/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"

namespace lieq::pack {
namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;

/// The code of input `i` of a unit in row `r`.
unsigned code_at(const std::uint8_t* unit, unsigned bits, std::size_t r, std::size_t i) {
  const unsigned plane_bits = bits == 3 ? 2 : bits;
  const std::size_t inputs = 32 / plane_bits;
  const std::uint8_t* chunk = unit + i / inputs * PackedMatrix::kChunkBytes;
  const unsigned low = (chunk[4 * r + i % 4] >> (i % inputs / 4 * plane_bits)) & ((1U << plane_bits) - 1);
  if (bits != 3) return low;
  const unsigned high = (unit[2 * PackedMatrix::kChunkBytes + 4 * r + i % 4] >> (i / 4)) & 1;
  return low | high << 2;
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

PackedMatrix::PackedMatrix(std::size_t rows, std::size_t cols, unsigned bits, std::size_t group_size, Origin origin)
    : rows_(rows), cols_(cols), group_size_(group_size), bits_(bits), origin_(origin) {
  LIEQ_CHECK(bits == 2 || bits == 3 || bits == 4 || bits == 8);
  LIEQ_CHECK(rows > 0 && group_size > 0 && cols % group_size == 0);
  const std::size_t size = blocks() * groups() * units_per_group() * unit_bytes();
  // Large pages let a pass over the codes miss the TLB less. They are a wish: a refusal does no harm.
  const std::size_t alignment = size < kLargePage ? kChunkBytes : kLargePage;
  codes_ = {static_cast<std::uint8_t*>(::operator new(size, std::align_val_t{alignment})), Delete{alignment}};
  if (size >= kLargePage) madvise(codes_.get(), size / kLargePage * kLargePage, MADV_HUGEPAGE);
  scales_.resize(blocks() * groups() * kBlockRows);
  zeros_.resize(has_minima() ? bytes_of_zeros() : blocks() * groups() * bytes_of_zeros());
  if (has_minima()) minima_.resize(scales_.size());
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
      const std::size_t begin = g * group_size_ + u * kUnitInputs;
      const std::size_t inputs = std::min(kUnitInputs, (g + 1) * group_size_ - begin);
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
  const unsigned plane_bits = bits_ == 3 ? 2 : bits_;
  const std::size_t fields = 8 / plane_bits;  // of a byte
  const std::uint32_t mask = ((1U << plane_bits) - 1) * 0x01010101U;
  for (std::size_t quad = 0; quad < kUnitInputs / 4; ++quad) {
    const std::size_t shift = quad % fields * plane_bits;
    for (std::size_t r = 0; r < kBlockRows; ++r) {
      const std::uint32_t word = four_codes(codes + r * kUnitInputs + 4 * quad);
      chunks[quad / fields][r] |= (word & mask) << shift;
      if (bits_ == 3) chunks[2][r] |= ((word >> 2) & 0x01010101U) << quad;
    }
  }
  std::memcpy(this->codes(block, group) + unit * unit_bytes(), chunks, unit_bytes());
}

void PackedMatrix::set_group(std::size_t row, std::size_t group, std::uint16_t scale, std::uint16_t origin) {
  const std::size_t at = row / kBlockRows * groups() + group, r = row % kBlockRows;
  scales_[at * kBlockRows + r] = scale;
  if (has_minima()) {
    minima_[at * kBlockRows + r] = origin;
    return;
  }
  const std::uint16_t double_zero = origin;
  std::uint8_t* zeros = zeros_.data() + at * zero_bytes();
  if (bits_ < 4) {
    LIEQ_CHECK(double_zero < 16);
    const unsigned shift = r < 8 ? 0 : 4;
    zeros[r % 8] =
        static_cast<std::uint8_t>((zeros[r % 8] & ~(15U << shift)) | static_cast<unsigned>(double_zero) << shift);
  } else if (bits_ == 4) {
    LIEQ_CHECK(double_zero < 256);
    zeros[r] = static_cast<std::uint8_t>(double_zero);
  } else {
    std::memcpy(zeros + 2 * r, &double_zero, 2);
  }
}

unsigned PackedMatrix::code(std::size_t row, std::size_t input) const {
  const std::size_t group = input / group_size_, k = input % group_size_;
  return code_at(codes(row / kBlockRows, group) + k / kUnitInputs * unit_bytes(), bits_, row % kBlockRows,
                 k % kUnitInputs);
}

unsigned PackedMatrix::double_zero(std::size_t row, std::size_t group) const {
  const std::size_t r = row % kBlockRows;
  const std::uint8_t* stored = zeros(row / kBlockRows, group);
  if (bits_ < 4) return (stored[r % 8] >> (r < 8 ? 0 : 4)) & 15U;
  if (bits_ == 4) return stored[r];
  return stored[2 * r] | static_cast<unsigned>(stored[2 * r + 1]) << 8;
}

std::size_t PackedMatrix::bytes() const {
  const std::size_t origin_bits = has_minima() ? 16 : bits_;
  return rows_ * ((cols_ * bits_ + 7) / 8) + rows_ * groups() * 2 + (rows_ * groups() * origin_bits + 7) / 8;
}

std::size_t PackedMatrix::memory() const {
  return blocks() * groups() * units_per_group() * unit_bytes() + 2 * (scales_.size() + minima_.size()) +
         zeros_.size() + 4 * order_.size();
}

void PackedMatrix::decode_row(std::size_t row, float* target) const {
  LIEQ_CHECK(row < rows_);
  const std::size_t block = row / kBlockRows, r = row % kBlockRows;
  for (std::size_t g = 0; g < groups(); ++g) {
    const float scale = f16_to_float(scales(block, g)[r]);
    const float zero = 0.5F * static_cast<float>(double_zero(row, g));
    const float minimum = has_minima() ? f16_to_float(minima(block, g)[r]) : 0;
    for (std::size_t k = 0; k < group_size_; ++k) {
      const std::uint8_t* unit = codes(block, g) + k / kUnitInputs * unit_bytes();
      const std::size_t at = g * group_size_ + k;
      const std::size_t j = order_.empty() ? at : static_cast<std::size_t>(order_[at]);
      const float w = scale * (static_cast<float>(code_at(unit, bits_, r, k % kUnitInputs)) - zero);
      target[j] = has_minima() ? w + minimum : w;  // adding 0 would take the sign of -0
    }
  }
}

}  // namespace lieq::pack
