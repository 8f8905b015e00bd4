#include "lieq/report/figures.h"

#include <gtest/gtest.h>

#include <limits>

#include "lieq/report/page.h"
#include "lieq/report/xy_chart.h"
#include "tests/report/sound_svg.h"

namespace lieq::report {
namespace {

constexpr const char* kNastyName = "a<b>&\"c\"</svg></script><script>alert(1)</script>";

/// Three layers, two cells, every metric measured.
LayerScores example_scores() {
  LayerScores scores;
  scores.model = {.name = kNastyName,
                  .architecture = "LlamaForCausalLM",
                  .num_hidden_layers = 3,
                  .hidden_size = 8,
                  .intermediate_size = 16,
                  .num_attention_heads = 1,
                  .num_key_value_heads = 1,
                  .vocab_size = 10,
                  .parameters = 1000};
  const double drops[] = {100, 1, 10}, compactness[] = {0, 0.5, 1}, energy[] = {-0.2, 0, 0.2};
  for (std::size_t l = 0; l < 3; ++l) {
    LayerScore& layer = scores.layers.emplace_back();
    layer.weights = 300;
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
    cell.rho_compactness = 0.5;
    cell.rho_energy_gain = -0.25;
  }
  return scores;
}

BitPlan example_plan() {
  BitPlan plan;
  plan.model = example_scores().model;
  plan.choices = {2, 4};
  for (const int bits : {4, 2, 2}) plan.layers.push_back({bits, 300, kNastyName});
  return plan;
}

EvalRecord example_record(const std::string& model, double bits, double perplexity, std::uint64_t bytes) {
  EvalRecord record;
  record.model = model;
  record.text = kNastyName;
  record.protocol = "gptq";
  record.compute = "fp32";
  record.window = 512;
  record.num_tokens = 100;
  record.perplexity = perplexity;
  record.perplexity_stderr = 1;
  record.code_bits = record.true_bits = bits;
  record.file_bytes = bytes;
  if (bits < 16) record.kl = 0.1, record.top1 = 0.9;
  return record;
}

TaskResults example_tasks(const std::string& model, double bits, double accuracy, std::uint64_t bytes) {
  TaskResults results;
  results.model = model;
  results.code_bits = results.true_bits = bits;
  results.file_bytes = bytes;
  for (const char* name : {"piqa", "boolq"}) {
    TaskRecord& task = results.tasks.emplace_back();
    task.name = task.alias = name;
    task.metrics = {{"acc", accuracy, 0.01, true}};
  }
  return results;
}

/// Something of everything.
Results example_results() {
  Results results;
  results.sources = {{kNastyName, "scores", 10, {{kNastyName, kNastyName}}}};
  results.scores = {example_scores()};
  results.plans = {example_plan()};
  results.quantised = {{kNastyName + std::string("2"),
                        "a<b>",
                        "gptq",
                        example_plan(),
                        std::nullopt,
                        {{0, "mlp.up_proj", 4, 1, 0.001}, {1, kNastyName, 2, 1, 0.1}, {2, "mlp.up_proj", 2, 0, 0}}}};
  results.evaluations = {{{example_record("full", 16, 10, 4000), example_record(kNastyName, 2, 12, 1000)}, {}},
                         {{}, {example_tasks("full", 16, 0.5, 4000), example_tasks(kNastyName, 2, 0.4, 1000)}}};
  results.shapes = {{8, 16, 1, 0, "dense fp32", 0.1},
                    {8, 16, 4, 0, "dense fp32", 0.2},
                    {8, 16, 1, 2, kNastyName, 0.01},
                    {8, 16, 1, 0, "read", 0.001}};
  results.shape_machine = kNastyName;
  results.speeds = {{kNastyName, "int8", 2, 2.3, {64, 100, 5}, {16, 50, 2}, 1000, 500, 100}};
  Sweep& sweep = results.sweeps.emplace_back();
  sweep.model = "full";
  sweep.baseline = results.evaluations[1];
  sweep.baseline.tasks.resize(1);
  for (const std::uint64_t top : {4U, 1U})
    sweep.cells.push_back({top,
                           kNastyName,
                           "geometry",
                           {},
                           2,
                           2.3,
                           1000,
                           {{}, {example_tasks("cell", 2, 0.4 + 0.01 * static_cast<double>(top), 1000)}}});
  sweep.cells.push_back({8, "awq", "lieq", {}, 2, 2.3, 1000, {}});
  return results;
}

const Figure& figure_of(const std::vector<Section>& sections, const std::string& id) {
  for (const Section& section : sections)
    for (const Figure& figure : section.figures)
      if (figure.id.ends_with(id)) return figure;
  throw std::runtime_error("no figure " + id);
}

TEST(DepthFigure, OneLineForEachSeriesWhereItsValuesBelong) {
  const Figure figure = depth_figure(example_scores());
  ASSERT_EQ(figure.panels.size(), 3u);
  EXPECT_EQ(figure.legend.size(), 4u);
  const std::string& body = figure.panels[1].body;  // compactness: 0 to 1
  EXPECT_EQ(matches(body, "<polyline class=\"l c[01] thin").size(), 2u);
  // 360 wide: ticks of three characters take 30.3 on the left; plots lie between 48 and 238.
  EXPECT_NE(body.find("<polyline class=\"l ink bold\" points=\"42.3,238.0 190.1,143.0 338.0,48.0\"/>"),
            std::string::npos)
      << body;
  EXPECT_EQ(matches(body, "class=\"p hi\"").size(), 3u);
  EXPECT_EQ(figure.tables[0].rows[2][4].value, "1");
  EXPECT_EQ(figure.note.find("lower edge"), std::string::npos);
}

TEST(DepthFigure, AnUnmeasuredDropHasNoPanel) {
  LayerScores scores = example_scores();
  for (LayerScore& layer : scores.layers) layer.perplexity_drop.reset();
  for (CellScores& cell : scores.cells) cell.perplexity_drop.clear();
  EXPECT_EQ(depth_figure(scores).panels.size(), 2u);
  EXPECT_EQ(taxonomy_figure(scores, {0}, "chosen").panels.size(), 2u);  // one pair, and the correlations that are there
}

TEST(DepthFigure, DropsOfZeroOrLessAreNoted) {
  LayerScores scores = example_scores();
  scores.cells[0].perplexity_drop[1] = -3;
  EXPECT_NE(depth_figure(scores).note.find("lower edge"), std::string::npos);
}

TEST(DepthFigure, SensitivityHasAPanelOfItsOwn) {
  LayerScores scores = example_scores();
  for (LayerScore& layer : scores.layers) layer.sensitivity = {{2, 0.5}, {4, 0.01}};
  ASSERT_EQ(depth_figure(scores).panels.size(), 4u);
  EXPECT_NE(depth_figure(scores).panels[3].body.find("KL at 2 bits 0.5"), std::string::npos);
}

TEST(DepthFigure, StrangeRecordsGiveAPicture) {
  expect_sound(figure_svg(depth_figure({})));
  LayerScores scores = example_scores();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (LayerScore& layer : scores.layers) layer.perplexity_drop = nan, layer.compactness = nan;
  scores.cells[0].energy_gain = {nan, std::numeric_limits<double>::infinity(), 1e300};
  scores.cells[1].compactness = {nan};
  expect_sound(figure_svg(depth_figure(scores)));
  scores.layers.resize(126);
  expect_sound(figure_svg(depth_figure(scores)));
}

TEST(Figures, QualityShowsEveryModelTheErrorAndTheOriginal) {
  const std::vector<Section> sections = sections_of(example_results());
  const Figure& figure = figure_of(sections, "perplexity-1");
  ASSERT_EQ(figure.panels.size(), 3u);  // perplexity, KL, top-1
  EXPECT_EQ(matches(figure.panels[0].body, "<g class=\"mark\">").size(), 2u);
  EXPECT_EQ(matches(figure.panels[0].body, "l thin (ink|c0)").size(), 2u * 3);
  EXPECT_EQ(matches(figure.panels[0].body, "l mute dash thin").size(), 1u);
  EXPECT_EQ(figure.tables[0].rows[1][4].value, "12");
  EXPECT_EQ(figure_of(sections, "accuracy-1").panels.size(), 3u);  // mean, piqa, boolq
}

TEST(Figures, ASweepIsALineForEachMethodInOrderOfLayers) {
  const Figure figure = figure_of(sections_of(example_results()), "sweep");
  ASSERT_EQ(figure.panels.size(), 1u);
  const auto lines =
      matches(figure.panels[0].body, "<polyline class=\"l c0 \" points=\"([0-9.]+),[0-9.]+ ([0-9.]+),[0-9.]+\"");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LT(std::stod(lines[0][1]), std::stod(lines[0][2]));
  EXPECT_NE(figure.note.find("1 of 3 cells are not evaluated"), std::string::npos);
  EXPECT_EQ(figure.tables[0].rows.size(), 4u);
}

TEST(Figures, EveryLayerSaysWhyItHasItsWidth) {
  const Figure figure = figure_of(sections_of(example_results()), "plan");
  EXPECT_EQ(matches(figure.panels[0].body, "layer [0-2]: [24] bits").size(), 3u);
  EXPECT_EQ(figure.narrow.size(), figure.panels.size());
}

TEST(Figures, BytesAddUp) {
  const Figure figure = figure_of(sections_of(example_results()), "bytes");
  const auto& row = figure.tables[0].rows.at(1);  // 300 weights at 4 bits, 600 at 2; groups of 64; 100 others at 16
  EXPECT_EQ(row[1].value, "300");
  EXPECT_DOUBLE_EQ(std::stod(row[2].value), 300 * 20.0 / 64 / 8 + 600 * 18.0 / 64 / 8);
  EXPECT_EQ(row[3].value, "160");  // 10 x 8 embeddings
  EXPECT_EQ(row[4].value, "40");
}

TEST(Figures, AreAllSound) {
  const std::vector<Section> sections = sections_of(example_results());
  std::size_t count = 0;
  for (const Section& section : sections) {
    for (Figure figure : section.figures) {
      const std::string svg = figure_svg(figure);
      expect_sound(svg);
      EXPECT_EQ(svg.find("<script"), std::string::npos) << figure.id;
      if (!figure.narrow.empty()) figure.panels = figure.narrow, expect_sound(figure_svg(figure));
      ++count;
    }
  }
  EXPECT_GE(count, 9u);
}

TEST(Page, NamesFromFilesCannotLeaveTheirPlace) {
  const Results results = example_results();
  const std::string html = html_page(sections_of(results), results.sources, {"0.0", kNastyName});
  EXPECT_EQ(matches(html, "<script").size(), 1u);
  EXPECT_EQ(matches(html, "</script").size(), 1u);
  EXPECT_EQ(matches(html, "<b>&").size(), 0u);
  EXPECT_EQ(html.find("alert(1)<"), std::string::npos);
  EXPECT_EQ(matches(html, "(href|src)=\"?https?:").size(), 0u);
  std::set<std::string> ids;
  for (const std::smatch& match : matches(html, " id=\"([^\"]*)\""))
    EXPECT_TRUE(ids.insert(match[1]).second) << match[1];
  EXPECT_EQ(html, html_page(sections_of(results), results.sources, {"0.0", kNastyName}));
}

TEST(XyChart, NamesDoNotOverlap) {
  XyChart chart{.title = "t",
                .x_label = "x",
                .y_label = "y",
                .x = linear_axis({0, 1}),
                .y = linear_axis({0, 1}),
                .series = {},
                .levels = {}};
  XySeries& series = chart.series.emplace_back();
  series.kinds = "c0";
  series.line = "none";
  for (int i = 0; i < 40; ++i)
    series.points.push_back({.x = 0.5, .y = 0.5, .error = {}, .label = "name", .tip = "", .radius = {}});
  EXPECT_LT(matches(draw(chart).body, ">name<").size(), 10u);
  EXPECT_GE(matches(draw(chart).body, ">name<").size(), 1u);
}

}  // namespace
}  // namespace lieq::report
