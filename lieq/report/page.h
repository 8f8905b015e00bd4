#pragma once
/// All figures on one page.
///
/// The drawings are SVG of our own rather than Chart.js: they are a tenth of its size (200 kB minified, before any
/// data), print as lines instead of pixels, need no script to be seen, follow the reader's colour scheme by style rules
/// alone, and are files for a paper (--svg) as they are. Chart.js would also want plugins for error bars and heat maps.

#include <string>
#include <vector>

#include "lieq/report/figures.h"

namespace lieq::report {

/// What the page says about one model, or about the machine.
struct Section {
  std::string title;
  std::vector<Tile> tiles;
  std::vector<Figure> figures;  ///< ids differ on the whole page
};

/// A section for each subject and one for speed; those without figures are left out.
[[nodiscard]] std::vector<Section> sections_of(const Results& results);

struct PageOptions {
  std::string version, command;  ///< of this program, and how it was called
};

/// A self-contained HTML document: no network, light and dark, for screens of any width and for paper. Without scripts
/// everything is there; with them a pointer, a finger or the arrow keys read values, and tables can be saved as CSV
/// with all digits (also in each cell's data-value). Whatever comes from files is escaped. Deterministic.
[[nodiscard]] std::string html_page(const std::vector<Section>& sections, const std::vector<Source>& sources,
                                    const PageOptions& options);

}  // namespace lieq::report
