#pragma once
/// Lines and points over two axes: the drawing behind most figures.

#include <optional>
#include <string>
#include <vector>

#include "lieq/report/axis.h"
#include "lieq/report/figure.h"

namespace lieq::report {

struct XyPoint {
  double x = 0, y = 0;           ///< not drawable: left out
  std::optional<double> error;   ///< drawn from y - error to y + error
  std::string label;             ///< beside the point, where there is room
  std::string tip;               ///< what a reader is told who points at it; empty: cannot be pointed at
  std::optional<double> radius;  ///< instead of the series'
  bool chosen = false;           ///< drawn in the colour of what is chosen
};

struct XySeries {
  std::string name;   ///< of its line, under the pointer; at its right end if `named`
  std::string kinds;  ///< classes of style.h, e.g. "c0"
  std::string line;   ///< further classes of the line, e.g. "dash"; "none": no line
  bool named = false, markers = true;
  Marker marker = Marker::kCircle;
  double radius = 3.5;
  std::vector<XyPoint> points;
};

/// A value that others are compared with: a dashed line across the plot.
struct Level {
  double y = 0;
  std::string label;
};

struct XyChart {
  std::string title, x_label, y_label;  ///< labels with their units
  Axis x, y;
  std::vector<XySeries> series;
  std::vector<Level> levels;
  double width = 360, height = 280;
};

/// Names of points and of line ends are kept apart; a point's name that finds no room is left out (its tip has it).
/// Deterministic.
[[nodiscard]] Panel draw(const XyChart& chart);

/// 0, 1, ... `count` - 1, with ticks at round numbers.
[[nodiscard]] Axis layer_axis(std::size_t count);

/// log_axis() if the values, all positive, span more than a factor of `span`; otherwise linear_axis().
[[nodiscard]] Axis fitting_axis(const std::vector<double>& values, double span = 8);

/// A logarithmic axis whose ticks are `values` themselves, as far as there is room for their labels; all positive.
[[nodiscard]] Axis doubling_axis(std::vector<double> values);

}  // namespace lieq::report
