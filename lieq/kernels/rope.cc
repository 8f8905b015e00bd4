#include "lieq/kernels/rope.h"

#include <cmath>

#include "lieq/base/check.h"

namespace lieq::kernels {

void RopeTable::extend(std::size_t positions) {
  const std::size_t half = inverse_frequencies_.size();
  if (half == 0) return;
  for (std::size_t position = cos_.size() / half; position < positions; ++position) {
    for (const float frequency : inverse_frequencies_) {
      // The reference multiplies in float32; a more exact angle would differ from it at long positions.
      const float angle = static_cast<float>(position) * frequency;
      cos_.push_back(std::cos(angle));
      sin_.push_back(std::sin(angle));
    }
  }
}

void RopeTable::rotate(std::span<float> head, std::size_t position) const {
  const std::size_t half = inverse_frequencies_.size();
  LIEQ_DCHECK(head.size() == 2 * half && (position + 1) * half <= cos_.size());
  const float* cos = cos_.data() + position * half;
  const float* sin = sin_.data() + position * half;
  float* first = head.data();
  float* second = first + half;
  for (std::size_t j = 0; j < half; ++j) {
    const float a = first[j], b = second[j];
    first[j] = a * cos[j] - b * sin[j];
    second[j] = b * cos[j] + a * sin[j];
  }
}

}  // namespace lieq::kernels
