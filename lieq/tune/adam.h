#pragma once
/// Adam (Kingma and Ba 2014, arXiv:1412.6980) on numbers that have one of two rates.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/threads.h"

namespace lieq::tune {

/// Rates rise linearly over the first `warm_up` steps and fall as a cosine to 0 at the end of `steps`.
struct Schedule {
  std::size_t steps = 0, warm_up = 0;
  double rate = 0;

  /// Of step number `step`, from 0.
  [[nodiscard]] double at(std::size_t step) const;
};

/// The moments; plain state, so that a run can be kept and gone on with.
struct Adam {
  static constexpr double kFirst = 0.9, kSecond = 0.99, kEpsilon = 1e-8;
  std::vector<float> first, second;  ///< means of the gradient and of its square

  explicit Adam(std::size_t size) : first(size), second(size) {}

  /// One step, number `step` from 0, on values [begin, end) with a rate of their own. Cost: one pass.
  void step(Threads& threads, std::size_t step, double rate, std::size_t begin, std::size_t end,
            std::span<const float> gradient, std::span<float> values);
};

}  // namespace lieq::tune
