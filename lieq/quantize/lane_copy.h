#pragma once
/// Private to quantize/: between rows of a matrix and the lane order of lanes.h.

#include <algorithm>
#include <cstddef>

#include "lieq/base/view.h"
#include "lieq/quantize/lanes.h"

namespace lieq::quantize {

/// Up to 16 rows of `source` from `first` on, as [cols, 16]; missing rows are 0.
inline void to_lanes(MatrixView<const float> source, std::size_t first, float* target) {
  const std::size_t rows = std::min(kLanes, source.rows() - first);
  if (rows < kLanes) std::fill_n(target, source.cols() * kLanes, 0.0F);
  for (std::size_t l = 0; l < rows; ++l) {
    const float* row = source.row(first + l).data();
    for (std::size_t k = 0; k < source.cols(); ++k) target[k * kLanes + l] = row[k];
  }
}

}  // namespace lieq::quantize
