#pragma once
/// Pieces of SVG and HTML. Colours and fonts are classes of style.h.

#include <string>
#include <string_view>
#include <vector>

namespace lieq::report {

/// Text for elements and quoted attributes of HTML and SVG: '&', '<', '>' and both quotes become entities, control
/// characters and broken UTF-8 U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);

/// A text of valid UTF-8 longer than `limit` characters keeps its two ends around an ellipsis.
[[nodiscard]] std::string shortened(const std::string& text, std::size_t limit);

/// Unicode characters of valid UTF-8, about the columns it takes.
[[nodiscard]] std::size_t characters(std::string_view text);

/// Four significant digits for eyes: "37.13", "0.03226", "1.2e+06"; "−" for minus.
[[nodiscard]] std::string shown(double value);
/// So many decimals, "−" for minus.
[[nodiscard]] std::string fixed(double value, int decimals);
/// All digits: what reads back as the same value.
[[nodiscard]] std::string exact(double value);

struct Point {
  double x = 0, y = 0;
};

// Each of these is one element. kinds: classes. text: escaped by them.
[[nodiscard]] std::string svg_text(Point at, std::string_view kinds, std::string_view anchor, std::string_view text);
[[nodiscard]] std::string svg_line(std::string_view kinds, Point from, Point to);
[[nodiscard]] std::string svg_rect(std::string_view kinds, Point corner, double width, double height);
[[nodiscard]] std::string svg_polyline(std::string_view kinds, const std::vector<Point>& points);

/// Shapes of points, so that colour is never the only difference.
enum class Marker { kCircle, kSquare, kDiamond, kTriangle, kCross, kRing };
[[nodiscard]] Marker marker_of(std::size_t index);
/// radius: of the circle; the other shapes cover about the same area.
[[nodiscard]] std::string svg_marker(Marker marker, std::string_view kinds, Point at, double radius);

/// Something a reader can point at or step to: `tip` is what it says, on any number of lines.
[[nodiscard]] std::string svg_mark(const std::string& shapes, std::string_view tip);

}  // namespace lieq::report
