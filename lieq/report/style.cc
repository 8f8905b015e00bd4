#include "lieq/report/style.h"

#include <array>

#include <fmt/format.h>

namespace lieq::report {
namespace {

constexpr std::array<unsigned, 5> kWidths = {2, 3, 4, 8, 16};

/// Plain colours instead of CSS variables: programs that turn SVG into PDF do not know those.
struct Scheme {
  const char *paper, *edge, *ink, *text, *quiet, *grid, *zero, *mute, *chosen;
  std::array<const char*, kColours> categories;
  std::array<const char*, kWidths.size()> widths, on_widths;  // fill, and text upon it
  std::array<const char*, kHeatSteps> heat;
};

constexpr Scheme kLight = {
    "#ffffff",
    "#d8dee4",
    "#1f2328",
    "#57606a",
    "#6e7781",
    "#eaeef2",
    "#afb8c1",
    "#9aa4b0",
    "#bc4c00",
    {"#0b62c4", "#d1570b", "#0b8a70", "#8a4fc0", "#a57600", "#5b6570"},
    {"#cfe1f7", "#86b6ec", "#0b62c4", "#083a78", "#1f2328"},
    {"#27415f", "#0b2b52", "#ffffff", "#ffffff", "#ffffff"},
    {"#f3f1ea", "#f7e4bd", "#f8cf8a", "#f3b35c", "#e8923b", "#d57027", "#b9511c", "#933717", "#672314"}};
constexpr Scheme kDark = {
    "#0d1117",
    "#30363d",
    "#e6edf3",
    "#9ea7b1",
    "#8b949e",
    "#21262d",
    "#57606a",
    "#6b7681",
    "#ffa657",
    {"#6cb0ff", "#ff9a5c", "#45c9a9", "#c79bf2", "#dfb73c", "#a3adb8"},
    {"#1d3654", "#2b5f9e", "#6cb0ff", "#b9dcff", "#e6edf3"},
    {"#b4cbe6", "#e6f0fb", "#06203f", "#06203f", "#0d1117"},
    {"#1b1d20", "#35291c", "#53381d", "#75491d", "#9a5c1f", "#c07426", "#e0933b", "#f3b865", "#fbdfa6"}};

std::string rules(const Scheme& s) {
  std::string css = fmt::format(
      "svg text{{fill:{}}}svg .paper{{fill:{};stroke:{}}}svg .title,svg .metric{{fill:{}}}svg .tick{{fill:{}}}"
      "svg .grid{{stroke:{}}}svg .zero{{stroke:{}}}svg .halo{{stroke:{}}}svg .o,svg .ring{{fill:{}}}svg "
      ".p{{stroke:{}}}",
      s.text, s.paper, s.edge, s.ink, s.quiet, s.grid, s.zero, s.paper, s.paper, s.paper);
  const auto colour = [&](const std::string& name, const char* value) {
    css += fmt::format(
        "svg .l.{0},svg .o.{0},svg .p.ring.{0}{{stroke:{1}}}svg .p.{0}:not(.ring),svg .x.{0}{{fill:{1}}}", name, value);
  };
  for (std::size_t i = 0; i < kColours; ++i) colour(colour_class(i), s.categories[i]);
  colour("ink", s.ink);
  colour("mute", s.mute);
  colour("hi", s.chosen);
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    colour(width_class(kWidths[i]), s.widths[i]);
    css += fmt::format("svg .on{}{{fill:{}}}", width_class(kWidths[i]), s.on_widths[i]);
  }
  for (std::size_t i = 0; i < kHeatSteps; ++i) colour(fmt::format("h{}", i), s.heat[i]);
  return css;
}

constexpr const char* kForms =
    R"(svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;font-size:12px}
svg .title{font-size:17px;font-weight:600}svg .metric{font-size:14px;font-weight:600}
svg .tick{font-size:11px;font-variant-numeric:tabular-nums}
svg .name{font-size:11px;font-weight:600}
svg .halo{stroke-width:3px;stroke-linejoin:round;paint-order:stroke}
svg .grid,svg .zero{stroke-width:1}
svg .l{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
svg .l.thin{stroke-width:1.25}
svg .l.faint{opacity:.45}svg .l.bold{stroke-width:2.75}svg .l.dash{stroke-dasharray:5 4}
svg .p{stroke-width:1}svg .o,svg .ring{stroke-width:2}
svg .bare{stroke:none!important}svg .hit{fill:transparent;stroke:none}
)";

}  // namespace

std::string colour_class(std::size_t index) { return fmt::format("c{}", index % kColours); }

std::string width_class(unsigned bits) {
  for (const unsigned width : kWidths)
    if (bits <= width) return fmt::format("b{}", width);
  return fmt::format("b{}", kWidths.back());
}

std::string svg_style() {
  return kForms + rules(kLight) + "\n@media screen and (prefers-color-scheme:dark){" + rules(kDark) + "}\n";
}

}  // namespace lieq::report
