#include "lieq/report/markup.h"

#include <gtest/gtest.h>

#include "tests/report/sound_svg.h"

namespace lieq::report {
namespace {

TEST(Markup, EverythingThatCouldEndATextIsEscaped) {
  EXPECT_EQ(escaped("a<b>&\"c\"'d'"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;");
  EXPECT_EQ(escaped("größe ∞ 模型"), "größe ∞ 模型");
  EXPECT_EQ(escaped("two\nlines"), "two\nlines");
}

TEST(Markup, ControlCharactersAndBrokenUtf8AreReplaced) {
  EXPECT_EQ(escaped(std::string_view("a\0b\x1b\x7f", 5)), "a\uFFFDb\uFFFD\uFFFD");
  EXPECT_EQ(escaped("a\xff<"), "a\uFFFD&lt;");
}

TEST(Markup, LongNamesKeepTheirEnds) {
  EXPECT_EQ(shortened("0123456789", 10), "0123456789");
  EXPECT_EQ(shortened("0123456789", 4), "01…89");
  EXPECT_EQ(shortened("äöüßéè", 4), "äö…éè");
  EXPECT_EQ(characters("äöü"), 3u);
}

TEST(Markup, NumbersForEyesAndForMachines) {
  EXPECT_EQ(shown(-0.0322641), "−0.03226");
  EXPECT_EQ(fixed(-1.25, 1), "−1.2");
  EXPECT_EQ(exact(0.1), "0.1");
  EXPECT_DOUBLE_EQ(std::stod(exact(37.13435097504734)), 37.13435097504734);
}

TEST(Markup, ShapesAreElements) {
  for (std::size_t i = 0; i < 12; ++i) expect_sound(svg_marker(marker_of(i), "p c0", {3, 4}, 5));
  const std::string mark = svg_mark(svg_rect("p", {0, 0}, 1, 1), "<script>");
  expect_sound(mark);
  EXPECT_EQ(mark.find("<script>"), std::string::npos);
}

}  // namespace
}  // namespace lieq::report
