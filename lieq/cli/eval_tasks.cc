#include <fmt/format.h>

#include "lieq/cli/eval_options.h"
#include "lieq/cli/eval_table.h"
#include "lieq/cli/harness_table.h"
#include "lieq/cli/task_runs.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

void print(const EvalOptions& options, const std::vector<TaskResults>& results) {
  if (results.size() == 1) {
    fmt::print("lieq (pretrained={}), limit: {}, num_fewshot: {}, batch_size: {}\n{}", results.front().path,
               options.limit > 0 ? fmt::format("{}", options.limit) : "None", options.num_fewshot, options.batch_size,
               harness_tables(results.front()));
    return;
  }
  fmt::print("{}", comparison_tables(results));
  for (std::size_t text = 0; text < results.front().perplexities.size(); ++text) {
    std::vector<EvalRecord> records;
    for (const TaskResults& model : results) records.push_back(model.perplexities[text]);
    fmt::print("\n{}: {} protocol, windows of {}\n{}", records.front().text, records.front().protocol,
               records.front().window, eval_table(records));
  }
}

}  // namespace

Result<void> evaluate_tasks(const EvalOptions& options, const EvalModels& models, Threads& threads, Sink& sink) {
  if (options.log_samples && options.output.empty())
    return fail(ErrorCode::kInvalidArgument,
                "--log-samples: found no --output, expected the file beside which samples go");
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
  print(options, results);
  if (options.output.empty()) return {};
  Json json = Json::array();
  for (const TaskResults& model : results) json.push_back(to_json(model));
  if (results.size() == 1) json = Json(json.front());
  return io::write_json(options.output, json);
}

}  // namespace lieq::cli
