#include "lieq/pack/row_slices.h"

#include <algorithm>
#include <memory>

#include "lieq/base/check.h"

namespace lieq::pack {
namespace {

template <class T>
void append(std::vector<T>& all, const std::vector<T>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

StoredMatrix packed_as(const StoredMatrix& like, Threads& threads, const QuantizedMatrix& codes) {
  StoredMatrix matrix{.name = like.name};
  matrix.rows = codes.rows;
  matrix.cols = codes.cols;
  matrix.packed = std::make_shared<const PackedMatrix>(threads, codes);
  matrix.narrow_bits = like.narrow_bits;
  return matrix;
}

}  // namespace

QuantizedMatrix unpack_rows_of(Threads& threads, const PackedMatrix& packed, std::size_t first, std::size_t count) {
  LIEQ_CHECK(first + count <= packed.rows());
  QuantizedMatrix m;
  m.rows = count;
  m.cols = packed.cols();
  m.bits = packed.bits();
  m.group_size = packed.group_size();
  m.codes.resize(count * m.cols);
  m.scales.resize(count * m.groups());
  (packed.has_minima() ? m.minima : m.double_zeros).resize(m.scales.size());
  const std::span<const std::int32_t> order = packed.order();
  const auto column = [&](std::size_t k) { return order.empty() ? k : static_cast<std::size_t>(order[k]); };
  if (!order.empty()) {
    m.g_idx.resize(m.cols);
    for (std::size_t k = 0; k < m.cols; ++k) m.g_idx[column(k)] = narrow<std::int32_t>(k / m.group_size);
  }
  threads.for_each(count, [&](std::size_t r, std::size_t) {
    const std::size_t row = first + r, block = row / PackedMatrix::kBlockRows, lane = row % PackedMatrix::kBlockRows;
    std::uint8_t* codes = m.codes.data() + r * m.cols;
    for (std::size_t k = 0; k < m.cols; ++k) codes[column(k)] = static_cast<std::uint8_t>(packed.code(row, k));
    for (std::size_t g = 0; g < m.groups(); ++g) {
      const std::size_t at = r * m.groups() + g;
      m.scales[at] = packed.scales(block, g)[lane];
      if (packed.has_minima()) {
        m.minima[at] = packed.minima(block, g)[lane];
      } else {
        m.double_zeros[at] = static_cast<std::uint16_t>(packed.double_zero(row, g));
      }
    }
  });
  return m;
}

std::vector<StoredMatrix> split_rows(Threads& threads, const StoredMatrix& matrix, std::span<const std::size_t> rows) {
  LIEQ_CHECK(matrix.interleaved_head_dim == 0);
  std::vector<StoredMatrix> parts;
  std::size_t first = 0;
  for (const std::size_t count : rows) {
    if (matrix.is_stored()) {
      LIEQ_CHECK(!matrix.packed);  // blocks are packed after they are cut
      parts.push_back(matrix);
      parts.back().rows = count;
      parts.back().data = matrix.data + first * matrix.row_bytes();
    } else {
      parts.push_back(packed_as(matrix, threads, unpack_rows_of(threads, *matrix.packed, first, count)));
    }
    first += count;
  }
  LIEQ_CHECK(first == matrix.rows);
  return parts;
}

StoredMatrix stack_rows(Threads& threads, std::span<const StoredMatrix* const> parts) {
  const StoredMatrix& front = *parts.front();
  if (parts.size() == 1) return front;
  if (!front.is_stored()) {
    std::vector<QuantizedMatrix> codes;
    std::vector<const QuantizedMatrix*> pointers;
    for (const StoredMatrix* part : parts) codes.push_back(unpack_rows_of(threads, *part->packed, 0, part->rows));
    for (const QuantizedMatrix& one : codes) pointers.push_back(&one);
    return packed_as(front, threads, stack_rows(pointers));
  }
  StoredMatrix stacked = front;
  stacked.packed = nullptr;
  bool follow = true;
  for (const StoredMatrix* part : parts) {
    LIEQ_CHECK(part->is_stored() && part->type == front.type && part->cols == front.cols);
    LIEQ_CHECK(part->interleaved_head_dim == 0);
    if (part != &front) {
      follow = follow && part->data == stacked.data + stacked.rows * stacked.row_bytes();
      stacked.rows += part->rows;
    }
  }
  if (follow) return stacked;
  auto bytes = std::make_shared<std::vector<std::byte>>();
  bytes->reserve(stacked.rows * stacked.row_bytes());
  for (const StoredMatrix* part : parts)
    bytes->insert(bytes->end(), part->data, part->data + part->rows * part->row_bytes());
  stacked.data = bytes->data();
  stacked.owner = std::move(bytes);
  return stacked;
}

QuantizedMatrix stack_rows(std::span<const QuantizedMatrix* const> parts) {
  QuantizedMatrix all = *parts.front();
  for (const QuantizedMatrix* part : parts.subspan(1)) {
    LIEQ_CHECK(part->cols == all.cols && part->bits == all.bits && part->group_size == all.group_size &&
               part->g_idx == all.g_idx && part->minima.empty() == all.minima.empty());
    all.rows += part->rows;
    append(all.codes, part->codes);
    append(all.scales, part->scales);
    append(all.double_zeros, part->double_zeros);
    append(all.minima, part->minima);
  }
  return all;
}

}  // namespace lieq::pack
