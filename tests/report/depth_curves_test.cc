#include "lieq/report/depth_curves.h"

#include <gtest/gtest.h>

#include <limits>
#include <regex>

namespace lieq::report {
namespace {

/// Three layers, two cells, every metric measured.
LayerScores example() {
  LayerScores scores;
  scores.model.name = "a<b>&\"c\"";
  const double drops[] = {100, 1, 10}, compactness[] = {0, 0.5, 1}, energy[] = {-0.2, 0, 0.2};
  for (std::size_t l = 0; l < 3; ++l) {
    LayerScore& layer = scores.layers.emplace_back();
    layer.perplexity_drop = drops[l];
    layer.compactness = compactness[l];
    layer.energy_gain = energy[l];
    layer.rank = l + 1;
  }
  for (const char* corpus : {"x&y.txt", "z.txt"}) {
    CellScores& cell = scores.cells.emplace_back();
    cell.corpus = corpus;
    cell.bucket = "33-128";
    cell.perplexity_drop.assign(drops, drops + 3);
    cell.compactness.assign(compactness, compactness + 3);
    cell.energy_gain.assign(energy, energy + 3);
  }
  return scores;
}

std::vector<std::smatch> matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  return {std::sregex_iterator(text.begin(), text.end(), regex), {}};
}

/// The points of each polyline of one class, in order of panels.
std::vector<std::string> lines(const std::string& svg, const std::string& kind) {
  std::vector<std::string> points;
  for (const std::smatch& match : matches(svg, ("<polyline class=\"" + kind + "\" points=\"([^\"]*)\"").c_str()))
    points.push_back(match[1]);
  return points;
}

/// Tags nest, the picture is one element, no bare '&', no nan, and every coordinate lies within the picture.
void expect_sound(const std::string& svg) {
  std::vector<std::string> open;
  for (const std::smatch& match : matches(svg, "<(/?)([a-z]+)[^<>]*?(/?)>")) {
    if (match[1].length() > 0) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), match[2]);
      open.pop_back();
    } else if (match[3].length() == 0) {
      open.push_back(match[2]);
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_TRUE(matches(svg, "&(?!amp;|lt;|gt;|quot;)").empty());
  EXPECT_TRUE(matches(svg, "[\" ,](-?nan|-?inf)").empty());
  for (const std::smatch& match : matches(svg, "[\" ](-?[0-9.]+),(-?[0-9.]+)")) {
    EXPECT_TRUE(std::stod(match[1]) >= 0 && std::stod(match[1]) <= 900) << match[0];
    EXPECT_TRUE(std::stod(match[2]) >= 0 && std::stod(match[2]) <= 340) << match[0];
  }
  for (const std::smatch& match : matches(svg, " c?x[12]?=\"([^\"]*)\" c?y[12]?=\"([^\"]*)\"")) {
    EXPECT_TRUE(std::stod(match[1]) >= 0 && std::stod(match[1]) <= 900) << match[0];
    EXPECT_TRUE(std::stod(match[2]) >= 0 && std::stod(match[2]) <= 340) << match[0];
  }
}

TEST(DepthCurves, OneLineForEachSeries) {
  const std::string svg = depth_curves_svg(example());
  expect_sound(svg);
  EXPECT_EQ(lines(svg, "mean").size(), 3u);
  EXPECT_EQ(lines(svg, "cell").size(), 6u);
  EXPECT_EQ(matches(svg, "<circle class=\"first\"").size(), 3u + 1);  // and the legend's
  EXPECT_EQ(matches(svg, "<circle class=\"next\"").size(), 6u + 1);
  EXPECT_NE(svg.find("Perplexity drop"), std::string::npos);
  EXPECT_EQ(svg.find("lower edge"), std::string::npos);
}

TEST(DepthCurves, ValuesAreWhereTheyBelong) {
  const std::vector<std::string> means = lines(depth_curves_svg(example()), "mean");
  ASSERT_EQ(means.size(), 3u);
  // Plots are 232.7 wide, 62 apart, from 112 down to 262; layers begin and end 10 from the sides.
  EXPECT_EQ(means[0], "68.0,112.0 174.3,262.0 280.7,187.0");   // 1 to 100, logarithmic
  EXPECT_EQ(means[1], "362.7,262.0 469.0,187.0 575.3,112.0");  // 0 to 1
  EXPECT_EQ(means[2], "657.3,262.0 763.7,187.0 870.0,112.0");  // -0.2 to 0.2
}

TEST(DepthCurves, NamesAreEscaped) {
  LayerScores scores = example();
  const std::string svg = depth_curves_svg(scores);
  EXPECT_NE(svg.find("a&lt;b&gt;&amp;&quot;c&quot;"), std::string::npos);
  EXPECT_NE(svg.find("x&amp;y.txt, 33-128 tokens"), std::string::npos);
  scores.model.name = "\x01\xff</svg>" + std::string(500, 'n');
  expect_sound(depth_curves_svg(scores));
}

TEST(DepthCurves, AnUnmeasuredDropHasNoPanel) {
  LayerScores scores = example();
  for (LayerScore& layer : scores.layers) layer.perplexity_drop.reset();
  for (CellScores& cell : scores.cells) cell.perplexity_drop.clear();
  const std::string svg = depth_curves_svg(scores);
  expect_sound(svg);
  EXPECT_EQ(lines(svg, "mean").size(), 2u);
  EXPECT_EQ(lines(svg, "cell").size(), 4u);
  EXPECT_EQ(svg.find("Perplexity drop"), std::string::npos);
}

TEST(DepthCurves, DropsOfZeroOrLessAreNoted) {
  LayerScores scores = example();
  scores.cells[0].perplexity_drop[1] = -3;
  const std::string svg = depth_curves_svg(scores);
  expect_sound(svg);
  EXPECT_NE(svg.find("lower edge"), std::string::npos);
}

TEST(DepthCurves, StrangeRecordsGiveAPicture) {
  expect_sound(depth_curves_svg({}));

  LayerScores scores = example();
  scores.layers.resize(1);
  for (CellScores& cell : scores.cells) cell.perplexity_drop.resize(1), cell.compactness.resize(1), cell.energy_gain.resize(1);
  expect_sound(depth_curves_svg(scores));
  EXPECT_EQ(lines(depth_curves_svg(scores), "mean").size(), 3u);

  scores = example();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (LayerScore& layer : scores.layers) layer.perplexity_drop = nan, layer.compactness = nan;
  scores.cells[0].energy_gain = {nan, std::numeric_limits<double>::infinity(), 1e300};
  scores.cells[1].compactness = {nan};
  const std::string svg = depth_curves_svg(scores);
  expect_sound(svg);
  EXPECT_EQ(lines(svg, "mean").size(), 1u);
  EXPECT_EQ(lines(svg, "cell").size(), 2u + 1 + 1);
}

TEST(DepthCurves, ManyLayers) {
  LayerScores scores = example();
  scores.cells.clear();
  scores.layers.resize(126);
  expect_sound(depth_curves_svg(scores));
}

}  // namespace
}  // namespace lieq::report
