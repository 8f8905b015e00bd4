#include "lieq/report/xy_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>

#include <fmt/format.h>

namespace lieq::report {
namespace {

constexpr double kTop = 48, kBelow = 42, kInset = 12;
constexpr double kCharacter = 6.1, kBold = 6.9;  ///< width of one at 11 px, on the safe side

double width_of(const std::string& text, double character = kCharacter) {
  return character * static_cast<double>(characters(text));
}

struct Box {
  double left, top, right, bottom;
  [[nodiscard]] bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

bool drawable(const XyPoint& point) { return report::drawable(point.x) && report::drawable(point.y); }

class Drawing {
 public:
  explicit Drawing(const XyChart& chart) : chart_(chart), bottom_(chart.height - kBelow) {
    double ticks = 0, names = 0;
    for (const std::string& tick : tick_labels(chart.y)) ticks = std::max(ticks, width_of(tick));
    for (const XySeries& series : chart.series)
      if (series.named) names = std::max(names, width_of(series.name, kBold) + 4);
    left_ = ticks + 12;
    right_ = chart.width - std::max(names, 10.0);
  }

  Panel panel() {
    std::string body = frame();
    for (const Level& level : chart_.levels)
      body += svg_line("l mute dash thin", {left_, y(level.y)}, {right_, y(level.y)});
    for (const XySeries& series : chart_.series) body += line(series);
    for (const XySeries& series : chart_.series) body += points(series);
    body += level_names() + point_names() + end_names();
    return {chart_.width, chart_.height, std::move(body),
            chart_.title + ": " + chart_.y_label + " against " + chart_.x_label};
  }

 private:
  [[nodiscard]] double x(double value) const {
    return left_ + kInset + (right_ - left_ - 2 * kInset) * chart_.x.position(value);
  }
  [[nodiscard]] double y(double value) const { return bottom_ - (bottom_ - kTop) * chart_.y.position(value); }
  [[nodiscard]] Point at(const XyPoint& point) const { return {x(point.x), y(point.y)}; }

  std::string frame() const {
    std::string svg = svg_text({0, 14}, "metric", "start", chart_.title);
    svg += svg_text({0, 32}, "tick", "start", chart_.y_label + (chart_.y.logarithmic ? ", log scale" : ""));
    const std::vector<std::string> up = tick_labels(chart_.y), across = tick_labels(chart_.x);
    for (std::size_t i = 0; i < up.size(); ++i) {
      const double tick = chart_.y.ticks[i];
      svg += svg_line(tick == 0 && !chart_.y.logarithmic ? "zero" : "grid", {left_, y(tick)}, {right_, y(tick)});
      svg += svg_text({left_ - 6, y(tick) + 4}, "tick", "end", up[i]);
    }
    for (std::size_t i = 0; i < across.size(); ++i) {
      const double at = x(chart_.x.ticks[i]);
      svg += svg_line("zero", {at, bottom_}, {at, bottom_ + 4});
      svg += svg_text({at, bottom_ + 17}, "tick", "middle", across[i]);
    }
    const std::string label = chart_.x_label + (chart_.x.logarithmic ? ", log scale" : "");
    return svg + svg_text({(left_ + right_) / 2, bottom_ + 35}, "tick", "middle", label);
  }

  std::string line(const XySeries& series) const {
    if (series.line == "none") return "";
    std::vector<Point> path;
    for (const XyPoint& point : series.points)
      if (drawable(point)) path.push_back(at(point));
    if (path.empty()) return "";
    return fmt::format("<g><title>{}</title>{}</g>\n", escaped(series.name),
                       svg_polyline("l " + series.kinds + " " + series.line, path));
  }

  std::string points(const XySeries& series) {
    std::string svg;
    for (const XyPoint& point : series.points) {
      if (!drawable(point)) continue;
      const Point p = at(point);
      const std::string colour = point.chosen ? "hi" : series.kinds;
      std::string shapes;
      if (point.error && *point.error > 0) {
        const double low = y(point.y - *point.error), high = y(point.y + *point.error);
        for (const auto& [from, to] : {std::pair{Point{p.x, low}, Point{p.x, high}},
                                       {Point{p.x - 3, low}, Point{p.x + 3, low}},
                                       {Point{p.x - 3, high}, Point{p.x + 3, high}}})
          shapes += svg_line((series.line == "none" ? "l thin " : "l thin faint ") + colour, from, to);
        taken_.push_back({p.x - 3, high, p.x + 3, low});
      }
      const double r = point.radius.value_or(series.radius);
      if (series.markers || point.chosen) {
        shapes += svg_marker(series.marker, "p " + colour, p, r);
        taken_.push_back({p.x - r, p.y - r, p.x + r, p.y + r});
      } else if (!point.tip.empty()) {
        shapes += svg_marker(Marker::kCircle, "hit", p, 5);
      }
      svg += point.tip.empty() ? shapes : svg_mark(shapes, point.tip);
    }
    return svg;
  }

  /// Writes `text` into the first of `places` (left end and baseline) that is free and inside; nothing if none is.
  std::string put(const std::string& text, const std::vector<Point>& places, const std::string& kinds) {
    const double wide = width_of(text, kBold);
    for (const Point& place : places) {
      const Box box{place.x, place.y - 10, place.x + wide, place.y + 2};
      if (box.left < left_ || box.right > chart_.width || box.top < kTop - 12 || box.bottom > bottom_) continue;
      if (std::ranges::any_of(taken_, [&](const Box& other) { return box.overlaps(other); })) continue;
      taken_.push_back(box);
      return svg_text(place, kinds, "start", text);
    }
    return "";
  }

  std::string level_names() {
    std::string svg;
    for (const Level& level : chart_.levels) {
      const double at_y = y(level.y), end = right_ - width_of(level.label, kBold), begin = left_ + 4;
      svg +=
          put(level.label,
              {{end, at_y - 4}, {begin, at_y - 4}, {end, at_y + 12}, {begin, at_y + 12}, {(begin + end) / 2, at_y - 4}},
              "tick halo");
    }
    return svg;
  }

  std::string point_names() {
    std::string svg;
    for (const XySeries& series : chart_.series) {
      for (const XyPoint& point : series.points) {
        if (point.label.empty() || !drawable(point)) continue;
        const Point p = at(point);
        const double wide = width_of(point.label, kBold), r = point.radius.value_or(series.radius) + 4;
        std::vector<Point> places = {
            {p.x + r, p.y + 4}, {p.x - r - wide, p.y + 4}, {p.x - wide / 2, p.y - r - 1}, {p.x - wide / 2, p.y + r + 9},
            {p.x + r, p.y - 8}, {p.x - r - wide, p.y - 8}, {p.x + r, p.y + 16},           {p.x - r - wide, p.y + 16}};
        if (series.line != "none") std::rotate(places.begin(), places.begin() + 2, places.end());  // the line goes on at the sides
        svg += put(point.label, places, "name halo x " + (point.chosen ? std::string("hi") : series.kinds));
      }
    }
    return svg;
  }

  /// Names of lines beside their last points, moved apart.
  std::string end_names() const {
    struct Name {
      double y;
      const XySeries* series;
    };
    std::vector<Name> names;
    for (const XySeries& series : chart_.series) {
      const auto last =
          std::find_if(series.points.rbegin(), series.points.rend(), [](const XyPoint& p) { return drawable(p); });
      if (series.named && last != series.points.rend()) names.push_back({y(last->y) + 4, &series});
    }
    std::ranges::stable_sort(names, {}, &Name::y);
    constexpr double kApart = 13;
    double floor = kTop;
    for (Name& name : names) floor = (name.y = std::max(name.y, floor)) + kApart;
    double ceiling = bottom_ + 4;
    for (auto name = names.rbegin(); name != names.rend(); ++name)
      ceiling = (name->y = std::min(name->y, ceiling)) - kApart;
    std::string svg;
    for (const Name& name : names)
      svg += svg_text({right_ + 2, name.y}, "name x " + name.series->kinds, "start", name.series->name);
    return svg;
  }

  const XyChart& chart_;
  double left_ = 0, right_ = 0, bottom_;
  std::vector<Box> taken_;
};

}  // namespace

Panel draw(const XyChart& chart) { return Drawing(chart).panel(); }

Axis layer_axis(std::size_t count) {
  Axis axis{.low = 0, .high = std::max(1.0, static_cast<double>(count) - 1), .logarithmic = false, .ticks = {}};
  std::size_t step = 1;
  for (const std::size_t factor : std::initializer_list<std::size_t>{2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000})
    if ((std::max<std::size_t>(count, 1) - 1) / step >= 8) step = factor;
  for (std::size_t l = 0; l < count; l += step) axis.ticks.push_back(static_cast<double>(l));
  return axis;
}

Axis fitting_axis(const std::vector<double>& values, double span) {
  double low = HUGE_VAL, high = 0;
  for (const double value : values) {
    if (!report::drawable(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return low > 0 && high > span * low ? log_axis(values) : linear_axis(values);
}

Axis doubling_axis(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !report::drawable(value) || value <= 0; });
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() < 2) return linear_axis(values);
  Axis axis{.low = values.front(), .high = values.back(), .logarithmic = true, .ticks = {}};
  double last = -1;
  for (const double value : values) {
    if (axis.position(value) - last < 0.1) continue;
    last = axis.position(value);
    axis.ticks.push_back(value);
  }
  return axis;
}

}  // namespace lieq::report
