// kernels/gemm.h in plain loops, for machines that oneDNN is not at hand for (aarch64.sh).

#include "lieq/kernels/gemm.h"

#include "lieq/base/dtype.h"

namespace lieq::kernels {

void gemm_nt(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y) {
  for (std::size_t t = 0; t < x.rows(); ++t) {
    for (std::size_t i = 0; i < w.rows(); ++i) {
      float sum = 0;
      for (std::size_t j = 0; j < x.cols(); ++j) sum += x(t, j) * w(i, j);
      y(t, i) = sum;
    }
  }
}

void gemm_nt_bf16(MatrixView<const std::uint16_t>, MatrixView<const std::uint16_t>, MatrixView<float>) {
  LIEQ_CHECK(false);
}

bool has_bf16_gemm() { return false; }
bool has_fast_bf16_gemm() { return false; }

}  // namespace lieq::kernels
