#include "lieq/kernels/gemm.h"

#include <dnnl.hpp>
#include <omp.h>

#include <new>

#include "lieq/base/check.h"

namespace lieq::kernels {
namespace {

dnnl_dim_t dim(std::size_t n) { return narrow<dnnl_dim_t>(n); }

/// oneDNN would start an OpenMP team inside each of our threads; the setting is per calling thread.
void stay_on_this_thread() {
  if (omp_get_max_threads() != 1) omp_set_num_threads(1);
}

/// oneDNN makes code and takes memory as it goes; where it has none, that is no bug of ours.
void check_success(dnnl_status_t status) {
  if (status == dnnl_out_of_memory || status == dnnl_runtime_error) throw std::bad_alloc();
  LIEQ_CHECK(status == dnnl_success);
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// oneDNN keeps recently made primitives, so making one again for the same shapes is cheap.
dnnl::matmul::primitive_desc bf16_product(dnnl_dim_t m, dnnl_dim_t n, dnnl_dim_t k, dnnl_dim_t x_stride,
                                          dnnl_dim_t w_stride, dnnl_dim_t y_stride) {
  using Desc = dnnl::memory::desc;
  using Type = dnnl::memory::data_type;
  const dnnl::matmul::desc product(Desc({m, k}, Type::bf16, {x_stride, 1}), Desc({k, n}, Type::bf16, {1, w_stride}),
                                   Desc({m, n}, Type::f32, {y_stride, 1}));
  return {product, cpu_engine()};
}

}  // namespace

void gemm_nt(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == w.cols() && y.rows() == x.rows() && y.cols() == w.rows());
  stay_on_this_thread();
  const dnnl_status_t status = dnnl_sgemm('N', 'T', dim(x.rows()), dim(w.rows()), dim(x.cols()), 1.0F, x.data(),
                                          dim(x.stride()), w.data(), dim(w.stride()), 0.0F, y.data(), dim(y.stride()));
  check_success(status);
}

void gemm_nn_add(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == w.rows() && y.rows() == x.rows() && y.cols() == w.cols());
  stay_on_this_thread();
  const dnnl_status_t status = dnnl_sgemm('N', 'N', dim(x.rows()), dim(w.cols()), dim(x.cols()), 1.0F, x.data(),
                                          dim(x.stride()), w.data(), dim(w.stride()), 1.0F, y.data(), dim(y.stride()));
  check_success(status);
}

void gemm_tn_add(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y) {
  LIEQ_CHECK(x.rows() == w.rows() && y.rows() == x.cols() && y.cols() == w.cols());
  stay_on_this_thread();
  const dnnl_status_t status = dnnl_sgemm('T', 'N', dim(x.cols()), dim(w.cols()), dim(x.rows()), 1.0F, x.data(),
                                          dim(x.stride()), w.data(), dim(w.stride()), 1.0F, y.data(), dim(y.stride()));
  check_success(status);
}

void gemm_nt_bf16(MatrixView<const std::uint16_t> x, MatrixView<const std::uint16_t> w, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == w.cols() && y.rows() == x.rows() && y.cols() == w.rows());
  stay_on_this_thread();
  const auto descriptor =
      bf16_product(dim(x.rows()), dim(w.rows()), dim(x.cols()), dim(x.stride()), dim(w.stride()), dim(y.stride()));
  static thread_local dnnl::stream stream(cpu_engine());
  const auto memory = [](const dnnl::memory::desc& desc, const void* data) {
    return dnnl::memory(desc, cpu_engine(), const_cast<void*>(data));  // oneDNN's arguments are never const
  };
  dnnl::matmul(descriptor)
      .execute(stream, {{DNNL_ARG_SRC, memory(descriptor.src_desc(), x.data())},
                        {DNNL_ARG_WEIGHTS, memory(descriptor.weights_desc(), w.data())},
                        {DNNL_ARG_DST, memory(descriptor.dst_desc(), y.data())}});
  stream.wait();
}

bool has_bf16_gemm() {
  static const bool has = [] {
    try {
      return bf16_product(16, 16, 16, 16, 16, 16).get(true) != nullptr;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return has;
}

bool has_fast_bf16_gemm() {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  return has_bf16_gemm() && (isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx);
}

}  // namespace lieq::kernels
