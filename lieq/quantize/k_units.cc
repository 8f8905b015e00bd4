#include "lieq/quantize/k_units.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lieq/base/dtype.h"

namespace lieq::quantize {
namespace {

constexpr double kLargestUnit = 65504;
constexpr int kTries = 7;  // integers that the largest wish is put on

float half(double value) {
  return f16_to_float(float_to_f16(static_cast<float>(std::clamp(value, -kLargestUnit, kLargestUnit))));
}

/// What rounding all wishes to multiples of these units costs.
double rounding_loss(const pack::KForm& form, std::span<const SubBlockWish> wishes, const Units& units) {
  double loss = 0;
  for (const SubBlockWish& wish : wishes) {
    const float scale = nearest_multiple(wish.step, units.d, form.least_scale, form.largest_scale);
    const auto off = static_cast<double>(units.d * scale - wish.step);
    loss += off * off * wish.code_square;
    if (!form.has_minima()) continue;
    const float wanted = wish.minimum + static_cast<float>(off * wish.code_ones / wish.ones_square);
    const float minimum = nearest_multiple(wanted, units.dmin, 0, form.largest_minimum);
    const auto off_minimum = static_cast<double>(units.dmin * minimum - wish.minimum);
    loss += off_minimum * (off_minimum * wish.ones_square - 2 * off * wish.code_ones);
  }
  return loss;
}

}  // namespace

float nearest_multiple(float value, float unit, int least, int largest) {
  if (unit == 0) return 0;
  return std::clamp(std::nearbyint(value / unit), static_cast<float>(least), static_cast<float>(largest));
}

Units choose_units(const pack::KForm& form, std::span<const SubBlockWish> wishes) {
  float step = 0, minimum = 0;  // the largest wishes
  for (const SubBlockWish& wish : wishes) {
    if (std::fabs(wish.step) > std::fabs(step)) step = wish.step;
    minimum = std::max(minimum, wish.minimum);
  }
  // Where scales are signed, the negative side reaches further.
  const int furthest = form.least_scale < 0 ? form.least_scale : form.largest_scale;
  Units best;
  double least = std::numeric_limits<double>::infinity();
  for (int i = -kTries / 2; i <= kTries / 2; ++i) {
    for (int j = -kTries / 2; j <= kTries / 2; ++j) {
      Units units{half(static_cast<double>(step) / (furthest + i)), 0};
      if (form.has_minima()) units.dmin = half(static_cast<double>(minimum) / (form.largest_minimum + j));
      const double loss = rounding_loss(form, wishes, units);
      if (!(loss < least)) continue;
      least = loss;
      best = units;
    }
  }
  return best;
}

double UnitProducts::loss(const Units& units) const {
  const auto d = static_cast<double>(units.d), dmin = static_cast<double>(units.dmin);
  return d * (d * cc + 2 * dmin * ce - 2 * ct) + dmin * (dmin * ee - 2 * et);
}

Units fit_units(const UnitProducts& p, const Units& present) {
  if (!(p.cc > 0)) return present;
  const double determinant = p.cc * p.ee - p.ce * p.ce;
  if (!(determinant > 1e-6 * p.cc * p.ee))
    return {half((p.ct - static_cast<double>(present.dmin) * p.ce) / p.cc), present.dmin};
  Units units{half((p.ct * p.ee - p.et * p.ce) / determinant), 0};
  units.dmin = half(std::max(0.0, (p.et - static_cast<double>(units.d) * p.ce) / p.ee));
  return units;
}

}  // namespace lieq::quantize
