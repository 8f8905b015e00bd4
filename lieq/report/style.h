#pragma once
/// Colours and lines of the drawings, in a light and a dark scheme.
///
/// Classes: .l a line, .p a filled shape, .o a shape filled with the background, .x text of a series; with one of
/// .c0 to .c5 (categories that colour-blind readers tell apart; shapes and dashes tell them apart too), .ink (the most
/// important), .mute (context), .hi (what is chosen), or .b2 .b3 .b4 .b8 .b16 (widths) and .h0 to .h8 (low to high).

#include <cstddef>
#include <string>

namespace lieq::report {

inline constexpr std::size_t kColours = 6;    ///< .c0 to .c5
inline constexpr std::size_t kHeatSteps = 9;  ///< .h0 to .h8

/// "c0" for 0, "c1" for 1, ...; begins anew after kColours.
[[nodiscard]] std::string colour_class(std::size_t index);
/// "b4" for 4 bits; the nearest width that has a colour.
[[nodiscard]] std::string width_class(unsigned bits);

/// Rules for everything inside an <svg>. Dark where the page's scheme is, but never on paper.
[[nodiscard]] std::string svg_style();

}  // namespace lieq::report
