#include "lieq/base/sweep_record.h"

#include <cmath>
#include <set>

#include "lieq/base/record_fields.h"
#include "lieq/base/records.h"

namespace lieq {
namespace {

Result<void> read_text(const Json& json, const std::string& place, EvalSummary& summary) {
  LIEQ_ASSIGN(const EvalRecord record, eval_record_from_json(json, place));
  summary.perplexity[record.text] = record.perplexity;
  summary.kl = record.kl;
  summary.top1 = record.top1;
  return {};
}

Result<std::set<std::string>> members_of_groups(const Fields& fields) {
  std::set<std::string> members;
  LIEQ_ASSIGN(const Json* groups, required_object(fields, "group_subtasks"));
  for (const auto& [group, list] : groups->items())
    for (const Json& member : list) {
      if (!member.is_string())
        return wrong_field(fields.place(), "group_subtasks." + group, member, "a name of a task");
      members.insert(member.get<std::string>());
    }
  return members;
}

Result<void> read_task(const std::string& task, const Json& json, const std::string& place, EvalSummary& summary,
                       double& squares) {
  const Fields fields(json, place + ".results." + task);
  LIEQ_ASSIGN(const auto accuracy, fields.number("acc,none"));
  if (accuracy) {
    summary.accuracy[task] = *accuracy;
    const Json* error = fields.find("acc_stderr,none");
    if (error && error->is_number()) squares += std::pow(error->get<double>(), 2);  // else "N/A"
  }
  for (const char* key : {"word_perplexity,none", "perplexity,none"}) {
    LIEQ_ASSIGN(const auto perplexity, fields.number(key));
    if (perplexity) summary.perplexity[task] = *perplexity;
  }
  return {};
}

}  // namespace

Result<EvalSummary> summary_of(const Json& eval, const std::string& place) {
  const Fields fields(eval, place);
  EvalSummary summary;
  if (!fields.find("results")) {
    LIEQ_TRY(read_text(eval, place, summary));
    return summary;
  }
  LIEQ_ASSIGN(const auto members, members_of_groups(fields));
  LIEQ_ASSIGN(const Json* results, required_object(fields, "results"));
  double squares = 0;
  for (const auto& [task, record] : results->items())
    if (!members.contains(task)) LIEQ_TRY(read_task(task, record, place, summary, squares));
  if (!summary.accuracy.empty()) {
    const auto count = static_cast<double>(summary.accuracy.size());
    double sum = 0;
    for (const auto& [task, accuracy] : summary.accuracy) sum += accuracy;
    summary.mean_accuracy = sum / count;
    summary.mean_stderr = std::sqrt(squares) / count;
  }
  LIEQ_ASSIGN(const Json* own, required_object(fields, "lieq"));
  if (const auto texts = own->find("perplexity"); texts != own->end() && texts->is_array() && !texts->empty()) {
    const Fields first(texts->front(), place + ".lieq.perplexity[0]");
    LIEQ_ASSIGN(summary.kl, first.number("kl"));
    LIEQ_ASSIGN(summary.top1, first.number("top1"));
  }
  return summary;
}

Json to_json(const SweepCell& cell) {
  return {{"top", cell.top},
          {"method", cell.method},
          {"scores", cell.scores},
          {"layers", cell.layers},
          {"code_bits", cell.code_bits},
          {"true_bits", cell.true_bits},
          {"bytes", cell.bytes},
          {"eval", cell.eval}};
}

Result<SweepCell> sweep_cell_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  SweepCell cell;
  LIEQ_ASSIGN(cell.top, fields.required_count("top"));
  LIEQ_ASSIGN(cell.method, required_string(fields, "method"));
  LIEQ_ASSIGN(cell.scores, required_string(fields, "scores"));
  LIEQ_TRY(required_list(fields, "layers"));
  LIEQ_ASSIGN(cell.layers, fields.counts("layers"));
  LIEQ_ASSIGN(cell.code_bits, required_number(fields, "code_bits"));
  LIEQ_ASSIGN(cell.true_bits, required_number(fields, "true_bits"));
  LIEQ_ASSIGN(cell.bytes, fields.required_count("bytes"));
  LIEQ_ASSIGN(const Json* eval, required_object(fields, "eval"));
  cell.eval = *eval;
  LIEQ_TRY(summary_of(cell.eval, place + ": eval"));
  return cell;
}

Json to_json(const SweepResults& results) {
  Json cells = Json::array();
  for (const SweepCell& cell : results.cells) cells.push_back(to_json(cell));
  return {{"kind", "lieq-sweep"},
          {"lieq", {{"version", results.version}}},
          {"model", {{"label", results.model}, {"hash", results.model_hash}}},
          {"machine", {{"cpu", results.machine.cpu}, {"cores", results.machine.cores}}},
          {"date", results.date},
          {"command", results.command},
          {"options", results.options},
          {"planned", results.planned},
          {"baseline", results.baseline},
          {"cells", std::move(cells)}};
}

Result<SweepResults> sweep_results_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  LIEQ_ASSIGN(const std::string kind, required_string(fields, "kind"));
  if (kind != "lieq-sweep") return wrong_field(place, "kind", kind, "\"lieq-sweep\"");
  SweepResults results;
  LIEQ_ASSIGN(const Json* program, required_object(fields, "lieq"));
  LIEQ_ASSIGN(results.version, required_string(Fields(*program, place + ": lieq"), "version"));
  LIEQ_ASSIGN(const Json* model, required_object(fields, "model"));
  const Fields model_fields(*model, place + ": model");
  LIEQ_ASSIGN(results.model, required_string(model_fields, "label"));
  LIEQ_ASSIGN(results.model_hash, required_string(model_fields, "hash"));
  LIEQ_ASSIGN(const Json* machine, required_object(fields, "machine"));
  const Fields machine_fields(*machine, place + ": machine");
  LIEQ_ASSIGN(results.machine.cpu, required_string(machine_fields, "cpu"));
  LIEQ_ASSIGN(results.machine.cores, machine_fields.required_count("cores"));
  LIEQ_ASSIGN(results.date, required_string(fields, "date"));
  LIEQ_ASSIGN(results.command, required_string(fields, "command"));
  LIEQ_ASSIGN(const Json* options, required_object(fields, "options"));
  results.options = *options;
  LIEQ_ASSIGN(results.planned, fields.required_count("planned"));
  LIEQ_ASSIGN(const Json* baseline, required_object(fields, "baseline"));
  results.baseline = *baseline;
  LIEQ_TRY(summary_of(results.baseline, place + ": baseline"));
  LIEQ_ASSIGN(const Json* cells, required_list(fields, "cells"));
  for (std::size_t i = 0; i < cells->size(); ++i) {
    LIEQ_ASSIGN(SweepCell cell, sweep_cell_from_json((*cells)[i], place + ": cells[" + std::to_string(i) + "]"));
    results.cells.push_back(std::move(cell));
  }
  return results;
}

}  // namespace lieq
