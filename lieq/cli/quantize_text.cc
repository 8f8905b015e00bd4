#include "lieq/cli/quantize_text.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/cli/export_text.h"
#include "lieq/report/eval_table.h"

namespace lieq::cli {
namespace {

std::string comparison_text(const pipeline::GridComparison& grids) {
  return fmt::format("calibration loss in every {}th layer: grid {} would have given {:.2f} times that of {}{}\n",
                     grids.every, grids.other, grids.ratio, grids.grid,
                     grids.grid == "skew" ? " (--grid half: better, but only lieq and MLX read it)" : "");
}

std::string embed_text(const pipeline::EmbedTrial& trial) {
  return fmt::format("embedding and head in {} bits: perplexity {:.4f} instead of {:.4f} ({:+.3f} %){}\n", trial.bits,
                     trial.perplexity, trial.stored_perplexity, 100 * trial.cost(),
                     trial.taken ? " (--embed-bits 16: a folder for any GPTQ reader)" : ": too dear, left as stored");
}

/// Of layers that were there before it is not known what they were fitted to.
std::string refined_text(const pipeline::RefineRecord& refined, bool from_made) {
  const std::string after =
      refined.best_step == 0 ? "no step made it less" : fmt::format("best after step {} of {}", refined.best_step, refined.steps);
  return fmt::format("refined: KL {:.4f} -> {:.4f} on {} {}, {}\n", refined.start, refined.best,
                     refined.validation_tokens,
                     from_made ? "held-out tokens" : "tokens that nothing was fitted to", after);
}

/// "writing: ... (original ...)"
std::string smoke_text(const pipeline::SmokeTest& smoke) {
  std::set<std::string> kinds;
  for (const pipeline::SmokeAnswer& answer : smoke.answers) kinds.insert(answer.kind);
  return fmt::format("writing: {:.0f} % of the 4-grams are repetitions, of the original's {:.0f} % ({} prompts: {})\n",
                     100 * smoke.made_repeats, 100 * smoke.original_repeats, smoke.answers.size(),
                     fmt::join(kinds, ", "));
}

}  // namespace

std::string texts_text(const pipeline::QuantizeRecord& record) {
  const auto one = [](std::span<const EvalRecord> both) {
    return fmt::format("\n{}\n{}: {} tokens in windows of {}\n", report::eval_table({both.begin(), both.end()}),
                       both[1].text, both[1].num_tokens, both[1].window);
  };
  std::string text = one(record.records);
  for (std::size_t r = 0; r + 1 < record.further.size(); r += 2) text += one(std::span(record.further).subspan(r, 2));
  return text;
}

std::string calibration_text(const pipeline::CalibrationFacts& facts) {
  std::string text = fmt::format(
      "calibration: {}, {} windows of {} tokens and {} held out; {:.2f} bytes a token, {} different tokens ({:.1f} % "
      "of "
      "the vocabulary){}\n",
      facts.source, facts.windows, facts.window, facts.held_out_windows, facts.bytes_per_token, facts.distinct_tokens,
      100 * facts.vocabulary_share,
      facts.bos.empty() ? "" : fmt::format("; {} begin with {}", facts.windows_with_bos, facts.bos));
  for (std::size_t w = 0; w < facts.first_windows.size(); ++w)
    text += fmt::format("\n--- window {} ---\n{}\n", w + 1, facts.first_windows[w]);
  return facts.first_windows.empty() ? text : text + "---\n\n";
}

std::string plan_text(const BitPlan& plan) {
  const PlanSize size = size_of(plan);
  std::map<int, std::vector<std::size_t>> layers_of;
  std::map<int, std::vector<std::string>> linears_of;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    layers_of[plan.layers[l].bits].push_back(l);
    for (const auto& [name, linear] : plan.layers[l].linears)
      linears_of[linear.bits].push_back(fmt::format("{}.{}", l, name.substr(name.rfind('.') + 1)));
  }
  std::string text = fmt::format("plan: {:.3f} code bits, {:.3f} true bits per weight of the layers\n", size.code_bits,
                                 size.true_bits);
  const int usual = std::ranges::max_element(layers_of, {}, [](const auto& one) { return one.second.size(); })->first;
  for (const auto& [bits, layers] : layers_of) {
    text += fmt::format("  {} bits: {} layers", bits, layers.size());
    text += bits == usual ? "\n" : fmt::format(" ({})\n", fmt::join(layers, ", "));
  }
  for (const auto& [bits, linears] : linears_of)
    text += fmt::format("  {} bits: of other layers {}\n", bits, fmt::join(linears, ", "));
  return text;
}

std::string estimate_text(const pipeline::Estimate& estimate) {
  return fmt::format("it takes about {}, {} of memory beside the mapped model, and {} of disk{}\n",
                     duration_text(estimate.seconds), bytes_text(estimate.memory), bytes_text(estimate.disk),
                     estimate.disk_free ? fmt::format(" ({} free)", bytes_text(*estimate.disk_free)) : "");
}

std::string record_text(const pipeline::QuantizeRecord& record) {
  std::string text = smoke_text(record.smoke);
  if (record.refined) text += refined_text(*record.refined, record.provenance.contains("from"));
  if (record.comparison) text += comparison_text(*record.comparison);
  if (record.embed) text += embed_text(*record.embed);
  const bool half = record.provenance["options"]["grid"] == "half";
  if (!record.embedding_note.empty()) text += record.embedding_note + "\n";
  text += fmt::format("saved {} ({}{})\n", record.output, record.format,
                      half ? ": half-integer zero points, which MLX holds too (lieq export --to mlx)" : "");
  for (const save::ExportRecord& one : record.exports) text += export_text(one);
  return text;
}

}  // namespace lieq::cli
