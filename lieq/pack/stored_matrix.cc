#include "lieq/pack/stored_matrix.h"

namespace lieq::pack {

const std::byte* StoredMatrix::row(std::size_t i) const {
  LIEQ_DCHECK(i < rows && is_stored());
  if (interleaved_head_dim != 0) {
    const std::size_t half = interleaved_head_dim / 2;
    const std::size_t within = i % interleaved_head_dim;
    const std::size_t stored = within < half ? 2 * within : 2 * (within - half) + 1;
    i = i - within + stored;
  }
  return data + i * row_bytes();
}

std::size_t StoredMatrix::bytes() const {
  if (is_stored()) return rows * row_bytes();
  const std::size_t wider = narrow_bits == 0 ? 0 : packed->bits() - narrow_bits;
  return packed->bytes() - rows * cols * wider / 8;
}

double StoredMatrix::code_bits() const {
  if (is_stored()) return lieq::code_bits(type);
  return narrow_bits == 0 ? packed->bits() : narrow_bits;
}

std::string StoredMatrix::format() const {
  if (is_stored()) return std::string(lieq::name(type));
  return std::to_string(static_cast<unsigned>(code_bits())) + "-bit g" + std::to_string(packed->group_size());
}

}  // namespace lieq::pack
