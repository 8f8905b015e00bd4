#pragma once
/// Private to grammar/: decimal numbers between two bounds, digit by digit.

#include <cstdint>

#include "lieq/grammar/rules.h"

namespace lieq::grammar {

/// Numbers of up to 18 digits are written; bounds beyond are cut to that.
inline constexpr std::int64_t kLargestInteger = 999'999'999'999'999'999;

/// Integers from `low` to `high`, both included. Nothing when low > high.
[[nodiscard]] Expression integers_between(Rules& rules, std::int64_t low, std::int64_t high);

/// Decimal numbers without an exponent from `low` to `high`, both included.
[[nodiscard]] Expression numbers_between(Rules& rules, std::int64_t low, std::int64_t high);

}  // namespace lieq::grammar
