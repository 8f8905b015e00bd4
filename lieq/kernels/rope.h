#pragma once
/// Rotary position embedding in the rotate-half form: pairs (j, j + rotated / 2) of the first `rotated` numbers of a
/// head.

#include <cstddef>
#include <span>
#include <vector>

namespace lieq::kernels {

/// cos and sin of position x frequency, times a factor, float32, for positions [first, end).
class RopeTable {
 public:
  /// inverse_frequencies: [rotated / 2], radians per position. scale: what cos and sin are multiplied by.
  explicit RopeTable(std::vector<float> inverse_frequencies, float scale = 1)
      : inverse_frequencies_(std::move(inverse_frequencies)), scale_(scale) {}

  /// Makes positions [first, end) available; others may be forgotten where `first` lies before those that are there.
  /// Not thread-safe.
  void cover(std::size_t first, std::size_t end);

  /// Rotates one head's query or key, [head_dim], in place; what lies behind the rotated numbers stays. `position` lies
  /// in the covered range.
  void rotate(std::span<float> head, std::size_t position) const;

 private:
  std::vector<float> inverse_frequencies_;
  float scale_;
  std::size_t first_ = 0;
  std::vector<float> cos_, sin_;  // [positions from first_ on, rotated / 2]
};

}  // namespace lieq::kernels
