#include "lieq/save/linear_codes.h"

#include <algorithm>
#include <memory>

#include "lieq/base/check.h"
#include "lieq/pack/packed_blocks.h"
#include "lieq/pack/row_slices.h"

namespace lieq::save {
namespace {

/// What a block type holds when no packed codes were made of it. Bits are those of the packed form.
std::optional<CodeFacts> facts_of_blocks(DType type) {
  switch (type) {
    case DType::kQ2_0: return CodeFacts{2, 64, false, true};
    case DType::kQ4_0: return CodeFacts{4, 32, false, true};
    case DType::kQ4_1: return CodeFacts{4, 32, true, true};
    case DType::kQ5_0: return CodeFacts{8, 32, false, true};
    case DType::kQ5_1: return CodeFacts{8, 32, true, true};
    case DType::kQ8_0: return CodeFacts{8, 32, false, true};
    default: return std::nullopt;
  }
}

/// Twice the zero point that all groups of a block type share.
unsigned double_zero_of_blocks(DType type) {
  switch (type) {
    case DType::kQ2_0: return 2;
    case DType::kQ4_0: return 16;
    case DType::kQ5_0: return 32;
    case DType::kQ8_0: return 256;
    default: LIEQ_CHECK(false);
  }
}

/// The rows of `matrix`, blocks of a mapped file, as a matrix of their own. A slab begins and ends anywhere; rows of
/// heads whose rotary pairs lie side by side are gathered one by one.
std::vector<std::byte> gather(const pack::StoredMatrix& matrix, std::size_t first, std::size_t count) {
  std::vector<std::byte> rows(count * matrix.row_bytes());
  for (std::size_t r = 0; r < count; ++r)
    std::copy_n(matrix.row(first + r), matrix.row_bytes(), rows.data() + r * matrix.row_bytes());
  return rows;
}

}  // namespace

std::optional<CodeFacts> code_facts(const pack::StoredMatrix& matrix) {
  if (matrix.is_stored()) return facts_of_blocks(matrix.type);
  const pack::PackedMatrix& packed = *matrix.packed;
  return CodeFacts{packed.bits(), packed.group_size(), packed.has_minima(), packed.order().empty()};
}

LinearCodes codes_of(Threads& threads, const pack::StoredMatrix& matrix, std::size_t first, std::size_t count) {
  const auto facts = code_facts(matrix);
  LIEQ_CHECK(facts && count > 0 && first + count <= matrix.rows);
  LinearCodes codes;
  std::shared_ptr<const pack::PackedMatrix> packed = matrix.packed;
  if (!packed) {
    const std::vector<std::byte> bytes = gather(matrix, first, count);
    const pack::StoredMatrix slab = {.name = matrix.name, .type = matrix.type, .rows = count, .cols = matrix.cols,
                                     .data = bytes.data()};
    packed = std::make_shared<const pack::PackedMatrix>(pack::pack_blocks(threads, slab));
    first = 0;
  }
  codes.matrix = pack::unpack_rows_of(threads, *packed, first, count);
  codes.minima = std::move(codes.matrix.minima);
  codes.matrix.minima.clear();
  codes.matrix.double_zeros.resize(codes.matrix.scales.size());
  return codes;
}

bool ZeroPoints::only(std::initializer_list<unsigned> double_zeros) const {
  for (unsigned z = 0; z < doubled.size(); ++z)
    if (doubled[z] && std::ranges::find(double_zeros, z) == double_zeros.end()) return false;
  return true;
}

bool ZeroPoints::all_whole() const {
  for (std::size_t z = 1; z < doubled.size(); z += 2)
    if (doubled[z]) return false;
  return true;
}

ZeroPoints zero_points(const pack::StoredMatrix& matrix) {
  const auto facts = code_facts(matrix);
  LIEQ_CHECK(facts && !facts->has_minima);
  ZeroPoints zeros;
  zeros.doubled.resize((std::size_t{2} << facts->bits) + 1);
  if (matrix.is_stored()) {
    zeros.doubled[double_zero_of_blocks(matrix.type)] = true;
    return zeros;
  }
  for (std::size_t i = 0; i < matrix.rows; ++i)
    for (std::size_t g = 0; g < matrix.packed->groups(); ++g) zeros.doubled.at(matrix.packed->double_zero(i, g)) = true;
  return zeros;
}

void ZeroKinds::add(const pack::StoredMatrix& matrix) {
  const ZeroPoints zeros = zero_points(matrix);
  symmetric = symmetric && zeros.only({1U << static_cast<unsigned>(matrix.code_bits())});
  whole = whole && zeros.all_whole();
}

}  // namespace lieq::save
