#include "lieq/kernels/dots.h"

// Vectors here are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/dots.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// y[t * y_stride + i] = Σ x[t] w[i]: four sums of lanes.
template <std::size_t kX, std::size_t kW>
HWY_INLINE void DotTile(const float* HWY_RESTRICT x, std::size_t x_stride, const float* HWY_RESTRICT w,
                        std::size_t w_stride, std::size_t count, float* HWY_RESTRICT y, std::size_t y_stride) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> sums[kX][kW][4];
  for (auto& row : sums)
    for (auto& one : row)
      for (auto& sum : one) sum = hn::Zero(d);
  std::size_t j = 0;
  const auto add = [&](std::size_t at, std::size_t chain) HWY_ATTR {
    hn::Vec<decltype(d)> from_w[kW];
    for (std::size_t i = 0; i < kW; ++i) from_w[i] = hn::LoadU(d, w + i * w_stride + at);
    for (std::size_t t = 0; t < kX; ++t) {
      const auto from_x = hn::LoadU(d, x + t * x_stride + at);
      for (std::size_t i = 0; i < kW; ++i) sums[t][i][chain] = hn::MulAdd(from_x, from_w[i], sums[t][i][chain]);
    }
  };
  for (; j + 4 * lanes <= count; j += 4 * lanes)
    for (std::size_t chain = 0; chain < 4; ++chain) add(j + chain * lanes, chain);
  for (; j + lanes <= count; j += lanes) add(j, 0);
  for (std::size_t t = 0; t < kX; ++t) {
    for (std::size_t i = 0; i < kW; ++i) {
      const auto& s = sums[t][i];
      float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s[0], s[1]), hn::Add(s[2], s[3]))));
      for (std::size_t k = j; k < count; ++k) sum += x[t * x_stride + k] * w[i * w_stride + k];
      y[t * y_stride + i] = sum;
    }
  }
}

/// All rows of x with kW rows of w.
template <std::size_t kW>
void DotRows(const float* x, std::size_t x_stride, std::size_t tokens, const float* w, std::size_t w_stride,
             std::size_t count, float* y, std::size_t y_stride) {
  constexpr std::size_t kX = HWY_TARGET <= HWY_AVX3 ? 2 : 1;  // 4 sums of each output have to fit into registers
  std::size_t t = 0;
  for (; t + kX <= tokens; t += kX)
    DotTile<kX, kW>(x + t * x_stride, x_stride, w, w_stride, count, y + t * y_stride, y_stride);
  for (; t < tokens; ++t) DotTile<1, kW>(x + t * x_stride, x_stride, w, w_stride, count, y + t * y_stride, y_stride);
}

void Dots(const float* x, std::size_t x_stride, std::size_t tokens, const float* w, std::size_t w_stride,
          std::size_t rows, std::size_t count, float* y, std::size_t y_stride) {
  std::size_t i = 0;
  for (; i + 2 <= rows; i += 2) DotRows<2>(x, x_stride, tokens, w + i * w_stride, w_stride, count, y + i, y_stride);
  if (i < rows) DotRows<1>(x, x_stride, tokens, w + i * w_stride, w_stride, count, y + i, y_stride);
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(Dots);

void dots(MatrixView<const float> x, MatrixView<const float> w, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == w.cols() && y.rows() == x.rows() && y.cols() == w.rows());
  HWY_DYNAMIC_DISPATCH(Dots)
  (x.data(), x.stride(), x.rows(), w.data(), w.stride(), w.rows(), x.cols(), y.data(), y.stride());
}

}  // namespace lieq::kernels
#endif
