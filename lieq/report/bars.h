#pragma once
/// Horizontal bars from zero, of one or more parts.

#include <optional>
#include <string>
#include <vector>

#include "lieq/report/figure.h"

namespace lieq::report {

struct BarPart {
  double value = 0;   ///< not negative; not drawable: 0
  std::string kinds;  ///< classes of style.h
  std::string tip;
};

struct Bar {
  std::string name;   ///< above the bar
  std::string total;  ///< after its end
  std::vector<BarPart> parts;
  std::optional<double> error;  ///< around the end
};

struct BarChart {
  std::string title, label;
  std::vector<Bar> bars;
  double width = 360;
};

[[nodiscard]] Panel draw(const BarChart& chart);

}  // namespace lieq::report
