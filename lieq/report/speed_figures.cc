#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/bars.h"
#include "lieq/report/figures.h"
#include "lieq/report/style.h"
#include "lieq/report/xy_chart.h"

namespace lieq::report {
namespace {

constexpr const char *kRead = "read", *kDense = "dense fp32", *kDenseBf16 = "dense bf16";

using Shape = std::pair<std::uint64_t, std::uint64_t>;

std::string name_of(Shape shape) { return fmt::format("{} × {}", shape.first, shape.second); }

/// The look of each kernel, the same in all panels: dense ones without colour.
std::vector<XySeries> looks_of(const std::vector<ShapeTime>& times) {
  std::vector<XySeries> looks;
  std::size_t next = 0;
  for (const ShapeTime& time : times) {
    if (time.kernel == kRead || std::ranges::find(looks, time.kernel, &XySeries::name) != looks.end()) continue;
    XySeries& series = looks.emplace_back();
    series.name = time.kernel;
    series.named = true;
    series.radius = 3;
    if (time.kernel == kDense || time.kernel == kDenseBf16) {
      series.kinds = time.kernel == kDense ? "ink" : "mute";
      series.line = time.kernel == kDense ? "" : "dash";
      continue;
    }
    series.kinds = colour_class(next);
    series.marker = marker_of(++next);
  }
  return looks;
}

Panel shape_panel(Shape shape, const std::vector<const ShapeTime*>& times, std::vector<XySeries> looks) {
  std::vector<double> tokens, milliseconds;
  std::map<std::uint64_t, double> dense;
  for (const ShapeTime* time : times)
    if (time->kernel == kDense) dense[time->tokens] = time->seconds;
  for (const ShapeTime* time : times) {
    const auto series = std::ranges::find(looks, time->kernel, &XySeries::name);
    if (series == looks.end()) continue;
    tokens.push_back(static_cast<double>(time->tokens));
    milliseconds.push_back(1e3 * time->seconds);
    std::string tip =
        fmt::format("{}, {}\n{} tokens: {} ms", name_of(shape), time->kernel, time->tokens, shown(1e3 * time->seconds));
    if (dense.contains(time->tokens))
      tip += fmt::format("\n{:.2f} times as fast as dense fp32", dense[time->tokens] / time->seconds);
    series->points.push_back(
        {.x = tokens.back(), .y = milliseconds.back(), .error = {}, .label = "", .tip = std::move(tip), .radius = {}});
  }
  XyChart chart{.title = name_of(shape),
                .x_label = "tokens",
                .y_label = "ms",
                .x = doubling_axis(tokens),
                .y = log_axis(milliseconds),
                .series = {},
                .levels = {}};
  for (XySeries& series : looks) {
    std::ranges::stable_sort(series.points, {}, &XyPoint::x);
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

Figure shape_figure(const Results& results) {
  Figure figure{
      .id = "latency",
      .menu = "Single linears",
      .title = "Time of one linear against the number of tokens",
      .text =
          "Lower is faster: codes of few bits are read faster than dense weights, and multiplied straight from them.",
      .note = "lieq bench --shape; best run, weights not in the cache; " + results.shape_machine + ".",
      .legend = {},
      .panels = {},
      .narrow = {},
      .tables = {}};
  Table table{.title = "Times", .head = {"inputs", "outputs", "tokens", "kernel", "bits", "seconds"}, .rows = {}};
  std::vector<Shape> shapes;
  for (const ShapeTime& time : results.shapes) {
    if (std::ranges::find(shapes, Shape{time.in, time.out}) == shapes.end()) shapes.emplace_back(time.in, time.out);
    table.rows.push_back({static_cast<std::size_t>(time.in), static_cast<std::size_t>(time.out),
                          static_cast<std::size_t>(time.tokens), time.kernel,
                          time.bits > 0 ? Cell(static_cast<std::size_t>(time.bits)) : Cell("–"), time.seconds});
  }
  const std::vector<XySeries> looks = looks_of(results.shapes);
  for (const Shape& shape : shapes) {
    std::vector<const ShapeTime*> own;
    for (const ShapeTime& time : results.shapes)
      if (Shape{time.in, time.out} == shape) own.push_back(&time);
    figure.panels.push_back(shape_panel(shape, own, looks));
  }
  figure.tables.push_back(std::move(table));
  return figure;
}

Panel rate_bars(const std::vector<ModelSpeed>& speeds, Rate ModelSpeed::*test, const std::string& title,
                const char* kinds) {
  BarChart chart{.title = title, .label = "tokens/s, higher is faster; bars: one standard deviation", .bars = {}};
  for (const ModelSpeed& speed : speeds) {
    const Rate& rate = speed.*test;
    const std::string words = fmt::format("{:.1f} ± {:.1f}", rate.mean, rate.stddev);
    chart.bars.push_back(
        {speed.model,
         words,
         {{rate.mean, kinds, fmt::format("{}, {} tokens\n{} tokens/s", speed.model, rate.tokens, words)}},
         rate.stddev});
  }
  return draw(chart);
}

Figure model_figure(const std::vector<ModelSpeed>& speeds) {
  Figure figure{.id = "speed",
                .menu = "Whole models",
                .title = "Speed and memory of whole models",
                .text = "",
                .note = "",
                .legend = {},
                .panels = {},
                .narrow = {},
                .tables = {}};
  figure.panels = {
      rate_bars(speeds, &ModelSpeed::prompt, fmt::format("Reading a prompt of {} tokens", speeds.front().prompt.tokens),
                "c0"),
      rate_bars(speeds, &ModelSpeed::decode, fmt::format("Writing {} tokens", speeds.front().decode.tokens), "c2")};
  BarChart memory{.title = "Memory", .label = "linears, embeddings, cache of keys and values", .bars = {}};
  Table table{.title = "Speed and memory",
              .head = {"model", "true bits", "threads", "activations", "prompt tokens", "tokens/s", "±", "new tokens",
                       "tokens/s", "±", "linears, bytes", "embeddings, bytes", "cache, bytes"},
              .rows = {}};
  for (const ModelSpeed& s : speeds) {
    Bar& bar = memory.bars.emplace_back(Bar{s.model, bytes_text(s.linears + s.embeddings + s.cache), {}, {}});
    for (const auto& [name, bytes, kinds] :
         {std::tuple{"linears", s.linears, "c0"}, {"embeddings", s.embeddings, "c2"}, {"cache", s.cache, "c4"}})
      bar.parts.push_back(
          {static_cast<double>(bytes), kinds, fmt::format("{}\n{}: {}", s.model, name, bytes_text(bytes))});
    table.rows.push_back({s.model, Cell(s.true_bits, fixed(s.true_bits, 2)), static_cast<std::size_t>(s.threads),
                          s.activations, static_cast<std::size_t>(s.prompt.tokens), s.prompt.mean, s.prompt.stddev,
                          static_cast<std::size_t>(s.decode.tokens), s.decode.mean, s.decode.stddev,
                          static_cast<std::size_t>(s.linears), static_cast<std::size_t>(s.embeddings),
                          static_cast<std::size_t>(s.cache)});
  }
  figure.panels.push_back(draw(memory));
  figure.tables.push_back(std::move(table));
  figure.note =
      fmt::format("lieq bench; {} threads, {} activations.", speeds.front().threads, speeds.front().activations);
  return figure;
}

}  // namespace

std::vector<Figure> speed_figures(const Results& results) {
  std::vector<Figure> figures;
  if (!results.speeds.empty()) figures.push_back(model_figure(results.speeds));
  if (!results.shapes.empty()) figures.push_back(shape_figure(results));
  return figures;
}

}  // namespace lieq::report
