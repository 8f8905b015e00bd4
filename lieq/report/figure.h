#pragma once
/// A figure: drawings side by side, what their colours mean, and the numbers they show.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/report/markup.h"

namespace lieq::report {

/// One drawing. It shows its own title and axes; sizes are in CSS pixels at which text is of normal size.
struct Panel {
  double width = 0, height = 0;
  std::string body;   ///< SVG elements
  std::string label;  ///< what it shows, for those who do not see it
};

/// A colour, line or shape and what it stands for.
struct LegendEntry {
  enum class Kind { kLine, kDashed, kMarker, kArea };
  Kind kind = Kind::kLine;
  std::string kinds;  ///< classes of the line, marker or area
  std::string text;
  Marker marker = Marker::kCircle;
};

struct Cell {
  std::string text;   ///< as shown
  std::string value;  ///< all digits; empty: the text is all there is

  Cell(std::string words) : text(std::move(words)) {}
  Cell(const char* words) : text(words) {}
  Cell(double number, std::string as) : text(std::move(as)), value(exact(number)) {}
  Cell(double number) : Cell(number, shown(number)) {}
  Cell(std::size_t number) : text(std::to_string(number)), value(text) {}
};

struct Table {
  std::string title;
  std::vector<std::string> head;
  std::vector<std::vector<Cell>> rows;
};

struct Figure {
  std::string id;     ///< letters, digits and dashes: name of the --svg file, and the page's anchor
  std::string menu;   ///< its title in a word or two
  std::string title;  ///< what is seen
  std::string text;   ///< a sentence or two: how to read it
  std::string note;   ///< where the numbers are from
  std::vector<LegendEntry> legend;
  std::vector<Panel> panels;
  std::vector<Panel> narrow;  ///< instead of `panels` on a phone; empty: the same
  std::vector<Table> tables;
  std::size_t columns = 3;  ///< panels in a row where there is room
};

/// The legend in rows of `width`, from the corner (0, 0); sets `height`.
[[nodiscard]] std::string legend_svg(const std::vector<LegendEntry>& legend, double width, double& height);

/// The figure alone: a self-contained SVG with title, legend, panels and note on a background of its own, for light and
/// dark pages. No scripts, fonts or links.
[[nodiscard]] std::string figure_svg(const Figure& figure);

}  // namespace lieq::report
