#include "lieq/quantize/grid.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "lieq/base/dtype.h"

namespace lieq::quantize {
namespace {

constexpr float kLargestHalf = 65504;
constexpr float kShrinks2[] = {0.9F, 0.7F, 0.55F, 0.4F};  // at 2 bits the best range is far inside the extremes
constexpr float kShrinks[] = {1.0F, 0.92F, 0.84F, 0.76F, 0.66F};
constexpr int kSearchRefits = 2;   // least-squares steps on the scale of the best start
constexpr int kImproveRefits = 1;  // fewer from a grid that is good already: the joint refit follows

struct Extremes {
  float lo[kLanes], hi[kLanes];
};

Extremes extremes_of(std::size_t n, const float* target) {
  Extremes e;
  std::copy_n(target, kLanes, e.lo);
  std::copy_n(target, kLanes, e.hi);
  for (std::size_t k = 1; k < n; ++k) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      e.lo[l] = std::min(e.lo[l], target[k * kLanes + l]);
      e.hi[l] = std::max(e.hi[l], target[k * kLanes + l]);
    }
  }
  return e;
}

/// Step between neighbouring zero points, and the range they may take.
struct ZeroRange {
  float step, first, last;
};

ZeroRange zero_range(const GridRules& rules) {
  const float middle = 0.5F * (rules.top() + 1);
  switch (rules.grid) {
    case Grid::kSym: return {1, middle, middle};
    case Grid::kSkew: return {1, middle - 1, middle};
    case Grid::kAsym: return {1, 0, rules.top()};
    case Grid::kHalf: return {0.5F, 0.5F, rules.top() - 0.5F};
    case Grid::kK: break;  // k_grid.h
  }
  return {1, middle, middle};
}

/// The scale at which codes reach both extremes around `zero`.
float covering_scale(float lo, float hi, float zero, float top) {
  float scale = 0;
  if (hi > 0 && zero < top) scale = std::max(scale, hi / (top - zero));
  if (lo < 0 && zero > 0) scale = std::max(scale, -lo / zero);
  return scale > 0 ? scale : std::max(std::fabs(lo), std::fabs(hi)) / top;
}

void keep_better(const LaneChoice& tried, const float* loss, std::size_t n, const std::vector<float>& codes,
                 LaneFit& best) {
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(loss[l] < best.loss[l])) continue;
    best.loss[l] = loss[l];
    best.choice.scale[l] = tried.scale[l];
    best.choice.zero[l] = tried.zero[l];
    for (std::size_t k = 0; k < n; ++k) best.codes[k * kLanes + l] = codes[k * kLanes + l];
  }
}

/// A start of the search: what it lost, and the scale that would have fitted its codes better.
struct Start {
  LaneChoice choice;
  float loss[kLanes], refit[kLanes];
};

/// Rounds on one grid.
void try_once(const GridRules& rules, const Factor& factor, const float* target, Start& start, GridScratch& scratch,
              LaneFit& best) {
  for (float& scale : start.choice.scale) scale = storable(rules, scale);
  nearest_plane(factor, {start.choice.scale, start.choice.zero, 0, rules.top()}, target, scratch.product.data(),
                scratch.codes.data(), start.loss, start.refit);
  keep_better(start.choice, start.loss, factor.n, scratch.codes, best);
}

/// Refits the scale and rounds again.
void refine(const GridRules& rules, const Factor& factor, const float* target, Start start, int refits,
            GridScratch& scratch, LaneFit& best) {
  for (int round = 0; round < refits; ++round) {
    std::copy_n(start.refit, kLanes, start.choice.scale);
    try_once(rules, factor, target, start, scratch, best);
  }
}

/// In lanes where `other` lost less, `start` becomes it.
void take_better(const Start& other, Start& start) {
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(other.loss[l] < start.loss[l])) continue;
    start.choice.scale[l] = other.choice.scale[l];
    start.choice.zero[l] = other.choice.zero[l];
    start.loss[l] = other.loss[l];
    start.refit[l] = other.refit[l];
  }
}

void prepare(const Factor& factor, const float* target, GridScratch& scratch) {
  scratch.product.resize(factor.n * kLanes);
  scratch.codes.resize(factor.n * kLanes);
  apply_factor(factor, target, scratch.product.data());
}

/// The allowed zero point at which codes are centred on the extremes, for wide grids.
float centred_zero(const ZeroRange& zeros, float lo, float hi, float scale, float top) {
  if (!(scale > 0)) return zeros.last;
  const float wanted = 0.5F * top - 0.5F * (lo + hi) / scale;
  const float nearest = zeros.first + zeros.step * std::nearbyint((wanted - zeros.first) / zeros.step);
  return std::clamp(nearest, zeros.first, zeros.last);
}

}  // namespace

float storable(const GridRules& rules, float scale) {
  scale = std::min(scale, kLargestHalf);
  return rules.half_scales ? f16_to_float(float_to_f16(scale)) : scale;
}

LaneChoice min_max_grid(const GridRules& rules, MinMax convention, std::size_t n, const float* target) {
  const Extremes e = extremes_of(n, target);
  const ZeroRange zeros = zero_range(rules);
  const float top = rules.top();
  LaneChoice c;
  for (std::size_t l = 0; l < kLanes; ++l) {
    float lo = e.lo[l], hi = e.hi[l];
    if (convention == MinMax::kPlain) {
      c.scale[l] = storable(rules, std::max(hi - lo, 1e-5F) / top);
      c.zero[l] = std::clamp(-std::nearbyint(lo / c.scale[l]), 0.0F, top);
      continue;
    }
    lo = std::min(lo, 0.0F);
    hi = std::max(hi, 0.0F);
    if (convention == MinMax::kSymmetric) {
      hi = std::max(hi, -lo);
      if (lo < 0) lo = -hi;
    }
    if (lo == 0 && hi == 0) {
      lo = -1;
      hi = 1;
    }
    // In double, since the zero point of a group of zeros, 3.5 or 7.5 before rounding, is a tie.
    const double step = (static_cast<double>(hi) - static_cast<double>(lo)) / static_cast<double>(top);
    c.scale[l] = storable(rules, static_cast<float>(step));
    const double zero = std::nearbyint(-static_cast<double>(lo) / step);
    c.zero[l] = convention == MinMax::kSymmetric ? 0.5F * (top + 1) : static_cast<float>(zero);
    if (convention == MinMax::kWithZero && rules.grid != Grid::kAsym) {
      // The nearest zero point that the grid has, and a scale that reaches both extremes from there.
      const auto wanted = static_cast<float>(-static_cast<double>(lo) / step);
      c.zero[l] = std::clamp(zeros.first + zeros.step * std::nearbyint((wanted - zeros.first) / zeros.step), zeros.first,
                             zeros.last);
      c.scale[l] = storable(rules, covering_scale(lo, hi, c.zero[l], top));
    }
  }
  return c;
}

void search_grid(const GridRules& rules, const Factor& factor, const float* target, GridScratch& scratch,
                 LaneFit& best) {
  prepare(factor, target, scratch);
  best.codes.resize(factor.n * kLanes);
  std::fill_n(best.loss, kLanes, std::numeric_limits<float>::infinity());
  const Extremes e = extremes_of(factor.n, target);
  const ZeroRange zeros = zero_range(rules);
  const float top = rules.top();
  // Few zero points: all of them, refining the best shrinkage of each. Many: the one that centres the codes on the
  // range.
  const bool all = rules.bits == 2 || zeros.last - zeros.first <= 1;
  for (float zero = zeros.first; zero <= zeros.last; zero += zeros.step) {
    Start best_start;
    std::fill_n(best_start.loss, kLanes, std::numeric_limits<float>::infinity());
    for (const float shrink : rules.bits == 2 ? std::span<const float>(kShrinks2) : std::span<const float>(kShrinks)) {
      Start start;
      for (std::size_t l = 0; l < kLanes; ++l) {
        const float lo = std::min(e.lo[l], 0.0F), hi = std::max(e.hi[l], 0.0F);  // a code of 0 is always in reach
        start.choice.scale[l] = shrink * (all ? covering_scale(lo, hi, zero, top) : (hi - lo) / top);
        start.choice.zero[l] = all ? zero : centred_zero(zeros, lo, hi, start.choice.scale[l], top);
      }
      try_once(rules, factor, target, start, scratch, best);
      take_better(start, best_start);
    }
    refine(rules, factor, target, best_start, kSearchRefits, scratch, best);
    if (!all) break;
  }
}

void improve_grid(const GridRules& rules, const Factor& factor, const float* target, int reach, GridScratch& scratch,
                  LaneFit& fit) {
  prepare(factor, target, scratch);
  const ZeroRange zeros = zero_range(rules);
  const LaneChoice present = fit.choice;
  for (int shift = -reach; shift <= reach; ++shift) {
    Start start{present, {}, {}};
    const float moved = static_cast<float>(shift) * zeros.step;
    for (float& zero : start.choice.zero) zero = std::clamp(zero + moved, zeros.first, zeros.last);
    try_once(rules, factor, target, start, scratch, fit);
    refine(rules, factor, target, start, kImproveRefits, scratch, fit);
    if (zeros.first == zeros.last) break;
  }
}

}  // namespace lieq::quantize
