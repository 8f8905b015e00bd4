#include "lieq/cli/sweep_text.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "lieq/cli/console.h"
#include "lieq/cli/table.h"

namespace lieq::cli {
namespace {

/// Perplexities of collapsed models need no decimals.
std::string perplexity_text(double value) {
  return value < 1e4 ? fmt::format("{:.3f}", value) : fmt::format("{:.2e}", value);
}

/// The columns that evaluations fill, in one order for all rows.
class Columns {
 public:
  explicit Columns(const EvalSummary& original) : original_(original) {}

  void add_heads(std::vector<std::string>& head) const {
    for (const auto& [text, value] : original_.perplexity) head.push_back("ppl " + text.substr(text.rfind('/') + 1));
    for (const auto& [task, value] : original_.accuracy) head.push_back(task);
    if (original_.mean_accuracy) head.insert(head.end(), {"mean acc", "kept"});
  }

  void add(const EvalSummary& summary, std::vector<std::string>& row) const {
    for (const auto& [text, unused] : original_.perplexity) {
      const auto found = summary.perplexity.find(text);
      row.push_back(found == summary.perplexity.end() ? "-" : perplexity_text(found->second));
    }
    for (const auto& [task, unused] : original_.accuracy) {
      const auto found = summary.accuracy.find(task);
      row.push_back(found == summary.accuracy.end() ? "-" : fmt::format("{:.4f}", found->second));
    }
    if (!original_.mean_accuracy) return;
    const double mean = summary.mean_accuracy.value_or(0);
    row.push_back(fmt::format("{:.4f} ± {:.4f}", mean, summary.mean_stderr.value_or(0)));
    row.push_back(*original_.mean_accuracy > 0 ? fmt::format("{:.1f} %", 100 * mean / *original_.mean_accuracy) : "-");
  }

 private:
  EvalSummary original_;
};

/// "perplexity 38.32 (heldout.txt), mean acc 0.4142"
std::string summary_text(const EvalSummary& summary) {
  std::string text;
  for (const auto& [name, value] : summary.perplexity)
    text += fmt::format("{}perplexity {} ({})", text.empty() ? "" : ", ", perplexity_text(value),
                        name.substr(name.rfind('/') + 1));
  if (summary.mean_accuracy) text += fmt::format("{}mean acc {:.4f}", text.empty() ? "" : ", ", *summary.mean_accuracy);
  return text;
}

}  // namespace

std::string sweep_plan_text(const pipeline::SweepPlan& plan) {
  return fmt::format(
      "{} cells, {} different models to make{}, each evaluated on about {} tokens\nit takes about {} and up to {} of "
      "disk\n",
      plan.cells, plan.models, plan.done > 0 ? fmt::format(" ({} done already)", plan.done) : "", plan.tokens,
      duration_text(plan.seconds), bytes_text(plan.disk));
}

std::string sweep_step_text(const pipeline::SweepStep& step) {
  const std::string place = step.index == 0 ? "" : fmt::format("model {} of {}: ", step.index, step.models);
  return fmt::format("{}{}: {}; {}{}", place, step.name, summary_text(step.summary), duration_text(step.seconds),
                     step.seconds_left > 0 ? fmt::format(", about {} left", duration_text(step.seconds_left)) : "");
}

std::string sweep_table(const SweepResults& results) {
  const auto summary = [](const Json& eval) { return summary_of(eval, "cell").value_or(EvalSummary{}); };
  const EvalSummary original = summary(results.baseline);
  const Columns columns(original);
  const bool distances =
      std::ranges::any_of(results.cells, [&](const auto& cell) { return summary(cell.eval).kl.has_value(); });
  std::vector<std::string> head = {"method", "layers by", "top", "code bits", "true bits", "size"};
  columns.add_heads(head);
  if (distances) head.emplace_back("KL");
  std::vector<std::vector<std::string>> rows = {{"original", "-", "-", "16.00", "16.00", "-"}};
  columns.add(original, rows.back());
  if (distances) rows.back().emplace_back("-");
  for (const SweepCell& cell : results.cells) {
    const EvalSummary own = summary(cell.eval);
    rows.push_back({cell.method, cell.scores, std::to_string(cell.top), fmt::format("{:.2f}", cell.code_bits),
                    fmt::format("{:.2f}", cell.true_bits), bytes_text(cell.bytes)});
    columns.add(own, rows.back());
    if (distances) rows.back().push_back(own.kl ? fmt::format("{:.5f}", *own.kl) : "-");
  }
  return table(head, rows);
}

}  // namespace lieq::cli
