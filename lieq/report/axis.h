#pragma once
/// A value axis of a chart: round ends, round ticks, and where a value lies between them.

#include <string>
#include <vector>

namespace lieq::report {

/// Whether a value can be drawn: finite, and so far from the ends of double that ranges do not overflow.
[[nodiscard]] bool drawable(double value);

struct Axis {
  double low = 0, high = 1;  ///< low < high; both above zero if logarithmic
  bool logarithmic = false;
  std::vector<double> ticks;  ///< ascending, within [low, high]

  /// 0 at `low`, 1 at `high`; values beyond them are drawn at the ends. value: drawable.
  [[nodiscard]] double position(double value) const;
};

/// The least axis with ends and ticks at multiples of 1, 2 or 5 times a power of ten, about five steps long, that holds
/// `values`. Those that are not drawable are left out; none, or all the same, give an axis around them.
[[nodiscard]] Axis linear_axis(const std::vector<double>& values);

/// A logarithmic axis over the positive ones of `values`, at most eight decades down from the largest; with none of
/// them the linear axis. Ticks are powers of ten, with 2 and 5 times those if there are few.
[[nodiscard]] Axis log_axis(const std::vector<double>& values);

/// A tick's value in words: "0.05", "−3", "1e+06".
[[nodiscard]] std::string tick_label(double value);

/// The words of all ticks; those of a linear axis have the same number of decimals: "0.10", "0.15".
[[nodiscard]] std::vector<std::string> tick_labels(const Axis& axis);

}  // namespace lieq::report
