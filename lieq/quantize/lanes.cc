#include "lieq/quantize/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/quantize/lanes.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::quantize::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Two vectors of at most 8 lanes side by side, so that on every target 16 rows are a whole number of pairs.
using D = hn::CappedTag<float, 8>;
using V = hn::Vec<D>;
struct Pair {
  V a, b;
};

HWY_INLINE Pair Load(const float* p) {
  const D d;
  return {hn::LoadU(d, p), hn::LoadU(d, p + hn::Lanes(d))};
}
HWY_INLINE void Store(const Pair& v, float* p) {
  const D d;
  hn::StoreU(v.a, d, p);
  hn::StoreU(v.b, d, p + hn::Lanes(d));
}
HWY_INLINE Pair MulAdd(float x, const Pair& y, const Pair& sum) {
  const D d;
  const V all = hn::Set(d, x);
  return {hn::MulAdd(all, y.a, sum.a), hn::MulAdd(all, y.b, sum.b)};
}
HWY_INLINE Pair Add(const Pair& x, const Pair& y) { return {hn::Add(x.a, y.a), hn::Add(x.b, y.b)}; }

/// start + Σ_{j<count} row[j] e[j]. Four sums, since one chain of FMAs would wait for itself.
HWY_INLINE Pair Combine(const float* row, const float* e, std::size_t count, const Pair& start) {
  const D d;
  const Pair zero{hn::Zero(d), hn::Zero(d)};
  Pair sum0 = start, sum1 = zero, sum2 = zero, sum3 = zero;
  std::size_t j = 0;
  for (; j + 4 <= count; j += 4) {
    sum0 = MulAdd(row[j], Load(e + j * kLanes), sum0);
    sum1 = MulAdd(row[j + 1], Load(e + (j + 1) * kLanes), sum1);
    sum2 = MulAdd(row[j + 2], Load(e + (j + 2) * kLanes), sum2);
    sum3 = MulAdd(row[j + 3], Load(e + (j + 3) * kLanes), sum3);
  }
  for (; j < count; ++j) sum0 = MulAdd(row[j], Load(e + j * kLanes), sum0);
  return Add(Add(sum0, sum1), Add(sum2, sum3));
}

HWY_INLINE std::size_t PairLanes() { return 2 * hn::Lanes(D()); }

void ApplyFactor(const Factor& factor, const float* t, float* result) {
  const D d;
  for (std::size_t lane = 0; lane < kLanes; lane += PairLanes()) {
    for (std::size_t k = 0; k < factor.n; ++k) {
      const std::size_t at = k * kLanes + lane;
      const Pair v = factor.lower ? Combine(factor.lower + k * factor.stride, t + lane, k, Load(t + at)) : Load(t + at);
      const V scale = hn::Set(d, factor.diagonal[k]);
      Store({hn::Mul(v.a, scale), hn::Mul(v.b, scale)}, result + at);
    }
  }
}

void SolveFactor(const Factor& factor, const float* a, float* x) {
  const D d;
  const Pair zero{hn::Zero(d), hn::Zero(d)};
  for (std::size_t lane = 0; lane < kLanes; lane += PairLanes()) {
    for (std::size_t k = 0; k < factor.n; ++k) {
      const std::size_t at = k * kLanes + lane;
      const Pair start = Load(a + at);
      const Pair sum = factor.lower ? Combine(factor.lower + k * factor.stride, x + lane, k, zero) : zero;
      Store({hn::Sub(start.a, sum.a), hn::Sub(start.b, sum.b)}, x + at);
    }
  }
}

struct LaneResult {
  V loss, square, cross;
};

/// One vector of one column: rounds v, stores the code and the error, adds to the sums.
HWY_INLINE void RoundColumn(const V v, const V t, const V scale, const V inverse, const V zero, float top,
                            float diagonal, const float* product, float* code, float* error, LaneResult& sums) {
  const D d;
  const V scaled = hn::MulAdd(v, inverse, zero);
  const V c = hn::Round(hn::Min(hn::Max(scaled, hn::Zero(d)), hn::Set(d, top)));
  const V q = hn::Mul(scale, hn::Sub(c, zero));
  hn::StoreU(c, d, code);
  hn::StoreU(hn::Sub(t, q), d, error);
  const V r = hn::Mul(hn::Sub(v, q), hn::Set(d, diagonal));
  sums.loss = hn::MulAdd(r, r, sums.loss);
  if (product) {
    const V tau = hn::LoadU(d, product);
    const V p = hn::Sub(tau, r);  // the codes' own image, times the scale
    sums.square = hn::MulAdd(p, p, sums.square);
    sums.cross = hn::MulAdd(p, tau, sums.cross);
  }
}

HWY_INLINE V Inverse(const V scale) {
  const D d;
  const V one = hn::Set(d, 1.0F);
  const auto is_zero = hn::Eq(scale, hn::Zero(d));
  return hn::IfThenZeroElse(is_zero, hn::Div(one, hn::IfThenElse(is_zero, one, scale)));
}

void NearestPlane(const Factor& factor, const LaneGrid& grid, const float* target, const float* product, float* codes,
                  float* errors, float* loss, float* refit) {
  const D d;
  const std::size_t half = hn::Lanes(d);
  for (std::size_t lane = 0; lane < kLanes; lane += PairLanes()) {
    LaneResult first{hn::Zero(d), hn::Zero(d), hn::Zero(d)}, second = first;
    Pair scale = Load(grid.scale + lane), zero = Load(grid.zero + lane);
    Pair inverse{Inverse(scale.a), Inverse(scale.b)};
    for (std::size_t k = 0; k < factor.n; ++k) {
      const std::size_t at = k * kLanes + lane;
      if (grid.step != 0 && k != 0) {
        scale = Load(grid.scale + k * grid.step + lane);
        zero = Load(grid.zero + k * grid.step + lane);
        inverse = {Inverse(scale.a), Inverse(scale.b)};
      }
      const Pair t = Load(target + at);
      const Pair v = factor.lower ? Combine(factor.lower + k * factor.stride, errors + lane, k, t) : t;
      const float* p = product ? product + at : nullptr;
      RoundColumn(v.a, t.a, scale.a, inverse.a, zero.a, grid.top, factor.diagonal[k], p, codes + at, errors + at,
                  first);
      RoundColumn(v.b, t.b, scale.b, inverse.b, zero.b, grid.top, factor.diagonal[k], p ? p + half : nullptr,
                  codes + at + half, errors + at + half, second);
    }
    Store({first.loss, second.loss}, loss + lane);
    if (!product) continue;
    const auto fit = [&](const LaneResult& sums, const V s) {
      const auto usable = hn::And(hn::Gt(sums.square, hn::Zero(d)), hn::Gt(sums.cross, hn::Zero(d)));
      const V square = hn::IfThenElse(usable, sums.square, hn::Set(d, 1.0F));
      return hn::IfThenElse(usable, hn::Mul(s, hn::Div(sums.cross, square)), s);
    };
    Store({fit(first, scale.a), fit(second, scale.b)}, refit + lane);
  }
}

void NearestPlaneOnSteps(const Factor& factor, const LaneSteps& steps, float top, const float* target,
                         const float* product, const float* ones, float* codes, float* errors, float* loss,
                         LaneMoments& moments) {
  const D d;
  const std::size_t half = hn::Lanes(d);
  for (std::size_t lane = 0; lane < kLanes; lane += PairLanes()) {
    struct Sums {
      V loss, square, ones, cross;
    };
    const V zero = hn::Zero(d), largest = hn::Set(d, top);
    Sums sums[2] = {{zero, zero, zero, zero}, {zero, zero, zero, zero}};
    const Pair step = Load(steps.step + lane), minimum = Load(steps.minimum + lane);
    const Pair inverse{Inverse(step.a), Inverse(step.b)};
    for (std::size_t k = 0; k < factor.n; ++k) {
      const std::size_t at = k * kLanes + lane;
      const Pair t = Load(target + at);
      const Pair v = factor.lower ? Combine(factor.lower + k * factor.stride, errors + lane, k, t) : t;
      const V weight = hn::Set(d, factor.diagonal[k]), one = hn::Set(d, ones[k]);
      const auto round = [&](const V value, const V wanted, const V s, const V inv, const V m, std::size_t offset,
                             Sums& sum) {
        const V scaled = hn::Mul(hn::Add(value, m), inv);
        const V c = hn::Round(hn::Min(hn::Max(scaled, zero), largest));
        const V q = hn::Sub(hn::Mul(s, c), m);
        hn::StoreU(c, d, codes + offset);
        hn::StoreU(hn::Sub(wanted, q), d, errors + offset);
        const V r = hn::Mul(hn::Sub(value, q), weight), tau = hn::LoadU(d, product + offset), p = hn::Sub(tau, r);
        sum.loss = hn::MulAdd(r, r, sum.loss);
        sum.square = hn::MulAdd(p, p, sum.square);
        sum.ones = hn::MulAdd(p, one, sum.ones);
        sum.cross = hn::MulAdd(p, tau, sum.cross);
      };
      round(v.a, t.a, step.a, inverse.a, minimum.a, at, sums[0]);
      round(v.b, t.b, step.b, inverse.b, minimum.b, at + half, sums[1]);
    }
    Store({sums[0].loss, sums[1].loss}, loss + lane);
    Store({sums[0].square, sums[1].square}, moments.square + lane);
    Store({sums[0].ones, sums[1].ones}, moments.ones + lane);
    Store({sums[0].cross, sums[1].cross}, moments.cross + lane);
  }
}

void AddProduct(const float* rows, std::size_t stride, std::size_t n, std::size_t count, const float* x,
                float* result) {
  for (std::size_t lane = 0; lane < kLanes; lane += PairLanes())
    for (std::size_t k = 0; k < n; ++k) {
      float* const target = result + k * kLanes + lane;
      Store(Combine(rows + k * stride, x + lane, count, Load(target)), target);
    }
}

void AddScaled(float* x, float a, const float* y, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto all = hn::Set(d, a);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::MulAdd(all, hn::LoadU(d, y + i), hn::LoadU(d, x + i)), d, x + i);
  for (; i < count; ++i) x[i] += a * y[i];
}

}  // namespace lieq::quantize::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <vector>

namespace lieq::quantize {

HWY_EXPORT(ApplyFactor);
HWY_EXPORT(SolveFactor);
HWY_EXPORT(NearestPlane);
HWY_EXPORT(NearestPlaneOnSteps);
HWY_EXPORT(AddProduct);
HWY_EXPORT(AddScaled);

void apply_factor(const Factor& factor, const float* t, float* result) {
  HWY_DYNAMIC_DISPATCH(ApplyFactor)(factor, t, result);
}

void solve_factor(const Factor& factor, const float* a, float* x) { HWY_DYNAMIC_DISPATCH(SolveFactor)(factor, a, x); }

void nearest_plane(const Factor& factor, const LaneGrid& grid, const float* target, const float* product, float* codes,
                   float* loss, float* refit) {
  static thread_local std::vector<float> errors;
  errors.resize(factor.n * kLanes);
  HWY_DYNAMIC_DISPATCH(NearestPlane)(factor, grid, target, product, codes, errors.data(), loss, refit);
}

void nearest_plane(const Factor& factor, const LaneSteps& steps, float top, const float* target, const float* product,
                   const float* ones, float* codes, float* loss, LaneMoments& moments) {
  static thread_local std::vector<float> errors;
  errors.resize(factor.n * kLanes);
  HWY_DYNAMIC_DISPATCH(NearestPlaneOnSteps)(factor, steps, top, target, product, ones, codes, errors.data(), loss,
                                            moments);
}

void image_of_ones(const Factor& factor, float* ones) {
  for (std::size_t k = 0; k < factor.n; ++k) {
    float sum = 1;
    if (factor.lower)
      for (std::size_t j = 0; j < k; ++j) sum += factor.lower[k * factor.stride + j];
    ones[k] = factor.diagonal[k] * sum;
  }
}

void add_product(const float* rows, std::size_t stride, std::size_t n, std::size_t count, const float* x,
                 float* result) {
  HWY_DYNAMIC_DISPATCH(AddProduct)(rows, stride, n, count, x, result);
}

void add_scaled(float* x, float a, const float* y, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(x, a, y, count);
}

}  // namespace lieq::quantize
#endif
