#pragma once
/// Weights as the products of tuning read them: rows that are decoded when they are needed.

#include <cstddef>
#include <functional>
#include <span>

#include "lieq/base/view.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::tune {

/// Rows are decoded in runs that begin at multiples of this.
inline constexpr std::size_t kRun = pack::PackedMatrix::kBlockRows;

/// A view of [rows, cols] weights ([out, in]).
struct WeightRows {
  std::size_t rows = 0, cols = 0;
  /// Writes rows [first, first + count), count at most kRun, to `target`, [kRun, cols]. Called from several threads.
  std::function<void(std::size_t first, std::size_t count, MatrixView<float> target)> decode;
};

/// The weights as they are stored or packed. `matrix` must outlive the result.
[[nodiscard]] WeightRows rows_of(const pack::StoredMatrix& matrix);

/// Packed weights of which every group is multiplied by its factor, and so its scale, and its minimum if it has one.
/// factors: [rows, groups]. The columns must be in order (PackedMatrix::order is empty). Both must outlive the result.
[[nodiscard]] WeightRows scaled_rows_of(const pack::PackedMatrix& matrix, std::span<const float> factors);

}  // namespace lieq::tune
