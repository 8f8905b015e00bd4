#pragma once
/// Rotary position embedding in the rotate-half form: pairs (j, j + head_dim / 2).

#include <cstddef>
#include <span>
#include <vector>

namespace lieq::kernels {

/// cos and sin of position x frequency, float32, for positions [0, positions).
class RopeTable {
 public:
  /// inverse_frequencies: [head_dim / 2], radians per position.
  explicit RopeTable(std::vector<float> inverse_frequencies) : inverse_frequencies_(std::move(inverse_frequencies)) {}

  /// Makes positions below `positions` available. Not thread-safe.
  void extend(std::size_t positions);

  /// Rotates one head's query or key, [head_dim], in place. `position` lies below the extended number.
  void rotate(std::span<float> head, std::size_t position) const;

 private:
  std::vector<float> inverse_frequencies_;
  std::vector<float> cos_, sin_;  // [positions, head_dim / 2]
};

}  // namespace lieq::kernels
