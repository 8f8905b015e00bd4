#include <algorithm>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/figures.h"
#include "lieq/report/style.h"
#include "lieq/report/xy_chart.h"

namespace lieq::report {
namespace {

struct Value {
  double value = 0;
  std::optional<double> error;
};

/// What a sweep can be judged by, taken from one evaluation; nothing if it was not measured.
struct Measure {
  std::string title, label;
  std::function<std::optional<Value>(const Evaluation&)> of;
};

/// The texts of an evaluation, alone or among tasks.
std::vector<const EvalRecord*> texts_of(const Evaluation& evaluation) {
  std::vector<const EvalRecord*> texts;
  for (const EvalRecord& record : evaluation.texts) texts.push_back(&record);
  for (const TaskResults& tasks : evaluation.tasks)
    for (const EvalRecord& record : tasks.perplexities) texts.push_back(&record);
  return texts;
}

const EvalRecord* text_named(const Evaluation& evaluation, const std::string& name) {
  for (const EvalRecord* record : texts_of(evaluation))
    if (record->text == name) return record;
  return nullptr;
}

std::optional<Value> accuracy_of(const Evaluation& evaluation) {
  if (evaluation.tasks.empty()) return std::nullopt;
  const MeanAccuracy mean = mean_accuracy(evaluation.tasks.front());
  if (mean.tasks == 0) return std::nullopt;
  return Value{100 * mean.value, mean.std_error ? std::optional(100 * *mean.std_error) : std::nullopt};
}

std::vector<Measure> measures_of(const Sweep& sweep) {
  std::vector<Measure> measures = {{"Mean zero-shot accuracy", "%, higher is better", accuracy_of}};
  std::vector<std::string> names;
  const auto collect = [&](const Evaluation& evaluation) {
    for (const EvalRecord* record : texts_of(evaluation))
      if (std::ranges::find(names, record->text) == names.end()) names.push_back(record->text);
  };
  collect(sweep.baseline);
  for (const SweepCell& cell : sweep.cells) collect(cell.eval);
  for (const std::string& name : names) {
    measures.push_back({"Perplexity, " + model_label(name), "lower is better",
                        [name](const Evaluation& evaluation) -> std::optional<Value> {
                          const EvalRecord* record = text_named(evaluation, name);
                          if (!record) return std::nullopt;
                          return Value{record->perplexity, record->perplexity_stderr};
                        }});
    measures.push_back({"KL to the original, " + model_label(name), "nats per token, lower is better",
                        [name](const Evaluation& evaluation) -> std::optional<Value> {
                          const EvalRecord* record = text_named(evaluation, name);
                          if (!record || !record->kl) return std::nullopt;
                          return Value{*record->kl, record->kl_stderr};
                        }});
  }
  return measures;
}

std::string line_name(const SweepCell& cell) { return cell.method + ", " + cell.scores; }

/// A line for each method and ranking: colours tell rankings apart, dashes and shapes methods.
std::vector<XySeries> lines_of(const Sweep& sweep) {
  std::vector<XySeries> lines;
  std::map<std::string, std::size_t> methods, rankings;
  for (const SweepCell& cell : sweep.cells) {
    if (std::ranges::find(lines, line_name(cell), &XySeries::name) != lines.end()) continue;
    const std::size_t method = methods.try_emplace(cell.method, methods.size()).first->second;
    const std::size_t ranking = rankings.try_emplace(cell.scores, rankings.size()).first->second;
    XySeries& line = lines.emplace_back();
    line.name = line_name(cell);
    line.kinds = colour_class(ranking);
    line.line = method % 2 == 0 ? "" : "dash";
    line.marker = marker_of(method);
  }
  return lines;
}

std::optional<Panel> panel_of(const Sweep& sweep, const Measure& measure) {
  std::vector<XySeries> lines = lines_of(sweep);
  std::vector<double> values;
  std::uint64_t most = 0;
  for (const SweepCell& cell : sweep.cells) {
    const std::optional<Value> measured = measure.of(cell.eval);
    if (!measured) continue;
    const std::string name = line_name(cell);
    XySeries& own = *std::ranges::find(lines, name, &XySeries::name);
    const double error = measured->error.value_or(0);
    own.points.push_back(
        {.x = static_cast<double>(cell.top),
         .y = measured->value,
         .error = measured->error,
         .label = "",
         .tip = fmt::format("{}, {} layers at the higher width\n{}: {}{}\n{:.2f} code bits, {:.2f} true bits, {}", name,
                            cell.top, measure.title, shown(measured->value), error > 0 ? " ± " + shown(error) : "",
                            cell.code_bits, cell.true_bits, bytes_text(cell.bytes)),
         .radius = {}});
    values.insert(values.end(), {measured->value - error, measured->value + error});
    most = std::max(most, cell.top);
  }
  if (values.empty()) return std::nullopt;
  const std::optional<Value> baseline = measure.of(sweep.baseline);
  if (baseline) values.push_back(baseline->value);
  XyChart chart{.title = measure.title,
                .x_label = "layers at the higher width",
                .y_label = measure.label,
                .x = layer_axis(most + 1),
                .y = fitting_axis(values),
                .series = {},
                .levels = {}};
  if (baseline) chart.levels.push_back({baseline->value, "original"});
  for (XySeries& line : lines) {
    std::ranges::stable_sort(line.points, {}, &XyPoint::x);
    if (!line.points.empty()) chart.series.push_back(std::move(line));
  }
  return draw(chart);
}

Table table_of(const Sweep& sweep, const std::vector<Measure>& measures) {
  Table table{
      .title = "All cells", .head = {"method", "ranking", "layers", "code bits", "true bits", "bytes"}, .rows = {}};
  for (const Measure& measure : measures) table.head.insert(table.head.end(), {measure.title, "±"});
  const auto add = [&](std::vector<Cell> row, const Evaluation& evaluation) {
    for (const Measure& measure : measures) {
      const std::optional<Value> value = measure.of(evaluation);
      row.push_back(value ? Cell(value->value) : Cell("–"));
      row.push_back(value && value->error ? Cell(*value->error) : Cell("–"));
    }
    table.rows.push_back(std::move(row));
  };
  add({"original", "–", "–", "–", "–", "–"}, sweep.baseline);
  for (const SweepCell& cell : sweep.cells)
    add({cell.method, cell.scores, static_cast<std::size_t>(cell.top), Cell(cell.code_bits, fixed(cell.code_bits, 3)),
         Cell(cell.true_bits, fixed(cell.true_bits, 3)), static_cast<std::size_t>(cell.bytes)},
        cell.eval);
  return table;
}

}  // namespace

std::vector<Figure> sweep_figures(const Subject& subject) {
  std::vector<Figure> figures;
  for (const Sweep* sweep : subject.sweeps) {
    std::vector<Measure> measures = measures_of(*sweep);
    Figure figure{.id = figures.empty() ? "sweep" : fmt::format("sweep-{}", figures.size() + 1),
                  .menu = figures.empty() ? "Sweep" : fmt::format("Sweep {}", figures.size() + 1),
                  .title = "What more layers at the higher width bring",
                  .text = "A line for each method and ranking of the layers.",
                  .note = "Bars: one standard error.",
                  .legend = {},
                  .panels = {},
                  .narrow = {},
                  .tables = {}};
    for (auto measure = measures.begin(); measure != measures.end();) {
      auto panel = panel_of(*sweep, *measure);
      if (panel) figure.panels.push_back(std::move(*panel));
      measure = panel ? measure + 1 : measures.erase(measure);
    }
    if (figure.panels.empty()) continue;
    if (!sweep->baseline.texts.empty() || !sweep->baseline.tasks.empty())
      figure.legend.push_back({LegendEntry::Kind::kDashed, "mute thin", "original"});
    for (const XySeries& line : lines_of(*sweep))
      figure.legend.push_back({LegendEntry::Kind::kMarker, "p " + line.kinds, line.name, line.marker});
    const auto unmeasured = std::ranges::count_if(
        sweep->cells, [](const SweepCell& cell) { return cell.eval.texts.empty() && cell.eval.tasks.empty(); });
    if (unmeasured > 0)
      figure.note += fmt::format(" {} of {} cells are not evaluated yet.", unmeasured, sweep->cells.size());
    figure.tables.push_back(table_of(*sweep, measures));
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace lieq::report
