#include "lieq/base/sweep_record.h"

#include "lieq/base/record_fields.h"
#include "lieq/base/records.h"
#include "lieq/base/task_record.h"

namespace lieq {
namespace {

Result<void> read_text(const Json& json, const std::string& place, EvalSummary& summary) {
  LIEQ_ASSIGN(const EvalRecord record, eval_record_from_json(json, place));
  summary.perplexity[record.text] = record.perplexity;
  summary.kl = record.kl;
  summary.top1 = record.top1;
  return {};
}

}  // namespace

Result<EvalSummary> summary_of(const Json& eval, const std::string& place) {
  EvalSummary summary;
  if (!Fields(eval, place).find("results")) {
    LIEQ_TRY(read_text(eval, place, summary));
    return summary;
  }
  LIEQ_ASSIGN(const TaskResults results, task_results_from_json(eval, place));
  for (const TaskRecord* task : results.top_level()) {
    if (const MetricValue* accuracy = task->metric("acc")) summary.accuracy[task->name] = accuracy->value;
    for (const char* name : {"word_perplexity", "perplexity"})
      if (const MetricValue* perplexity = task->metric(name)) summary.perplexity[task->name] = perplexity->value;
  }
  if (const MeanAccuracy mean = mean_accuracy(results); mean.tasks > 0) {
    summary.mean_accuracy = mean.value;
    summary.mean_stderr = mean.std_error;
  }
  if (!results.perplexities.empty()) {
    summary.kl = results.perplexities.front().kl;
    summary.top1 = results.perplexities.front().top1;
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
