#pragma once
/// Scales and zero points of groups: which there are, and which one fits. Works on 16 rows at once (lanes.h).

#include <cstddef>
#include <vector>

#include "lieq/quantize/lanes.h"
#include "lieq/quantize/options.h"

namespace lieq::quantize {

/// How a group's scale and zero point follow from its extremes, in Range::kMinMax.
enum class MinMax {
  kWithZero,   ///< 0 lies inside; zero = round(-lo / scale). GPTQ, asymmetric; on other grids the nearest they have
  kPlain,      ///< scale = max(hi - lo, 1e-5) / top; zero = clip(-round(lo / scale)). AWQ
  /// scale = 2 max|w| / top, 0 for the negative side when no weight is; zero = 2^(bits-1). GPTQ, symmetric
  kSymmetric,
};

struct GridRules {
  unsigned bits = 2;
  Grid grid = Grid::kHalf;
  bool half_scales =
      true;  ///< round scales to half precision as soon as they are chosen; off only to compare with golden data

  [[nodiscard]] float top() const { return static_cast<float>((1U << bits) - 1); }
};

/// A scale as a container holds it: half precision, and no larger than that goes.
[[nodiscard]] float storable(const GridRules& rules, float scale);

/// Scale and zero point of 16 rows.
struct LaneChoice {
  float scale[kLanes], zero[kLanes];
};

/// target: [n, 16].
[[nodiscard]] LaneChoice min_max_grid(const GridRules& rules, MinMax convention, std::size_t n, const float* target);

/// The best grid found so far, with its codes and loss |(t - q) R|².
struct LaneFit {
  LaneChoice choice;
  float loss[kLanes];
  std::vector<float> codes;  ///< [n, 16]
};

/// Scratch of search_grid and improve_grid, reused between calls.
struct GridScratch {
  std::vector<float> product, codes;
};

/// Tries zero points x shrunken ranges, each refined by two least-squares steps on the scale, and keeps the best for
/// each row. Error is measured through `factor`, rounding by nearest plane. target: [n, 16].
void search_grid(const GridRules& rules, const Factor& factor, const float* target, GridScratch& scratch,
                 LaneFit& best);

/// The same from the present grid on: all zero points close to it, and the scale refitted. `fit.choice` is read, with
/// `fit.loss` the loss to beat and `fit.codes` the present codes; they change in lanes where something better was
/// found.
/// reach: how many zero points away on either side count as close.
void improve_grid(const GridRules& rules, const Factor& factor, const float* target, int reach, GridScratch& scratch,
                  LaneFit& fit);

}  // namespace lieq::quantize
