#include "lieq/kernels/transpose.h"

#include <algorithm>

namespace lieq::kernels {

// By squares that turn in a small array: rows far apart share few places in the first cache.
void transpose(Threads& threads, MatrixView<const float> source, MatrixView<float> target) {
  LIEQ_CHECK(target.rows() == source.cols() && target.cols() == source.rows());
  constexpr std::size_t kTurn = 32;
  threads.for_each((source.cols() + kTurn - 1) / kTurn, [&](std::size_t item, std::size_t) {
    const std::size_t begin = item * kTurn, width = std::min(source.cols() - begin, kTurn);
    float square[kTurn][kTurn];
    for (std::size_t first = 0; first < source.rows(); first += kTurn) {
      const std::size_t count = std::min(source.rows() - first, kTurn);
      for (std::size_t t = 0; t < count; ++t)
        for (std::size_t j = 0; j < width; ++j) square[j][t] = source(first + t, begin + j);
      for (std::size_t j = 0; j < width; ++j) std::copy_n(square[j], count, &target(begin + j, first));
    }
  });
}

}  // namespace lieq::kernels
