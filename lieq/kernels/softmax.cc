#include "lieq/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lieq/base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/softmax.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The largest element; NaN if any element is NaN or infinite, which Max and Exp alone would hide.
float Max(const float* x, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  auto best = hn::Set(d, std::numeric_limits<float>::lowest()), poison = zero;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    best = hn::Max(best, v);
    poison = hn::MulAdd(v, zero, poison);  // 0 for finite v, else NaN
  }
  float max = hn::GetLane(hn::MaxOfLanes(d, best)) + hn::GetLane(hn::SumOfLanes(d, poison));
  for (; i < count; ++i) max = std::max(max, x[i]) + x[i] * 0.0F;
  return max;
}

/// y[i] = exp(x[i] - max), returning the sum. x and y may be the same.
float ExpShifted(const float* x, float max, std::size_t count, float* y) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto shift = hn::Set(d, max);
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto e = hn::Exp(d, hn::Sub(hn::LoadU(d, x + i), shift));
    sums = hn::Add(sums, e);
    hn::StoreU(e, d, y + i);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) {
    y[i] = std::exp(x[i] - max);
    sum += y[i];
  }
  return sum;
}

/// Σ exp(p - p_log_sum) * ((p - p_log_sum) - (q - q_log_sum)) over one short run of logits.
float KlTerms(const float* p, float p_log_sum, const float* q, float q_log_sum, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto p_shift = hn::Set(d, p_log_sum), q_shift = hn::Set(d, q_log_sum);
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto log_p = hn::Sub(hn::LoadU(d, p + i), p_shift), log_q = hn::Sub(hn::LoadU(d, q + i), q_shift);
    sums = hn::MulAdd(hn::Exp(d, log_p), hn::Sub(log_p, log_q), sums);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) {
    const float log_p = p[i] - p_log_sum;
    sum += std::exp(log_p) * (log_p - (q[i] - q_log_sum));
  }
  return sum;
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(Max);
HWY_EXPORT(ExpShifted);
HWY_EXPORT(KlTerms);

namespace {
constexpr std::size_t kRun = 1024;  // float32 sums stay this short; longer ones continue in float64
}

float online_softmax(std::span<float> scores, RunningSoftmax& state) {
  const float max = std::max(state.max, HWY_DYNAMIC_DISPATCH(Max)(scores.data(), scores.size()));
  const float shrink = std::exp(state.max - max);
  state.sum = state.sum * shrink + HWY_DYNAMIC_DISPATCH(ExpShifted)(scores.data(), max, scores.size(), scores.data());
  state.max = max;
  return shrink;
}

double log_sum_exp(std::span<const float> x) {
  const float max = HWY_DYNAMIC_DISPATCH(Max)(x.data(), x.size());
  float ignored[kRun];
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); i += kRun)
    sum +=
        static_cast<double>(HWY_DYNAMIC_DISPATCH(ExpShifted)(x.data() + i, max, std::min(kRun, x.size() - i), ignored));
  return static_cast<double>(max) + std::log(sum);
}

std::size_t arg_max(std::span<const float> x) {
  const float max = HWY_DYNAMIC_DISPATCH(Max)(x.data(), x.size());
  return static_cast<std::size_t>(std::find(x.begin(), x.end(), max) - x.begin());
}

double kl_divergence(std::span<const float> p, double p_log_sum, std::span<const float> q, double q_log_sum) {
  LIEQ_CHECK(p.size() == q.size());
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); i += kRun)
    sum +=
        static_cast<double>(HWY_DYNAMIC_DISPATCH(KlTerms)(p.data() + i, static_cast<float>(p_log_sum), q.data() + i,
                                                          static_cast<float>(q_log_sum), std::min(kRun, p.size() - i)));
  return sum;
}

}  // namespace lieq::kernels
#endif
