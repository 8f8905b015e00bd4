#include "lieq/pipeline/evaluate.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/sources.h"
#include "lieq/pipeline/task_runs.h"

namespace lieq::pipeline {
namespace {

/// Labels are short names as long as they tell the models apart, with a mark on those that were refined.
std::vector<std::string> labels_of(const std::vector<std::string>& paths) {
  std::vector<std::string> labels;
  for (const std::string& path : paths) labels.push_back(model_label(path));
  std::vector<std::string> sorted = labels;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) labels = paths;
  for (std::size_t m = 0; m < paths.size(); ++m) {
    const auto provenance = read_json(std::filesystem::path(paths[m]) / "lieq.json");  // most models have none
    if (provenance && provenance->contains("refine")) labels[m] = refined_label(labels[m]);
  }
  return labels;
}

Result<std::vector<eval::Bundle>> load_models(const EvaluateOptions& options, Threads& threads, Sink& sink) {
  std::vector<eval::Bundle> bundles;
  for (const std::string& path : options.models) {
    LIEQ_ASSIGN(eval::Bundle bundle, load_bundle(path, threads, sink, options.load));
    bundles.push_back(std::move(bundle));
  }
  return bundles;
}

void warn_of_unpacked(const EvaluateOptions& options, const std::vector<const eval::Bundle*>& bundles, Sink& sink) {
  if (options.compute != kernels::Compute::kInt8) return;
  for (std::size_t m = 0; m < bundles.size(); ++m)
    if (const std::size_t unpacked = count_unpacked_linears(bundles[m]->model); unpacked > 0)
      sink.warn(fmt::format("{}: {} of its linears are not packed: --activations int8 leaves them as they are",
                            options.models[m], unpacked));
}

/// Numbers of a model that changed under way are of no model.
Result<void> unchanged(const std::vector<const eval::Bundle*>& bundles) {
  for (const eval::Bundle* bundle : bundles) LIEQ_TRY(bundle->model.files.unchanged());
  return {};
}

Result<std::vector<TaskResults>> evaluate_tasks(const EvaluateOptions& options, const EvaluatedModels& models,
                                                Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const Questions questions, read_questions(options, sink));
  std::vector<TaskResults> results;
  std::vector<eval::Answers> reference;
  for (std::size_t m = 0; m < models.bundles.size(); ++m) {
    LIEQ_ASSIGN(TaskRun run, run_choice_tasks(options, questions, *models.bundles[m], models.labels[m],
                                              options.models[m], threads, sink));
    if (m > 0) compare(questions, models.labels[0], reference, run.answers, run.results);
    if (m == 0) reference = std::move(run.answers);
    results.push_back(std::move(run.results));
  }
  for (const std::string& task : questions.texts) {
    LIEQ_ASSIGN(const auto records, run_text_task(options, task, models, threads, sink));
    for (std::size_t m = 0; m < records.size(); ++m) add_text(task, records[m], results[m]);
  }
  return results;
}

}  // namespace

Result<void> check(const EvaluateOptions& options) {
  const eval::Protocol protocol = options.protocol.value_or(eval::Protocol::kGptq);
  if (options.tasks.empty() && options.text.empty())
    return fail(ErrorCode::kInvalidArgument, "found nothing to evaluate on, expected --text or --tasks");
  if (options.stride > 0 && protocol != eval::Protocol::kGptq)
    return fail(ErrorCode::kInvalidArgument, "--stride: only for --ppl gptq");
  if (options.chunks > 0 && protocol == eval::Protocol::kLmEval)
    return fail(ErrorCode::kInvalidArgument, "--chunks: not for --ppl lm-eval, which scores documents (--limit)");
  return {};
}

Result<EvaluateRecord> evaluate(const EvaluateOptions& options, Threads& threads, Sink& sink) {
  LIEQ_TRY(check(options));
  LIEQ_TRY(hub::find_text(options.text, sink));  // refused before models load
  LIEQ_ASSIGN(const auto bundles, load_models(options, threads, sink));
  std::vector<const eval::Bundle*> loaded;
  for (const eval::Bundle& bundle : bundles) loaded.push_back(&bundle);
  return evaluate(options, std::move(loaded), threads, sink);
}

Result<EvaluateRecord> evaluate(const EvaluateOptions& options, std::vector<const eval::Bundle*> bundles,
                                Threads& threads, Sink& sink) {
  LIEQ_TRY(check(options));
  if (options.samples) LIEQ_TRY(io::prepare_output(*options.samples / "samples.jsonl"));
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options.text, sink));
  warn_of_unpacked(options, bundles, sink);
  const EvaluatedModels models{std::move(bundles), labels_of(options.models)};
  EvaluateRecord record;
  if (!options.tasks.empty()) {
    LIEQ_ASSIGN(record.tasks, evaluate_tasks(options, models, threads, sink));
    LIEQ_TRY(unchanged(models.bundles));
    return record;
  }
  LIEQ_ASSIGN(record.texts,
              evaluate_text(options, file.string(), own_text_options_of(options, file), models, threads, sink));
  LIEQ_TRY(unchanged(models.bundles));
  return record;
}

Json to_json(const EvaluateRecord& record) {
  Json json = Json::array();
  for (const EvalRecord& one : record.texts) json.push_back(to_json(one));
  for (const TaskResults& one : record.tasks) json.push_back(to_json(one));
  if (record.tasks.size() == 1) return Json(json.front());
  return json;
}

}  // namespace lieq::pipeline
