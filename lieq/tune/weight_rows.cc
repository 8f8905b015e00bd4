#include "lieq/tune/weight_rows.h"

#include "lieq/base/check.h"
#include "lieq/kernels/linear.h"
#include "lieq/kernels/packed_f32.h"

namespace lieq::tune {

WeightRows rows_of(const pack::StoredMatrix& matrix) {
  return {matrix.rows, matrix.cols, [&matrix](std::size_t first, std::size_t count, MatrixView<float> target) {
            if (matrix.packed) return kernels::decode_block(*matrix.packed, first / kRun, target);
            for (std::size_t i = 0; i < count; ++i) kernels::decode_row(matrix, first + i, target.row(i).data());
          }};
}

WeightRows scaled_rows_of(const pack::PackedMatrix& matrix, std::span<const float> factors) {
  LIEQ_CHECK(matrix.order().empty() && factors.size() == matrix.rows() * matrix.groups());
  const auto decode = [&matrix, factors](std::size_t first, std::size_t count, MatrixView<float> target) {
    kernels::decode_block(matrix, first / kRun, target);
    const std::size_t groups = matrix.groups(), size = matrix.group_size();
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t g = 0; g < groups; ++g) {
        const float factor = factors[(first + i) * groups + g];
        float* const weights = &target(i, g * size);
        for (std::size_t j = 0; j < size; ++j) weights[j] *= factor;
      }
  };
  return {matrix.rows(), matrix.cols(), decode};
}

}  // namespace lieq::tune
