#include "lieq/tune/elementwise.h"

#include <cmath>
#include <cstddef>

#include "lieq/base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/tune/elementwise.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::tune::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float AddRmsNormGradient(const float* x, const float* weight, float epsilon, const float* dy, std::size_t count,
                         float* dx) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto squares = hn::Zero(d), products = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    squares = hn::MulAdd(v, v, squares);
    products = hn::MulAdd(hn::Mul(hn::LoadU(d, weight + i), hn::LoadU(d, dy + i)), v, products);
  }
  float square = hn::GetLane(hn::SumOfLanes(d, squares)), product = hn::GetLane(hn::SumOfLanes(d, products));
  for (; i < count; ++i) {
    square += x[i] * x[i];
    product += weight[i] * dy[i] * x[i];
  }
  const float r = 1.0F / std::sqrt(square / static_cast<float>(count) + epsilon);
  const float share = r * r * r * product / static_cast<float>(count);
  const auto all_r = hn::Set(d, r), all_share = hn::Set(d, share);
  for (i = 0; i + lanes <= count; i += lanes) {
    const auto direct = hn::Mul(hn::Mul(hn::LoadU(d, weight + i), hn::LoadU(d, dy + i)), all_r);
    hn::StoreU(hn::Add(hn::LoadU(d, dx + i), hn::NegMulAdd(hn::LoadU(d, x + i), all_share, direct)), d, dx + i);
  }
  for (; i < count; ++i) dx[i] += weight[i] * dy[i] * r - x[i] * share;
  return r;
}

void SiluMultiplyGradient(float* gate, float* up, float* dy, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto one = hn::Set(d, 1.0F), most = hn::Set(d, 88.0F);  // where Highway's Exp would overflow
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto a = hn::LoadU(d, gate + i), b = hn::LoadU(d, up + i), g = hn::LoadU(d, dy + i);
    const auto sigmoid = hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(a), most))));
    const auto silu = hn::Mul(a, sigmoid);
    const auto slope = hn::Mul(sigmoid, hn::Add(one, hn::Sub(a, silu)));
    hn::StoreU(hn::Mul(hn::Mul(g, b), slope), d, gate + i);
    hn::StoreU(hn::Mul(g, silu), d, up + i);
    hn::StoreU(hn::Mul(silu, b), d, dy + i);
  }
  for (; i < count; ++i) {
    const float a = gate[i], b = up[i], g = dy[i];
    const float sigmoid = 1.0F / (1.0F + std::exp(-a)), silu = a * sigmoid;
    gate[i] = g * b * sigmoid * (1.0F + a - silu);
    up[i] = g * silu;
    dy[i] = silu * b;
  }
}

void KlGradient(const float* p, float p_log_sum, float* q, float q_log_sum, float factor, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto p_shift = hn::Set(d, p_log_sum), q_shift = hn::Set(d, q_log_sum), all = hn::Set(d, factor);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto of_p = hn::Exp(d, hn::Sub(hn::LoadU(d, p + i), p_shift));
    const auto of_q = hn::Exp(d, hn::Sub(hn::LoadU(d, q + i), q_shift));
    hn::StoreU(hn::Mul(all, hn::Sub(of_q, of_p)), d, q + i);
  }
  for (; i < count; ++i) q[i] = factor * (std::exp(q[i] - q_log_sum) - std::exp(p[i] - p_log_sum));
}

void SoftmaxGradient(const float* p, float factor, float* dp, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) sums = hn::MulAdd(hn::LoadU(d, p + i), hn::LoadU(d, dp + i), sums);
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) sum += p[i] * dp[i];
  const auto mean = hn::Set(d, sum), all = hn::Set(d, factor);
  for (i = 0; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, p + i), all), hn::Sub(hn::LoadU(d, dp + i), mean)), d, dp + i);
  for (; i < count; ++i) dp[i] = p[i] * factor * (dp[i] - sum);
}

}  // namespace lieq::tune::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::tune {

HWY_EXPORT(AddRmsNormGradient);
HWY_EXPORT(SiluMultiplyGradient);
HWY_EXPORT(KlGradient);
HWY_EXPORT(SoftmaxGradient);

float add_rms_norm_gradient(std::span<const float> x, std::span<const float> weight, float epsilon,
                            std::span<const float> dy, std::span<float> dx) {
  LIEQ_CHECK(x.size() == weight.size() && x.size() == dy.size() && x.size() == dx.size());
  return HWY_DYNAMIC_DISPATCH(AddRmsNormGradient)(x.data(), weight.data(), epsilon, dy.data(), x.size(), dx.data());
}

void silu_multiply_gradient(std::span<float> gate, std::span<float> up, std::span<float> dy) {
  LIEQ_CHECK(gate.size() == up.size() && gate.size() == dy.size());
  HWY_DYNAMIC_DISPATCH(SiluMultiplyGradient)(gate.data(), up.data(), dy.data(), gate.size());
}

void kl_gradient(std::span<const float> p, double p_log_sum, std::span<float> q, double q_log_sum, float factor) {
  LIEQ_CHECK(p.size() == q.size());
  HWY_DYNAMIC_DISPATCH(KlGradient)
  (p.data(), static_cast<float>(p_log_sum), q.data(), static_cast<float>(q_log_sum), factor, q.size());
}

void softmax_gradient(std::span<const float> p, float factor, std::span<float> dp) {
  LIEQ_CHECK(p.size() == dp.size());
  HWY_DYNAMIC_DISPATCH(SoftmaxGradient)(p.data(), factor, dp.data(), p.size());
}

}  // namespace lieq::tune
#endif
