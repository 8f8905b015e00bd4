#pragma once
/// d and dmin of one K block in one row: which pair suits the steps and minima that sub-blocks wish for, and which fits
/// codes that are chosen.

#include <span>

#include "lieq/pack/k_blocks.h"

namespace lieq::quantize {

/// Both are half-precision numbers.
struct Units {
  float d = 0, dmin = 0;
};

/// What one sub-block would have on real numbers, and what the rounding of each costs: with x off its step and y off
/// its minimum, the loss grows by x² code_square - 2 x y code_ones + y² ones_square.
struct SubBlockWish {
  float step = 0, minimum = 0;
  double code_square = 0, code_ones = 0, ones_square = 0;
};

/// The nearest multiple of `unit`, within [least, largest]; 0 for a unit of 0.
[[nodiscard]] float nearest_multiple(float value, float unit, int least, int largest);

/// Tries pairs that put the largest wishes on the largest integers or a few beside them, and takes the one whose
/// roundings cost least, each minimum making up for its scale. wishes: one for each sub-block.
[[nodiscard]] Units choose_units(const pack::KForm& form, std::span<const SubBlockWish> wishes);

/// Inner products, in the form that errors are measured with, of c (codes times their scales), e (minima, negated) and
/// the target t of a block: its weights are d c + dmin e.
struct UnitProducts {
  double cc = 0, ce = 0, ee = 0, ct = 0, et = 0;

  /// The loss less that of all weights 0.
  [[nodiscard]] double loss(const Units& units) const;
};

/// The pair of least loss, dmin never negative and making up for the rounding of d. What codes and integers leave
/// without a choice stays as it is in `present`.
[[nodiscard]] Units fit_units(const UnitProducts& products, const Units& present);

}  // namespace lieq::quantize
