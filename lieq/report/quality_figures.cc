#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/report/figures.h"
#include "lieq/report/variants.h"
#include "lieq/report/xy_chart.h"

namespace lieq::report {
namespace {

constexpr double kMega = 1e-6;
constexpr const char* kReadingGuide = "Left is smaller; the nearer to the original, the better.";

/// A measured value of one model.
struct Measured {
  const Variant* variant = nullptr;
  double value = 0;
  std::optional<double> error;
};

struct Quality {
  std::string title, label, unit;
  std::vector<Measured> models;
  std::optional<double> reference;
};

std::string with_error(const Measured& one, const std::string& unit) {
  return one.error ? fmt::format("{} ± {}{}", shown(one.value), shown(*one.error), unit) : shown(one.value) + unit;
}

std::string tip_of(const Measured& one, const Quality& quality) {
  return fmt::format("{}\n{}: {}\n{}, {:.2f} code bits, {:.2f} true bits", one.variant->name, quality.title,
                     with_error(one, quality.unit), bytes_text(one.variant->bytes), one.variant->code_bits,
                     one.variant->true_bits);
}

/// Sizes of files, the same in all panels of a figure.
Axis size_axis(const std::vector<Measured>& models) {
  std::vector<double> sizes;
  for (const Measured& one : models) sizes.push_back(kMega * static_cast<double>(one.variant->bytes));
  return fitting_axis(sizes, 20);
}

/// One measure of all models against the size of their files.
Panel against_size(const Quality& quality, const Axis& sizes, bool named) {
  std::vector<double> values;
  for (const Measured& one : quality.models) {
    for (const double sign : {-1.0, 0.0, 1.0}) values.push_back(one.value + sign * one.error.value_or(0));
  }
  if (quality.reference) values.push_back(*quality.reference);
  XyChart chart{.title = quality.title,
                .x_label = "weight files, MB",
                .y_label = quality.label,
                .x = sizes,
                .y = fitting_axis(values),
                .series = {},
                .levels = {}};
  if (quality.reference) chart.levels.push_back({*quality.reference, "original"});
  for (const Measured& one : quality.models) {
    XySeries& series = chart.series.emplace_back();
    series.name = one.variant->name;
    series.kinds = one.variant->kinds;
    series.line = "none";
    series.marker = one.variant->marker;
    series.radius = 5;
    series.points.push_back({.x = kMega * static_cast<double>(one.variant->bytes),
                             .y = one.value,
                             .error = one.error,
                             .label = named ? shortened(one.variant->name, 24) : "",
                             .tip = tip_of(one, quality),
                             .radius = {}});
  }
  return draw(chart);
}

std::vector<LegendEntry> legend_of(const Quality& quality) {
  std::vector<LegendEntry> legend;
  for (const Measured& one : quality.models)
    legend.push_back({LegendEntry::Kind::kMarker, "p " + one.variant->kinds,
                      fmt::format("{} ({:.2f} bits)", shortened(one.variant->name, 40), one.variant->true_bits),
                      one.variant->marker});
  if (quality.reference) legend.push_back({LegendEntry::Kind::kDashed, "mute thin", "original"});
  return legend;
}

Table text_table(const TextSet& set) {
  Table table{.title = "Perplexity and distance to the original",
              .head = {"model", "code bits", "true bits", "bytes", "perplexity", "±", "KL, nats/token", "±",
                       "99 % below", "top-1, %", "±"},
              .rows = {}};
  for (const EvalRecord* r : set.records) {
    const auto optional = [](const std::optional<double>& value, double factor) {
      return value ? Cell(*value * factor) : Cell("–");
    };
    table.rows.push_back(
        {r->model, Cell(r->code_bits, fixed(r->code_bits, 2)), Cell(r->true_bits, fixed(r->true_bits, 2)),
         Cell(static_cast<std::size_t>(r->file_bytes)), Cell(r->perplexity, fixed(r->perplexity, 4)),
         Cell(r->perplexity_stderr, fixed(r->perplexity_stderr, 4)), optional(r->kl, 1), optional(r->kl_stderr, 1),
         optional(r->kl_p99, 1), optional(r->top1, 100), optional(r->top1_stderr, 100)});
  }
  return table;
}

Figure text_figure(const TextSet& set, const std::vector<Variant>& variants, const std::string& id) {
  Quality perplexity{.title = "Perplexity", .label = "lower is better", .unit = "", .models = {}, .reference = {}};
  Quality kl{.title = "KL to the original",
             .label = "nats per token, lower is better",
             .unit = " nats",
             .models = {},
             .reference = {}};
  Quality top1{.title = "Same top token",
               .label = "% of positions, higher is better",
               .unit = " %",
               .models = {},
               .reference = {}};
  for (const EvalRecord* record : set.records) {
    const Variant* variant = &variant_of(variants, record->model);
    perplexity.models.push_back({variant, record->perplexity, record->perplexity_stderr});
    if (record->kl) kl.models.push_back({variant, *record->kl, record->kl_stderr});
    if (record->top1)
      top1.models.push_back({variant, 100 * *record->top1,
                             record->top1_stderr ? std::optional(100 * *record->top1_stderr) : std::nullopt});
  }
  if (const EvalRecord* reference = reference_of(set.records)) perplexity.reference = reference->perplexity;
  Figure figure{.id = id,
                .menu = "Quality, " + model_label(set.records.front()->text),
                .title = "Quality against size: " + model_label(set.records.front()->text),
                .text = kReadingGuide,
                .note = set.title + ". Bars: one standard error.",
                .legend = legend_of(perplexity),
                .panels = {},
                .narrow = {},
                .tables = {text_table(set)}};
  for (const Quality* quality : {&perplexity, &kl, &top1})
    if (!quality->models.empty()) figure.panels.push_back(against_size(*quality, size_axis(perplexity.models), true));
  return figure;
}

Table task_table(const TaskSet& set) {
  Table table{.title = "Every task and metric", .head = {"task", "metric", "shots", "questions"}, .rows = {}};
  std::vector<std::pair<std::string, std::string>> lines;
  for (const TaskResults* model : set.models) {
    table.head.insert(table.head.end(), {model->model, "±"});
    for (const TaskRecord& task : model->tasks)
      for (const MetricValue& metric : task.metrics)
        if (std::pair line(task.name, metric.name); std::ranges::find(lines, line) == lines.end())
          lines.push_back(std::move(line));
  }
  for (const auto& [task, name] : lines) {
    std::vector<Cell> row = {task, name, "–", "–"};
    for (const TaskResults* model : set.models) {
      const TaskRecord* record = model->find(task);
      const MetricValue* metric = record ? record->metric(name) : nullptr;
      row.push_back(metric ? Cell(metric->value, fixed(metric->value, 4)) : Cell("–"));
      row.push_back(metric && metric->std_error ? Cell(*metric->std_error, fixed(*metric->std_error, 4)) : Cell("–"));
      if (!record) continue;
      row[3] = Cell(static_cast<std::size_t>(record->effective));
      if (record->num_fewshot) row[2] = Cell(static_cast<std::size_t>(*record->num_fewshot));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// Paired differences to the reference on the same questions.
std::optional<Table> difference_table(const TaskSet& set) {
  Table table{.title = "Differences in accuracy, question by question",
              .head = {"task", "model", "minus", "difference", "±", "p"},
              .rows = {}};
  for (const TaskResults* model : set.models)
    for (const auto& [task, d] : model->differences)
      table.rows.push_back({task, model->model, model->reference, Cell(d.difference, fixed(d.difference, 4)),
                            d.std_error ? Cell(*d.std_error, fixed(*d.std_error, 4)) : Cell("–"), Cell(d.p_value)});
  if (table.rows.empty()) return std::nullopt;
  return table;
}

/// "lieq-2bit keeps 98.2 % of the mean accuracy of demo."
std::string kept(const TaskSet& set) {
  const TaskResults* reference = reference_of(set.models);
  const double whole = reference ? mean_accuracy(*reference).value : 0;
  if (whole <= 0) return "";
  std::vector<std::string> parts;
  for (const TaskResults* model : set.models)
    if (model != reference)
      parts.push_back(fmt::format("{} {:.1f} %", model->model, 100 * mean_accuracy(*model).value / whole));
  return parts.empty() ? ""
                       : fmt::format("Kept of the mean accuracy of {}: {}.", reference->model, fmt::join(parts, ", "));
}

Figure task_figure(const TaskSet& set, const std::vector<Variant>& variants, const std::string& id) {
  std::vector<Quality> qualities;
  const auto quality = [&](const std::string& title) -> Quality& {
    const auto found = std::ranges::find(qualities, title, &Quality::title);
    if (found != qualities.end()) return *found;
    return qualities.emplace_back(Quality{title, "accuracy, %", " %", {}, {}});
  };
  const TaskResults* reference = reference_of(set.models);
  for (const TaskResults* model : set.models) {
    const Variant* variant = &variant_of(variants, model->model);
    const auto add = [&](const std::string& title, double value, std::optional<double> error) {
      Quality& one = quality(title);
      one.models.push_back({variant, 100 * value, error ? std::optional(100 * *error) : std::nullopt});
      if (model == reference) one.reference = 100 * value;
    };
    const MeanAccuracy mean = mean_accuracy(*model);
    if (mean.tasks > 1) add(fmt::format("Mean of {} tasks", mean.tasks), mean.value, mean.std_error);
    for (const TaskRecord* task : model->top_level())
      if (const MetricValue* accuracy = task->metric("acc")) add(task->alias, accuracy->value, accuracy->std_error);
  }
  Figure figure{.id = id,
                .menu = "Accuracy",
                .title = "Zero-shot accuracy against size",
                .text = kept(set),
                .note = "Scored as lm-evaluation-harness does: " + set.title + ". Bars: one standard error.",
                .legend = {},
                .panels = {},
                .narrow = {},
                .tables = {task_table(set)}};
  for (const Quality& one : qualities)
    figure.panels.push_back(against_size(one, size_axis(qualities.front().models), false));
  if (!qualities.empty()) figure.legend = legend_of(qualities.front());
  if (auto differences = difference_table(set)) figure.tables.push_back(std::move(*differences));
  return figure;
}

/// On one line.
std::string unbroken(std::string text) {
  const std::size_t space = text.find(' ');
  return space == std::string::npos ? text : text.replace(space, 1, "\u00a0");
}

bool has_accuracy(const TaskSet& set) {
  return std::ranges::any_of(set.models, [](const TaskResults* model) { return mean_accuracy(*model).tasks > 0; });
}

}  // namespace

std::vector<Figure> quality_figures(const Subject& subject) {
  const Evaluated all = evaluated_of(subject);
  std::vector<Figure> figures;
  for (const TextSet& set : all.texts)
    figures.push_back(text_figure(set, all.variants, fmt::format("perplexity-{}", figures.size() + 1)));
  std::size_t number = 0;
  for (const TaskSet& set : all.tasks)
    if (has_accuracy(set)) figures.push_back(task_figure(set, all.variants, fmt::format("accuracy-{}", ++number)));
  return figures;
}

std::vector<Tile> tiles_of(const Subject& subject) {
  const Evaluated all = evaluated_of(subject);
  std::vector<Tile> tiles;
  for (const Variant& variant : all.variants) {
    if (variant.code_bits >= 16 || variant.bytes == 0) continue;
    Tile tile{variant.name, "",
              fmt::format("{:.2f}\u00a0code bits, {:.2f}\u00a0true bits; {}", variant.code_bits, variant.true_bits,
                          unbroken(bytes_text(variant.bytes)))};
    if (!all.texts.empty()) {
      const auto& records = all.texts.front().records;
      const auto own = std::ranges::find(records, variant.name, &EvalRecord::model);
      const EvalRecord* reference = reference_of(records);
      if (own != records.end() && reference) {
        tile.value = fmt::format("{:.1f}× smaller",
                                 static_cast<double>(reference->file_bytes) / static_cast<double>(variant.bytes));
        const double change = 100 * ((*own)->perplexity / reference->perplexity - 1);
        tile.text += change < 900
                         ? fmt::format("; perplexity\u00a0{}\u00a0%", (change < 0 ? "" : "+") + fixed(change, 1))
                         : fmt::format("; perplexity ×{:.0f}", 1 + change / 100);
      }
    }
    for (const TaskSet& set : all.tasks) {
      const auto own = std::ranges::find(set.models, variant.name, &TaskResults::model);
      const TaskResults* reference = reference_of(set.models);
      const double whole = reference ? mean_accuracy(*reference).value : 0;
      if (own == set.models.end() || whole <= 0) continue;
      if (tile.value.empty())
        tile.value = fmt::format("{:.1f}× smaller",
                                 static_cast<double>(reference->file_bytes) / static_cast<double>(variant.bytes));
      tile.text += fmt::format("; {:.1f}\u00a0% of accuracy kept", 100 * mean_accuracy(**own).value / whole);
      break;
    }
    if (!tile.value.empty()) tiles.push_back(std::move(tile));
  }
  return tiles;
}

}  // namespace lieq::report
