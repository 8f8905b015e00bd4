#pragma once
/// The hot loops, each over 16 rows of a matrix at once, one row a SIMD lane.
/// Arrays are [columns, kLanes]: element k of lane l at k * kLanes + l.

#include <cstddef>

namespace lieq::quantize {

inline constexpr std::size_t kLanes = 16;

/// A triangular factor of the quadratic form over n columns: H = Lᵀ D² L, L unit lower triangular.
struct Factor {
  std::size_t n = 0;
  const float* lower = nullptr;   ///< L, [n, n]; nullptr: the identity
  std::size_t stride = 0;         ///< between rows of `lower`
  const float* diagonal = nullptr;  ///< D, [n]
};

/// Scales and zero points of a column: at scale[k * step + l].
struct LaneGrid {
  const float* scale = nullptr;
  const float* zero = nullptr;
  std::size_t step = 0;  ///< 0: all columns share one group; kLanes: each has its own
  float top = 3;         ///< largest code
};

/// v[k] = t[k] + Σ_{j<k} L[k][j] t[j], times D[k]: the columns of t R with R = Lᵀ D.
void apply_factor(const Factor& factor, const float* t, float* result);

/// The inverse without D: x[k] = a[k] - Σ_{j<k} L[k][j] x[j].
void solve_factor(const Factor& factor, const float* a, float* x);

/// Nearest plane (GPTQ within one group): rounds column after column, each to what is best for it given the errors
/// made before. target: t, [n, 16]; codes: [n, 16], written. loss[l] = |(t - q) R|².
/// product: t R from apply_factor, or nullptr; with it, refit[l] becomes the scale that fits these codes best
/// (as it stands where the codes leave no choice). step must then be 0.
void nearest_plane(const Factor& factor, const LaneGrid& grid, const float* target, const float* product, float* codes,
                   float* loss, float* refit);

/// Steps and minima of one group of columns: weight = step * code - minimum, so that 0 need not have a code. [kLanes]
struct LaneSteps {
  float step[kLanes], minimum[kLanes];
};

/// What least squares needs to fit steps and minima to codes: sums over columns, p = q R the image of the rounded
/// values.
struct LaneMoments {
  float square[kLanes];  ///< Σ p²
  float ones[kLanes];    ///< Σ p (1 R), 1 a row of ones
  float cross[kLanes];   ///< Σ p (t R)
};

/// nearest_plane() on steps and minima; ones: 1 R, [n], see image_of_ones().
void nearest_plane(const Factor& factor, const LaneSteps& steps, float top, const float* target, const float* product,
                   const float* ones, float* codes, float* loss, LaneMoments& moments);

/// 1 R: [n].
void image_of_ones(const Factor& factor, float* ones);

/// result[k] += Σ_{j<count} rows[k * stride + j] x[j] for k < n: a matrix times columns of lanes.
void add_product(const float* rows, std::size_t stride, std::size_t n, std::size_t count, const float* x,
                 float* result);

/// x[i] += a y[i].
void add_scaled(float* x, float a, const float* y, std::size_t count);

}  // namespace lieq::quantize
