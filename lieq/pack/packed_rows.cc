#include "lieq/pack/packed_rows.h"

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"

namespace lieq::pack {

PackedRows::PackedRows(const QuantizedMatrix& matrix)
    : rows_(matrix.rows), cols_(matrix.cols), group_size_(matrix.group_size), row_bytes_((matrix.cols * matrix.bits + 7) / 8),
      bits_(matrix.bits), codes_(rows_ * row_bytes_ + 1), g_idx_(matrix.g_idx) {
  LIEQ_CHECK(matrix.codes.size() == rows_ * cols_ && matrix.scales.size() == rows_ * matrix.groups());
  for (std::size_t i = 0; i < rows_; ++i) {
    std::uint8_t* stream = codes_.data() + i * row_bytes_;
    for (std::size_t j = 0; j < cols_; ++j) {
      const std::size_t bit = j * bits_;
      const unsigned shifted = static_cast<unsigned>(matrix.codes[i * cols_ + j]) << (bit % 8);
      stream[bit / 8] = static_cast<std::uint8_t>(stream[bit / 8] | shifted);
      if (bit % 8 + bits_ > 8) stream[bit / 8 + 1] = static_cast<std::uint8_t>(stream[bit / 8 + 1] | (shifted >> 8));
    }
  }
  for (const std::uint16_t scale : matrix.scales) scales_.push_back(f16_to_float(scale));
  for (const auto zero : matrix.double_zeros) zeros_.push_back(0.5F * static_cast<float>(zero));
}

std::size_t PackedRows::bytes() const {
  return rows_ * row_bytes_ + scales_.size() * 2 + (zeros_.size() * bits_ + 7) / 8;
}

unsigned PackedRows::code(const std::uint8_t* stream, std::size_t j) const {
  const std::size_t bit = j * bits_;
  const unsigned window = stream[bit / 8] | static_cast<unsigned>(stream[bit / 8 + 1]) << 8;
  return (window >> (bit % 8)) & ((1U << bits_) - 1);
}

void PackedRows::decode_row(std::size_t row, float* target) const {
  const std::uint8_t* stream = codes_.data() + row * row_bytes_;
  const std::size_t groups = cols_ / group_size_;
  const float* scales = scales_.data() + row * groups;
  const float* zeros = zeros_.data() + row * groups;
  if (!g_idx_.empty()) {
    for (std::size_t j = 0; j < cols_; ++j) {
      const auto g = static_cast<std::size_t>(g_idx_[j]);
      target[j] = scales[g] * (static_cast<float>(code(stream, j)) - zeros[g]);
    }
    return;
  }
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t end = (g + 1) * group_size_;
    if (bits_ > 4) {
      for (std::size_t j = g * group_size_; j < end; ++j)
        target[j] = scales[g] * (static_cast<float>(code(stream, j)) - zeros[g]);
      continue;
    }
    float values[16];  // few codes: one product each, then a look-up per weight
    for (unsigned q = 0; q < (1U << bits_); ++q) values[q] = scales[g] * (static_cast<float>(q) - zeros[g]);
    for (std::size_t j = g * group_size_; j < end; ++j) target[j] = values[code(stream, j)];
  }
}

}  // namespace lieq::pack
