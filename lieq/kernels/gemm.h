#pragma once
/// Dense matrix products through oneDNN, one thread each: callers split work into tiles, so that the sums do not
/// depend on the number of threads.

#include <cstdint>

#include "lieq/base/view.h"

namespace lieq::kernels {

/// y = x wᵀ. x: [tokens, in], w: [out, in], y: [tokens, out], float32.
void gemm_nt(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y);

/// y += x w. x: [tokens, in], w: [in, out], y: [tokens, out], float32.
void gemm_nn_add(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y);

/// y += xᵀ w. x: [tokens, out], w: [tokens, in], y: [out, in], float32.
void gemm_tn_add(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y);

/// y = x wᵀ with bfloat16 bits in x and w, float32 sums and result. Only where has_bf16_gemm().
void gemm_nt_bf16(MatrixView<const std::uint16_t> x, MatrixView<const std::uint16_t> w, MatrixView<float> y);

/// True if oneDNN multiplies bfloat16 matrices on this CPU (AVX-512 and up).
[[nodiscard]] bool has_bf16_gemm();

/// True if the CPU has bfloat16 instructions, so that the BF16 product is also the faster one.
[[nodiscard]] bool has_fast_bf16_gemm();

}  // namespace lieq::kernels
