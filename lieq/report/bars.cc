#include "lieq/report/bars.h"

#include <algorithm>

#include "lieq/report/axis.h"

namespace lieq::report {
namespace {

constexpr double kFirstBar = 44, kBarRow = 46, kBar = 18;

double size_of(const BarPart& part) { return drawable(part.value) ? std::max(0.0, part.value) : 0; }

double length_of(const Bar& bar) {
  double sum = 0;
  for (const BarPart& part : bar.parts) sum += size_of(part);
  return sum;
}

}  // namespace

Panel draw(const BarChart& chart) {
  double longest = 0, room = 0;
  for (const Bar& bar : chart.bars) {
    longest = std::max(longest, length_of(bar) + bar.error.value_or(0));
    room = std::max(room, 12 + 6.8 * static_cast<double>(characters(bar.total)));
  }
  const double scale = longest > 0 ? (chart.width - room) / longest : 0;
  std::string body =
      svg_text({0, 14}, "metric", "start", chart.title) + svg_text({0, 32}, "tick", "start", chart.label);
  double y = kFirstBar;
  for (const Bar& bar : chart.bars) {
    body += svg_text({0, y + 12}, "name", "start", shortened(bar.name, static_cast<std::size_t>(chart.width / 6.6)));
    double x = 0;
    for (const BarPart& part : bar.parts) {
      const double wide = scale * size_of(part);
      if (wide > 0) body += svg_mark(svg_rect("p " + part.kinds, {x, y + 18}, wide, kBar), part.tip);
      x += wide;
    }
    double end = x;
    if (bar.error && *bar.error > 0) {
      const double reach = scale * *bar.error, middle = y + 18 + kBar / 2;
      body += svg_line("l thin ink", {std::max(0.0, x - reach), middle}, {x + reach, middle});
      body += svg_line("l thin ink", {x + reach, middle - 4}, {x + reach, middle + 4});
      end += reach;
    }
    body += svg_text({end + 6, y + 18 + kBar / 2 + 4}, "tick", "start", bar.total);
    y += kBarRow;
  }
  return {chart.width, y + 4, std::move(body), chart.title + ", " + chart.label};
}

}  // namespace lieq::report
