#include "lieq/kernels/elementwise.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/elementwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float Dot(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum0);
    sum1 = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), sum1);
    sum2 = hn::MulAdd(hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes), sum2);
    sum3 = hn::MulAdd(hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= count; i += lanes) sum0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum0);
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void RmsNorm(const float* x, const float* weight, float epsilon, std::size_t count, float* y) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const float scale = 1.0F / std::sqrt(Dot(x, x, count) / static_cast<float>(count) + epsilon);
  const auto vector_scale = hn::Set(d, scale);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), vector_scale), hn::LoadU(d, weight + i)), d, y + i);
  for (; i < count; ++i) y[i] = x[i] * scale * weight[i];
}

void SiluMultiply(float* gate, const float* up, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto one = hn::Set(d, 1.0F);
  const auto most = hn::Set(d, 88.0F);  // Highway's Exp wraps around where the result would overflow
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto a = hn::LoadU(d, gate + i);
    const auto silu = hn::Div(a, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(a), most))));
    hn::StoreU(hn::Mul(silu, hn::LoadU(d, up + i)), d, gate + i);
  }
  for (; i < count; ++i) gate[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
}

/// a / (1 + exp(-2 u)) with u the argument of tanh: the same function without a difference of near numbers.
void GeluMultiply(float* gate, const float* up, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  constexpr float kTwice = 1.5957691216057308F;  // 2 sqrt(2 / pi)
  constexpr float kCubic = 0.044715F;
  const auto one = hn::Set(d, 1.0F);
  const auto most = hn::Set(d, 88.0F);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto a = hn::LoadU(d, gate + i);
    const auto inner = hn::MulAdd(hn::Mul(hn::Set(d, kCubic), hn::Mul(a, a)), a, a);
    const auto exponent = hn::Min(hn::Mul(hn::Set(d, -kTwice), inner), most);
    const auto gelu = hn::Div(a, hn::Add(one, hn::Exp(d, exponent)));
    hn::StoreU(hn::Mul(gelu, hn::LoadU(d, up + i)), d, gate + i);
  }
  for (; i < count; ++i) {
    const float a = gate[i];
    gate[i] = a / (1.0F + std::exp(std::min(-kTwice * (a + kCubic * a * a * a), 88.0F))) * up[i];
  }
}

void Scale(float* x, float factor, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
  for (; i < count; ++i) x[i] *= factor;
}

void Add(float* x, const float* y, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, x + i);
  for (; i < count; ++i) x[i] += y[i];
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(Dot);
HWY_EXPORT(RmsNorm);
HWY_EXPORT(SiluMultiply);
HWY_EXPORT(GeluMultiply);
HWY_EXPORT(Scale);
HWY_EXPORT(Add);

void rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> y) {
  LIEQ_CHECK(x.size() == weight.size() && x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x.data(), weight.data(), epsilon, x.size(), y.data());
}

void silu_multiply(std::span<float> gate, std::span<const float> up) {
  LIEQ_CHECK(gate.size() == up.size());
  HWY_DYNAMIC_DISPATCH(SiluMultiply)(gate.data(), up.data(), gate.size());
}

void gelu_multiply(std::span<float> gate, std::span<const float> up) {
  LIEQ_CHECK(gate.size() == up.size());
  HWY_DYNAMIC_DISPATCH(GeluMultiply)(gate.data(), up.data(), gate.size());
}

void scale(std::span<float> x, float factor) { HWY_DYNAMIC_DISPATCH(Scale)(x.data(), factor, x.size()); }

void add(std::span<float> x, std::span<const float> y) {
  LIEQ_CHECK(x.size() == y.size());
  HWY_DYNAMIC_DISPATCH(Add)(x.data(), y.data(), x.size());
}

float dot(const float* a, const float* b, std::size_t count) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b, count); }

}  // namespace lieq::kernels
#endif
