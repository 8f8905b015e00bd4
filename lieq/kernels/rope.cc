#include "lieq/kernels/rope.h"

#include <cmath>

#include "lieq/base/check.h"

namespace lieq::kernels {

void RopeTable::cover(std::size_t first, std::size_t end) {
  const std::size_t half = inverse_frequencies_.size();
  if (half == 0) return;
  if (cos_.empty() || first < first_) {
    first_ = first;
    cos_.clear();
    sin_.clear();
  }
  for (std::size_t position = first_ + cos_.size() / half; position < end; ++position) {
    for (const float frequency : inverse_frequencies_) {
      // The reference multiplies in float32; a more exact angle would differ from it at long positions.
      const float angle = static_cast<float>(position) * frequency;
      cos_.push_back(std::cos(angle) * scale_);
      sin_.push_back(std::sin(angle) * scale_);
    }
  }
}

void RopeTable::rotate(std::span<float> head, std::size_t position) const {
  const std::size_t half = inverse_frequencies_.size();
  LIEQ_DCHECK(head.size() >= 2 * half && position >= first_ && (position - first_ + 1) * half <= cos_.size());
  const float* cos = cos_.data() + (position - first_) * half;
  const float* sin = sin_.data() + (position - first_) * half;
  float* first = head.data();
  float* second = first + half;
  for (std::size_t j = 0; j < half; ++j) {
    const float a = first[j], b = second[j];
    first[j] = a * cos[j] - b * sin[j];
    second[j] = b * cos[j] + a * sin[j];
  }
}

}  // namespace lieq::kernels
