#include "lieq/quantize/k_grid.h"

#include <algorithm>
#include <limits>
#include <span>

namespace lieq::quantize {
namespace {

using pack::kBlockWeights;
using pack::KForm;

constexpr float kBlockShrinks2[] = {0.9F, 0.75F, 0.6F, 0.45F};  // at 2 bits the best range is far inside the extremes
constexpr float kBlockShrinks[] = {1.0F, 0.9F, 0.8F};
constexpr int kRealRefits = 3;  // least-squares steps from the best start
constexpr int kUnitRefits = 2;  // times that d and dmin are refitted to a chosen block

/// Ranges inside the extremes of 16 targets, each end shrunken by itself.
template <class Try>
void try_ranges(const KForm& form, std::size_t n, const float* target, const Try& try_range) {
  float lo[kLanes] = {}, hi[kLanes] = {};
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      lo[l] = std::min(lo[l], target[k * kLanes + l]);
      hi[l] = std::max(hi[l], target[k * kLanes + l]);
    }
  }
  const auto shrinks = form.bits == 2 ? std::span<const float>(kBlockShrinks2) : std::span<const float>(kBlockShrinks);
  const auto top = static_cast<float>(form.top()), zero = static_cast<float>(form.zero);
  LaneSteps start;
  for (const float high : shrinks) {
    if (form.has_minima()) {
      for (const float low : shrinks) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          start.minimum[l] = -low * lo[l];
          start.step[l] = (high * hi[l] - low * lo[l]) / top;
        }
        try_range(start);
      }
    } else {
      for (const float sign : {1.0F, -1.0F}) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          const float up = sign > 0 ? hi[l] : -lo[l], down = sign > 0 ? -lo[l] : hi[l];
          start.step[l] = sign * high * std::max(up / (top - zero), down / zero);
          start.minimum[l] = start.step[l] * zero;
        }
        try_range(start);
      }
    }
  }
}

}  // namespace

LaneSteps LaneBlock::steps(const KForm& form, const float* scale, const float* minimum) const {
  LaneSteps s;
  for (std::size_t l = 0; l < kLanes; ++l) {
    s.step[l] = units[l].d * scale[l];
    s.minimum[l] = form.has_minima() ? units[l].dmin * minimum[l] : s.step[l] * static_cast<float>(form.zero);
  }
  return s;
}

void LaneBlock::values(const KForm& form, std::size_t sub, float* target) const {
  const LaneSteps s = steps(form, scales[sub], minima[sub]);
  const float* code = codes.data() + sub * form.sub_size * kLanes;
  for (std::size_t k = 0; k < form.sub_size; ++k)
    for (std::size_t l = 0; l < kLanes; ++l) target[k * kLanes + l] = s.step[l] * code[k * kLanes + l] - s.minimum[l];
}

void LaneBlock::directions(const KForm& form, float* scale_direction, float* minima_direction) const {
  const auto zero = static_cast<float>(form.zero);
  for (std::size_t k = 0; k < kBlockWeights; ++k) {
    const std::size_t sub = k / form.sub_size;
    for (std::size_t l = 0; l < kLanes; ++l) {
      scale_direction[k * kLanes + l] = scales[sub][l] * (codes[k * kLanes + l] - zero);
      if (minima_direction) minima_direction[k * kLanes + l] = -minima[sub][l];
    }
  }
}

void LaneBlock::take_row(const LaneBlock& other, std::size_t lane) {
  units[lane] = other.units[lane];
  for (std::size_t sub = 0; sub < pack::kMostSubBlocks; ++sub) {
    scales[sub][lane] = other.scales[sub][lane];
    minima[sub][lane] = other.minima[sub][lane];
  }
  for (std::size_t k = lane; k < codes.size(); k += kLanes) codes[k] = other.codes[k];
}

/// Begins a search: nothing found yet.
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
  std::fill_n(best_.loss, kLanes, std::numeric_limits<float>::infinity());
  best_.codes.resize(form_.sub_size * kLanes);
}

/// Rounds the target with these steps; rows that lose less than the best so far become the best.
void BlockSearch::try_steps(const Factor& factor, const float* target, const LaneSteps& steps) {
  nearest_plane(factor, steps, static_cast<float>(form_.top()), target, product_.data(), ones_.data(), codes_.data(),
                loss_, moments_);
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(loss_[l] < best_.loss[l])) continue;
    best_.loss[l] = loss_[l];
    best_.steps.step[l] = steps.step[l];
    best_.steps.minimum[l] = steps.minimum[l];
    best_.moments.square[l] = moments_.square[l];
    best_.moments.ones[l] = moments_.ones[l];
    best_.moments.cross[l] = moments_.cross[l];
    for (std::size_t k = 0; k < factor.n; ++k) best_.codes[k * kLanes + l] = codes_[k * kLanes + l];
  }
}

void BlockSearch::try_multiples(const Factor& factor, const float* target, const float* scale, const float* minimum,
                                const LaneBlock& block) {
  float before[kLanes];
  std::copy_n(best_.loss, kLanes, before);
  try_steps(factor, target, block.steps(form_, scale, minimum));
  for (std::size_t l = 0; l < kLanes; ++l) {
    if (!(best_.loss[l] < before[l])) continue;
    best_.scale[l] = scale[l];
    best_.minimum[l] = minimum[l];
  }
}

/// Steps and minima that fit the codes of a trial best: the rounded values q become a q + b.
LaneSteps BlockSearch::refit(const LaneSteps& steps, const LaneMoments& moments) const {
  LaneSteps fitted = steps;
  for (std::size_t l = 0; l < kLanes; ++l) {
    const float square = moments.square[l], cross = moments.cross[l], mixed = moments.ones[l], wish = ones_cross_[l];
    if (!form_.has_minima()) {
      if (square > 0 && cross > 0) fitted.step[l] = steps.step[l] * cross / square;
      fitted.minimum[l] = fitted.step[l] * static_cast<float>(form_.zero);
      continue;
    }
    const float determinant = square * ones_square_ - mixed * mixed, minimum = steps.minimum[l];
    if (!(determinant > 1e-5F * square * ones_square_)) continue;  // one value for all: nothing to refit
    const float a = (cross * ones_square_ - wish * mixed) / determinant;
    const float b = (square * wish - mixed * cross) / determinant;
    if (!(a > 0)) continue;
    fitted.step[l] = a * steps.step[l];
    fitted.minimum[l] = a * minimum - b;
    if (fitted.minimum[l] >= 0) continue;
    // Minima cannot be negative: with 0 the step alone is fitted, to the image of step * code, p + minimum * 1 R.
    const float code_square = square + 2 * minimum * mixed + minimum * minimum * ones_square_;
    const float code_cross = cross + minimum * wish;
    fitted.minimum[l] = 0;
    fitted.step[l] = code_square > 0 && code_cross > 0 ? steps.step[l] * code_cross / code_square : steps.step[l];
  }
  return fitted;
}

void BlockSearch::search_real(const Factor& factor, const float* target) {
  prepare(factor, target);
  try_ranges(form_, factor.n, target, [&](const LaneSteps& start) {
    try_steps(factor, target, start);
    try_steps(factor, target, refit(start, moments_));
  });
  for (int round = 0; round < kRealRefits; ++round) {
    const LaneSteps fitted = refit(best_.steps, best_.moments);
    try_steps(factor, target, fitted);
  }
}

void BlockSearch::round_to_multiples(const LaneSteps& steps, const LaneBlock& block, float* scale,
                                     float* minimum) const {
  for (std::size_t l = 0; l < kLanes; ++l) {
    scale[l] = nearest_multiple(steps.step[l], block.units[l].d, form_.least_scale, form_.largest_scale);
    minimum[l] = nearest_multiple(steps.minimum[l], block.units[l].dmin, 0, form_.largest_minimum);
  }
}

/// From the integers and the loss in best_ on.
void BlockSearch::search_multiples(const Factor& factor, const float* target, int reach, const LaneBlock& block) {
  float scale[kLanes], minimum[kLanes], from_scale[kLanes], from_minimum[kLanes];
  std::copy_n(best_.scale, kLanes, from_scale);
  std::copy_n(best_.minimum, kLanes, from_minimum);
  const int minima_reach = form_.has_minima() ? reach : 0, scales_reach = form_.has_minima() ? reach : 2 * reach;
  for (int s = -scales_reach; s <= scales_reach; ++s) {
    for (int m = -minima_reach; m <= minima_reach; ++m) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        scale[l] = std::clamp(from_scale[l] + static_cast<float>(s), static_cast<float>(form_.least_scale),
                              static_cast<float>(form_.largest_scale));
        minimum[l] =
            std::clamp(from_minimum[l] + static_cast<float>(m), 0.0F, static_cast<float>(form_.largest_minimum));
      }
      try_multiples(factor, target, scale, minimum, block);
      if (s != 0 || m != 0) continue;
      round_to_multiples(refit(block.steps(form_, scale, minimum), moments_), block, scale, minimum);
      try_multiples(factor, target, scale, minimum, block);
    }
  }
}

/// Calls choose(sub, factor, target) for each sub-block, with the errors of those before it fed back; what it chose is
/// read from best_.
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

/// What best_, on real numbers, means to choose_units().
void BlockSearch::keep_wishes(std::size_t sub) {
  real_[sub] = best_.steps;
  for (std::size_t l = 0; l < kLanes; ++l) {
    SubBlockWish& wish = wishes_[l][sub] = {best_.steps.step[l], 0, 0, 0, 0};
    const auto step = static_cast<double>(wish.step), p = static_cast<double>(best_.moments.square[l]);
    if (!form_.has_minima()) {
      wish.code_square = step == 0 ? 0 : p / (step * step);
      continue;
    }
    // The image of the codes is (p + minimum * 1 R) / step.
    wish.minimum = best_.steps.minimum[l];
    wish.ones_square = static_cast<double>(ones_square_);
    if (step == 0) continue;
    const auto minimum = static_cast<double>(wish.minimum), mixed = static_cast<double>(best_.moments.ones[l]);
    wish.code_square = (p + 2 * minimum * mixed + minimum * minimum * wish.ones_square) / (step * step);
    wish.code_ones = (mixed + minimum * wish.ones_square) / step;
  }
}

/// Integers and codes for the block's d and dmin, from real_ on; loss: of each row.
void BlockSearch::choose_multiples(const Factor& factor, const float* target, LaneBlock& block, float* loss) {
  std::fill_n(loss, kLanes, 0.0F);
  in_order(factor, target, [&](std::size_t sub, const Factor& own, const float* t) {
    prepare(own, t);
    round_to_multiples(real_[sub], block, best_.scale, best_.minimum);
    search_multiples(own, t, 1, block);
    std::copy_n(best_.scale, kLanes, block.scales[sub]);
    std::copy_n(best_.minimum, kLanes, block.minima[sub]);
    for (std::size_t l = 0; l < kLanes; ++l) loss[l] += best_.loss[l];
    std::ranges::copy(best_.codes, block.codes.begin() + static_cast<std::ptrdiff_t>(sub * form_.sub_size * kLanes));
  });
}

/// d and dmin that fit target_image_ best, integers and codes as they are.
void BlockSearch::refit_units(const Factor& factor, LaneBlock& block) {
  direction_.resize(kBlockWeights * kLanes);
  scale_image_.resize(kBlockWeights * kLanes);
  minima_image_.resize(kBlockWeights * kLanes);
  block.directions(form_, direction_.data(), minima_image_.data());
  apply_factor(factor, direction_.data(), scale_image_.data());
  direction_.swap(minima_image_);
  apply_factor(factor, direction_.data(), minima_image_.data());
  for (std::size_t l = 0; l < kLanes; ++l) {
    UnitProducts p;
    for (std::size_t k = l; k < kBlockWeights * kLanes; k += kLanes) {
      const auto c = static_cast<double>(scale_image_[k]), e = static_cast<double>(minima_image_[k]);
      const auto t = static_cast<double>(target_image_[k]);
      p.cc += c * c;
      p.ce += c * e;
      p.ee += e * e;
      p.ct += c * t;
      p.et += e * t;
    }
    block.units[l] = fit_units(p, block.units[l]);
  }
}

void BlockSearch::choose(const Factor& factor, const float* target, LaneBlock& block) {
  block = {};
  block.codes.resize(kBlockWeights * kLanes);
  in_order(factor, target, [&](std::size_t sub, const Factor& own, const float* t) {
    search_real(own, t);
    keep_wishes(sub);
  });
  for (std::size_t l = 0; l < kLanes; ++l)
    block.units[l] = choose_units(form_, std::span(wishes_[l], form_.sub_blocks()));
  float loss[kLanes], other_loss[kLanes];
  choose_multiples(factor, target, block, loss);
  target_image_.resize(kBlockWeights * kLanes);
  apply_factor(factor, target, target_image_.data());
  for (int round = 0; round < kUnitRefits; ++round) {
    other_ = block;
    refit_units(factor, other_);
    choose_multiples(factor, target, other_, other_loss);
    for (std::size_t l = 0; l < kLanes; ++l) {
      if (!(other_loss[l] < loss[l])) continue;
      loss[l] = other_loss[l];
      block.take_row(other_, l);
    }
  }
}

bool BlockSearch::improve(const Factor& factor, const float* target, int reach, std::size_t sub, LaneBlock& block) {
  const std::size_t size = form_.sub_size;
  float* const codes = block.codes.data() + sub * size * kLanes;
  prepare(factor, target);
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
  search_multiples(factor, target, reach, block);
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
