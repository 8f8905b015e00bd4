#include "lieq/report/markup.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/json.h"

namespace lieq::report {
namespace {

bool continues(char c) { return (c & 0xC0) == 0x80; }

/// The library that writes JSON knows how to replace broken UTF-8.
std::string valid_utf8(std::string_view text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

std::string with_minus(std::string text) { return text.starts_with('-') ? "−" + text.substr(1) : text; }

}  // namespace

std::string shortened(const std::string& text, std::size_t limit) {
  if (characters(text) <= limit) return text;
  const std::size_t keep = limit / 2;
  std::size_t head = 0, tail = text.size();
  for (std::size_t n = 0; n < keep; ++n) do
      ++head;
    while (head < text.size() && continues(text[head]));
  for (std::size_t n = 0; n < keep; ++n) do
      --tail;
    while (tail > 0 && continues(text[tail]));
  return text.substr(0, head) + "…" + text.substr(tail);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
        out += c;
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
          out += "\uFFFD";
        } else {
          out += c;
        }
      }
    }
  }
  return out;
}

std::size_t characters(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, continues));
}

std::string shown(double value) { return with_minus(fmt::format("{:.4g}", value)); }
std::string fixed(double value, int decimals) { return with_minus(fmt::format("{:.{}f}", value, decimals)); }
std::string exact(double value) { return fmt::format("{}", value); }

std::string svg_text(Point at, std::string_view kinds, std::string_view anchor, std::string_view text) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", kinds, at.x, at.y,
                     anchor, escaped(text));
}

std::string svg_line(std::string_view kinds, Point from, Point to) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kinds, from.x,
                     from.y, to.x, to.y);
}

std::string svg_rect(std::string_view kinds, Point corner, double width, double height) {
  return fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n", kinds,
                     corner.x, corner.y, width, height);
}

std::string svg_polyline(std::string_view kinds, const std::vector<Point>& points) {
  std::string list;
  for (const Point& p : points) list += fmt::format("{}{:.1f},{:.1f}", list.empty() ? "" : " ", p.x, p.y);
  return fmt::format("<polyline class=\"{}\" points=\"{}\"/>\n", kinds, list);
}

Marker marker_of(std::size_t index) {
  constexpr std::array kAll = {Marker::kCircle,   Marker::kSquare, Marker::kDiamond,
                               Marker::kTriangle, Marker::kCross,  Marker::kRing};
  return kAll[index % kAll.size()];
}

std::string svg_marker(Marker marker, std::string_view kinds, Point at, double radius) {
  const double x = at.x, y = at.y, r = radius;
  const auto path = [&](const std::string& d) { return fmt::format("<path class=\"{}\" d=\"{}\"/>\n", kinds, d); };
  switch (marker) {
    case Marker::kSquare:
      return svg_rect(kinds, {x - 0.9 * r, y - 0.9 * r}, 1.8 * r, 1.8 * r);
    case Marker::kDiamond:
      return path(fmt::format("M{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}Z", x, y - 1.3 * r, x + 1.3 * r,
                              y, x, y + 1.3 * r, x - 1.3 * r, y));
    case Marker::kTriangle:
      return path(fmt::format("M{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}Z", x, y - 1.25 * r, x + 1.2 * r, y + 0.9 * r,
                              x - 1.2 * r, y + 0.9 * r));
    case Marker::kCross: {
      const double a = 0.4 * r, b = 1.25 * r;
      return path(
          fmt::format("M{:.1f},{:.1f}h{:.1f}v{:.1f}h{:.1f}v{:.1f}h{:.1f}v{:.1f}h{:.1f}v{:.1f}h{:.1f}v{:.1f}h{:.1f}Z",
                      x - a, y - b, 2 * a, b - a, b - a, 2 * a, a - b, b - a, -2 * a, a - b, a - b, -2 * a, b - a));
    }
    case Marker::kCircle:
    case Marker::kRing:
      break;
  }
  const std::string ring = marker == Marker::kRing ? " ring" : "";
  return fmt::format("<circle class=\"{}{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"/>\n", kinds, ring, x, y, r);
}

std::string svg_mark(const std::string& shapes, std::string_view tip) {
  return fmt::format("<g class=\"mark\"><title>{}</title>{}</g>\n", escaped(tip), shapes);
}

}  // namespace lieq::report
