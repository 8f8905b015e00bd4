#include "lieq/quantize/k_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "lieq/base/dtype.h"

namespace lieq::quantize {
namespace {

using pack::kBlockWeights;
using pack::KForm;

constexpr float kLargestHalf = 65504;
constexpr float kShrinks2[] = {0.9F, 0.75F, 0.6F, 0.45F};  // at 2 bits the best range is far inside the extremes
constexpr float kShrinks[] = {1.0F, 0.9F, 0.8F};
constexpr int kRealRefits = 3;  // least-squares steps from the best start

float half(float value) { return f16_to_float(float_to_f16(std::clamp(value, -kLargestHalf, kLargestHalf))); }

/// The multiple of `unit` nearest to `value`, within [least, largest].
float multiple(float value, float unit, float least, float largest) {
  return unit == 0 ? 0 : std::clamp(std::nearbyint(value / unit), least, largest);
}

float least_scale(const KForm& form) { return static_cast<float>(form.least_scale); }
float largest_scale(const KForm& form) { return static_cast<float>(form.largest_scale); }
float largest_minimum(const KForm& form) { return static_cast<float>(form.largest_minimum); }

}  // namespace

LaneSteps LaneBlock::steps(const KForm& form, std::size_t sub) const {
  LaneSteps s;
  for (std::size_t l = 0; l < kLanes; ++l) {
    s.step[l] = d[l] * scales[sub][l];
    s.minimum[l] = form.has_minima() ? dmin[l] * minima[sub][l] : s.step[l] * static_cast<float>(form.zero);
  }
  return s;
}

void LaneBlock::values(const KForm& form, std::size_t sub, float* target) const {
  const LaneSteps s = steps(form, sub);
  const float* code = codes.data() + sub * form.sub_size * kLanes;
  for (std::size_t k = 0; k < form.sub_size; ++k)
    for (std::size_t l = 0; l < kLanes; ++l) target[k * kLanes + l] = s.step[l] * code[k * kLanes + l] - s.minimum[l];
}

void BlockSearch::prepare(const Factor& factor, const float* target) {
  product_.resize(factor.n * kLanes);
  codes_.resize(factor.n * kLanes);
  ones_.resize(factor.n);
  apply_factor(factor, target, product_.data());
  image_of_ones(factor, ones_.data());
  ones_square_ = 0;
  std::fill_n(ones_cross_, kLanes, 0.0F);
  for (std::size_t k = 0; k < factor.n; ++k) {
    ones_square_ += ones_[k] * ones_[k];
    for (std::size_t l = 0; l < kLanes; ++l) ones_cross_[l] += ones_[k] * product_[k * kLanes + l];
  }
}

void BlockSearch::begin(Best& best) const {
  std::fill_n(best.loss, kLanes, std::numeric_limits<float>::infinity());
  best.codes.resize(form_.sub_size * kLanes);
}

/// Rounds the target with these steps; rows that lose less than the best so far become the best.
void BlockSearch::try_steps(const Factor& factor, const float* target, const LaneSteps& steps, Best& best) {
  nearest_plane(factor, steps, static_cast<float>(form_.top()), target, product_.data(), ones_.data(), codes_.data(),
                loss_, moments_);
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(loss_[l] < best.loss[l])) continue;
    best.loss[l] = loss_[l];
    best.steps.step[l] = steps.step[l];
    best.steps.minimum[l] = steps.minimum[l];
    best.moments.square[l] = moments_.square[l];
    best.moments.ones[l] = moments_.ones[l];
    best.moments.cross[l] = moments_.cross[l];
    for (std::size_t k = 0; k < factor.n; ++k) best.codes[k * kLanes + l] = codes_[k * kLanes + l];
  }
}

/// The same on multiples of the block's d and dmin.
void BlockSearch::try_multiples(const Factor& factor, const float* target, const float* scale, const float* minimum,
                                const LaneBlock& block, Best& best) {
  LaneSteps steps;
  for (std::size_t l = 0; l < kLanes; ++l) {
    steps.step[l] = block.d[l] * scale[l];
    steps.minimum[l] =
        form_.has_minima() ? block.dmin[l] * minimum[l] : steps.step[l] * static_cast<float>(form_.zero);
  }
  float before[kLanes];
  std::copy_n(best.loss, kLanes, before);
  try_steps(factor, target, steps, best);
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(best.loss[l] < before[l])) continue;
    best.scale[l] = scale[l];
    best.minimum[l] = minimum[l];
  }
}

/// Steps and minima that fit the codes of a trial best: the rounded values q become a q + b.
LaneSteps BlockSearch::refit(const LaneSteps& steps, const LaneMoments& moments) const {
  LaneSteps fitted = steps;
  for (std::size_t l = 0; l < kLanes; ++l) {
    const float square = moments.square[l], cross = moments.cross[l];
    if (!form_.has_minima()) {
      if (square > 0 && cross > 0) fitted.step[l] = steps.step[l] * cross / square;
      fitted.minimum[l] = fitted.step[l] * static_cast<float>(form_.zero);
      continue;
    }
    const float mixed = moments.ones[l], wish = ones_cross_[l], step = steps.step[l], minimum = steps.minimum[l];
    const float determinant = square * ones_square_ - mixed * mixed;
    if (!(determinant > 1e-5F * square * ones_square_)) continue;
    const float a = (cross * ones_square_ - wish * mixed) / determinant;
    const float b = (square * wish - mixed * cross) / determinant;
    if (!(a > 0)) continue;
    fitted.step[l] = a * step;
    fitted.minimum[l] = a * minimum - b;
    if (fitted.minimum[l] >= 0) continue;
    // Minima cannot be negative: with 0 the step alone is fitted, to the image of step * code, p + minimum * 1 R.
    const float code_square = square + 2 * minimum * mixed + minimum * minimum * ones_square_;
    const float code_cross = cross + minimum * wish;
    fitted.minimum[l] = 0;
    fitted.step[l] = code_square > 0 && code_cross > 0 ? step * code_cross / code_square : step;
  }
  return fitted;
}

/// Ranges inside the extremes, each end shrunken by itself, then least squares from the best.
void BlockSearch::search_real(const Factor& factor, const float* target, Best& best) {
  prepare(factor, target);
  begin(best);
  float lo[kLanes] = {}, hi[kLanes] = {};
  for (std::size_t k = 0; k < factor.n; ++k) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      lo[l] = std::min(lo[l], target[k * kLanes + l]);
      hi[l] = std::max(hi[l], target[k * kLanes + l]);
    }
  }
  const auto shrinks = form_.bits == 2 ? std::span<const float>(kShrinks2) : std::span<const float>(kShrinks);
  const auto top = static_cast<float>(form_.top()), zero = static_cast<float>(form_.zero);
  LaneSteps start;
  const auto try_with_refit = [&] {
    try_steps(factor, target, start, best);
    try_steps(factor, target, refit(start, moments_), best);
  };
  if (form_.has_minima()) {
    for (const float low : shrinks) {
      for (const float high : shrinks) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          start.minimum[l] = -low * lo[l];
          start.step[l] = (high * hi[l] - low * lo[l]) / top;
        }
        try_with_refit();
      }
    }
  } else {
    for (const float sign : {1.0F, -1.0F}) {
      for (const float shrink : shrinks) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          const float up = sign > 0 ? hi[l] : -lo[l], down = sign > 0 ? -lo[l] : hi[l];
          start.step[l] = sign * shrink * std::max(up / (top - zero), down / zero);
          start.minimum[l] = start.step[l] * zero;
        }
        try_with_refit();
      }
    }
  }
  for (int round = 0; round < kRealRefits; ++round) {
    const LaneSteps fitted = refit(best.steps, best.moments);
    try_steps(factor, target, fitted, best);
  }
}

void BlockSearch::round_to_multiples(const LaneSteps& steps, const LaneBlock& block, float* scale,
                                     float* minimum) const {
  for (std::size_t l = 0; l < kLanes; ++l) {
    scale[l] = multiple(steps.step[l], block.d[l], least_scale(form_), largest_scale(form_));
    minimum[l] = multiple(steps.minimum[l], block.dmin[l], 0, largest_minimum(form_));
  }
}

/// From the multiples and loss in `best` on.
void BlockSearch::search_multiples(const Factor& factor, const float* target, int reach, const LaneBlock& block,
                                   Best& best) {
  float scale[kLanes], minimum[kLanes], from_scale[kLanes], from_minimum[kLanes];
  std::copy_n(best.scale, kLanes, from_scale);
  std::copy_n(best.minimum, kLanes, from_minimum);
  const int minima_reach = form_.has_minima() ? reach : 0;
  const int scales_reach = form_.has_minima() ? reach : 2 * reach;
  for (int s = -scales_reach; s <= scales_reach; ++s) {
    for (int m = -minima_reach; m <= minima_reach; ++m) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        scale[l] = std::clamp(from_scale[l] + static_cast<float>(s), least_scale(form_), largest_scale(form_));
        minimum[l] = std::clamp(from_minimum[l] + static_cast<float>(m), 0.0F, largest_minimum(form_));
      }
      try_multiples(factor, target, scale, minimum, block, best);
      if (s != 0 || m != 0) continue;
      LaneSteps steps;
      for (std::size_t l = 0; l < kLanes; ++l) {
        steps.step[l] = block.d[l] * scale[l];
        steps.minimum[l] =
            form_.has_minima() ? block.dmin[l] * minimum[l] : steps.step[l] * static_cast<float>(form_.zero);
      }
      round_to_multiples(refit(steps, moments_), block, scale, minimum);
      try_multiples(factor, target, scale, minimum, block, best);
    }
  }
}

/// Calls choose(sub, factor, target) for each sub-block, with the errors of those before it fed back.
/// choose leaves its values in block.steps: here read back from best_.
template <class Choose>
void BlockSearch::in_order(const Factor& factor, const float* target, const Choose& choose) {
  const std::size_t size = form_.sub_size;
  errors_.resize(kBlockWeights * kLanes);
  felt_.resize(size * kLanes);
  shifted_.resize(size * kLanes);
  for (std::size_t sub = 0; sub < form_.sub_blocks(); ++sub) {
    const std::size_t first = sub * size;
    const float* lower = factor.lower ? factor.lower + first * factor.stride : nullptr;
    const Factor own{size, lower ? lower + first : nullptr, factor.stride, factor.diagonal + first};
    const float* wanted = target + first * kLanes;
    std::fill(shifted_.begin(), shifted_.end(), 0.0F);
    if (lower && first > 0) {
      std::fill(felt_.begin(), felt_.end(), 0.0F);
      add_product(lower, factor.stride, size, first, errors_.data(), felt_.data());
      solve_factor(own, felt_.data(), shifted_.data());
    }
    for (std::size_t k = 0; k < size * kLanes; ++k) shifted_[k] += wanted[k];
    choose(sub, own, shifted_.data());
    for (std::size_t k = 0; k < size; ++k)
      for (std::size_t l = 0; l < kLanes; ++l)
        errors_[(first + k) * kLanes + l] =
            wanted[k * kLanes + l] - (best_.steps.step[l] * best_.codes[k * kLanes + l] - best_.steps.minimum[l]);
  }
}

/// d and dmin from wishes_: candidates put the largest wish on or beyond either side of the largest integer; the pair
/// whose roundings raise the loss least is taken, each minimum rounded to make up for its scale.
void BlockSearch::choose_units(LaneBlock& block) const {
  constexpr int kTries = 7;
  const std::size_t subs = form_.sub_blocks();
  for (std::size_t l = 0; l < kLanes; ++l) {
    float largest = 0, largest_low = 0;
    std::array<double, pack::kMostSubBlocks> square{}, mixed{};
    const double ones = static_cast<double>(wishes_[0].ones_square);
    (void)ones;
    for (std::size_t b = 0; b < subs; ++b) {
      const Wish& wish = wishes_[b];
      const float step = wish.steps.step[l], minimum = wish.steps.minimum[l];
      if (std::fabs(step) > std::fabs(largest)) largest = step;
      if (form_.has_minima()) largest_low = std::max(largest_low, minimum);
      if (step == 0) continue;
      const float p = wish.moments.square[l], u = form_.has_minima() ? wish.moments.ones[l] : 0;
      const float low = form_.has_minima() ? minimum : 0;
      square[b] = static_cast<double>((p + 2 * low * u + low * low * wish.ones_square) / (step * step));
      mixed[b] = static_cast<double>((u + low * wish.ones_square) / step);
    }
    double best = std::numeric_limits<double>::infinity();
    block.d[l] = block.dmin[l] = 0;
    for (int i = 0; i < kTries; ++i) {
      // 15: 12 ... 18; 63: 60 ... 66; Q3_K, where the larger side is the negative one: -35 ... -29
      const float at = form_.least_scale < 0 ? least_scale(form_) - 3 + static_cast<float>(i)
                                             : largest_scale(form_) - 3 + static_cast<float>(i);
      const float d = half(largest / at);
      for (int j = 0; j < (form_.has_minima() ? kTries : 1); ++j) {
        const float dmin = form_.has_minima() ? half(largest_low / (largest_minimum(form_) - 3 + static_cast<float>(j))) : 0;
        double loss = 0;
        for (std::size_t b = 0; b < subs; ++b) {
          const Wish& wish = wishes_[b];
          const float scale = multiple(wish.steps.step[l], d, least_scale(form_), largest_scale(form_));
          const auto off = static_cast<double>(d * scale - wish.steps.step[l]);
          loss += off * off * square[b];
          if (!form_.has_minima()) continue;
          const auto weight = static_cast<double>(wish.ones_square);
          const auto wanted = wish.steps.minimum[l] + static_cast<float>(off * mixed[b] / weight);
          const float minimum = multiple(wanted, dmin, 0, largest_minimum(form_));
          const auto off_minimum = static_cast<double>(dmin * minimum - wish.steps.minimum[l]);
          loss += off_minimum * (off_minimum * weight - 2 * off * mixed[b]);
        }
        if (!(loss < best)) continue;
        best = loss;
        block.d[l] = d;
        block.dmin[l] = dmin;
      }
    }
  }
}

void BlockSearch::choose(const Factor& factor, const float* target, LaneBlock& block) {
  block.codes.resize(kBlockWeights * kLanes);
  in_order(factor, target, [&](std::size_t sub, const Factor& own, const float* t) {
    search_real(own, t, best_);
    wishes_[sub] = {best_.steps, best_.moments, ones_square_};
  });
  choose_units(block);
  in_order(factor, target, [&](std::size_t sub, const Factor& own, const float* t) {
    prepare(own, t);
    begin(best_);
    round_to_multiples(wishes_[sub].steps, block, best_.scale, best_.minimum);
    search_multiples(own, t, 1, block, best_);
    std::copy_n(best_.scale, kLanes, block.scales[sub]);
    std::copy_n(best_.minimum, kLanes, block.minima[sub]);
    std::ranges::copy(best_.codes, block.codes.begin() + static_cast<std::ptrdiff_t>(sub * form_.sub_size * kLanes));
  });
}

bool BlockSearch::improve(const Factor& factor, const float* target, int reach, std::size_t sub, LaneBlock& block) {
  const std::size_t size = form_.sub_size;
  float* const codes = block.codes.data() + sub * size * kLanes;
  prepare(factor, target);
  begin(best_);
  // What the present codes lose: the image of the target less their values.
  felt_.resize(size * kLanes);
  shifted_.resize(size * kLanes);
  block.values(form_, sub, felt_.data());
  for (std::size_t k = 0; k < size * kLanes; ++k) felt_[k] = target[k] - felt_[k];
  apply_factor(factor, felt_.data(), shifted_.data());
  float present[kLanes] = {};
  for (std::size_t k = 0; k < size; ++k)
    for (std::size_t l = 0; l < kLanes; ++l) present[l] += shifted_[k * kLanes + l] * shifted_[k * kLanes + l];
  std::copy_n(present, kLanes, best_.loss);
  std::copy_n(block.scales[sub], kLanes, best_.scale);
  std::copy_n(block.minima[sub], kLanes, best_.minimum);
  search_multiples(factor, target, reach, block, best_);
  bool changed = false;
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(best_.loss[l] < present[l])) continue;
    changed = true;
    block.scales[sub][l] = best_.scale[l];
    block.minima[sub][l] = best_.minimum[l];
    for (std::size_t k = 0; k < size; ++k) codes[k * kLanes + l] = best_.codes[k * kLanes + l];
  }
  return changed;
}

}  // namespace lieq::quantize
