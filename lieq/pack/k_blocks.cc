#include "lieq/pack/k_blocks.h"

#include <cstring>
#include <utility>

#include "lieq/base/check.h"

namespace lieq::pack {
namespace {

constexpr KForm kForms[] = {
    {DType::kQ2_K, 2, 16, 0, 15, 15, 0},
    {DType::kQ3_K, 3, 16, -32, 31, 0, 4},
    {DType::kQ4_K, 4, 32, 0, 63, 63, 0},
};

void put_half(std::uint16_t bits, std::byte* p) { std::memcpy(p, &bits, sizeof bits); }

/// The two low bits of all codes, as in Q2_K and Q3_K: 64 bytes.
void put_low_bits(const KBlock& block, std::byte* qs) {
  for (std::size_t k = 0; k < kBlockWeights; ++k) {
    const std::size_t n = k / 128, j = k / 32 % 4, l = k % 32;
    qs[32 * n + l] |= static_cast<std::byte>((block.codes[k] & 3U) << (2 * j));
  }
}

void encode_q2_k(const KBlock& block, std::byte* target) {
  for (std::size_t s = 0; s < 16; ++s)
    target[s] = static_cast<std::byte>(static_cast<unsigned>(block.scales[s]) | (block.minima[s] * 16U));
  put_low_bits(block, target + 16);
  put_half(block.d, target + 80);
  put_half(block.dmin, target + 82);
}

void encode_q3_k(const KBlock& block, std::byte* target) {
  for (std::size_t k = 0; k < kBlockWeights; ++k) {
    const std::size_t n = k / 128, j = k / 32 % 4, l = k % 32;
    target[l] |= static_cast<std::byte>((block.codes[k] >> 2U) << (4 * n + j));
  }
  put_low_bits(block, target + 32);
  std::byte* scales = target + 96;
  for (std::size_t s = 0; s < 16; ++s) {
    const auto raised = static_cast<unsigned>(block.scales[s] + 32);
    scales[s % 8] |= static_cast<std::byte>((raised & 15U) << (s < 8 ? 0 : 4));
    scales[8 + s % 4] |= static_cast<std::byte>((raised >> 4U) << (2 * (s / 4)));
  }
  put_half(block.d, target + 108);
}

void encode_q4_k(const KBlock& block, std::byte* target) {
  put_half(block.d, target);
  put_half(block.dmin, target + 2);
  std::byte* s = target + 4;
  for (std::size_t j = 0; j < 4; ++j) {
    const auto low = static_cast<unsigned>(block.scales[j]), high = static_cast<unsigned>(block.scales[j + 4]);
    const unsigned low_minimum = block.minima[j], high_minimum = block.minima[j + 4];
    s[j] = static_cast<std::byte>(low | (high >> 4U) << 6U);
    s[j + 4] = static_cast<std::byte>(low_minimum | (high_minimum >> 4U) << 6U);
    s[j + 8] = static_cast<std::byte>((high & 15U) | (high_minimum & 15U) << 4U);
  }
  for (std::size_t k = 0; k < kBlockWeights; ++k) {
    const std::size_t j = k / 32, l = k % 32;
    target[16 + 32 * (j / 2) + l] |= static_cast<std::byte>(block.codes[k] << (4 * (j % 2)));
  }
}

void scale_half(std::byte* p, float factor) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof bits);
  put_half(float_to_f16(f16_to_float(bits) * factor), p);
}

}  // namespace

const KForm& k_form(unsigned bits) {
  LIEQ_CHECK(bits >= 2 && bits <= 4);
  return kForms[bits - 2];
}

void encode(const KForm& form, const KBlock& block, std::byte* target) {
  std::memset(target, 0, block_bytes(form.type));
  switch (form.bits) {
    case 2: return encode_q2_k(block, target);
    case 3: return encode_q3_k(block, target);
    default: return encode_q4_k(block, target);
  }
}

StoredMatrix BlockMatrix::stored(std::string name) const {
  StoredMatrix matrix{std::move(name)};
  matrix.type = type;
  matrix.rows = rows;
  matrix.cols = cols;
  auto owned = std::make_shared<const std::vector<std::byte>>(bytes);
  matrix.data = owned->data();
  matrix.owner = std::move(owned);
  return matrix;
}

void scale_row(BlockMatrix& matrix, std::size_t row, float factor) {
  LIEQ_CHECK(row < matrix.rows);
  const std::size_t size = block_bytes(matrix.type);
  std::byte* const begin = matrix.bytes.data() + row * matrix.row_bytes();
  for (std::byte* block = begin; block < begin + matrix.row_bytes(); block += size) {
    switch (matrix.type) {
      case DType::kQ2_K:
        scale_half(block + 80, factor);
        scale_half(block + 82, factor);
        break;
      case DType::kQ3_K: scale_half(block + 108, factor); break;
      default:
        scale_half(block, factor);
        scale_half(block + 2, factor);
    }
  }
}

}  // namespace lieq::pack
