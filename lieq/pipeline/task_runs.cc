#include "lieq/pipeline/task_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <span>

#include "lieq/base/version.h"
#include "lieq/hub/data_sets.h"
#include "lieq/pipeline/samples.h"
#include "lieq/pipeline/sources.h"

namespace lieq::pipeline {
namespace {

std::string samples_name(const EvaluateOptions& options, const std::string& label, const std::string& task) {
  if (options.models.size() == 1) return fmt::format("samples_{}.jsonl", task);
  std::string clean = label;
  std::ranges::replace(clean, '/', '_');
  return fmt::format("samples_{}_{}.jsonl", clean, task);
}

/// Whether each question of a task, or of all tasks below a group, was answered right.
std::vector<char> answers_of(const Questions& questions, const std::vector<eval::Answers>& model,
                             const std::string& name) {
  std::vector<char> all;
  for (std::size_t t = 0; t < questions.selection.tasks.size(); ++t)
    if (questions.selection.tasks[t].name == name) return model[t].acc;
  for (const eval::TaskGroup& group : questions.selection.groups) {
    if (group.name != name) continue;
    for (const std::string& child : group.children) {
      const std::vector<char> part = answers_of(questions, model, child);
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  return all;
}

/// A perplexity as a task: its metrics in order of name.
TaskRecord text_record(const std::string& task, const EvalRecord& record) {
  TaskRecord result;
  result.name = result.alias = task;
  result.num_fewshot = 0;
  result.original = result.effective = record.num_tokens;
  if (record.word_perplexity) {
    result.version = 2;  // of the harness's wikitext
    result.output_type = "loglikelihood_rolling";
    result.metrics = {{"bits_per_byte", *record.bits_per_byte, record.bits_per_byte_stderr, false},
                      {"byte_perplexity", *record.byte_perplexity, record.byte_perplexity_stderr, false},
                      {"word_perplexity", *record.word_perplexity, record.word_perplexity_stderr, false}};
  } else {
    result.output_type = "perplexity";
    result.metrics = {{"perplexity", record.perplexity, record.perplexity_stderr, false}};
  }
  return result;
}

TaskResults describe(const EvaluateOptions& options, const eval::Bundle& bundle, const std::string& label,
                     const std::string& path) {
  EvalRecord record;
  describe_model(bundle.model, record);
  TaskResults results;
  results.model = label;
  results.path = path;
  results.compute = compute_name(options.compute);
  results.version = kVersion;
  results.code_bits = record.code_bits;
  results.true_bits = record.true_bits;
  results.file_bytes = record.file_bytes;
  results.parameters = model::parameter_count(bundle.model);
  results.max_length = bundle.model.config.max_position_embeddings;
  results.limit = options.limit;
  results.date = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return results;
}

}  // namespace

Result<Questions> read_questions(const EvaluateOptions& options, Sink& sink, bool text_alone) {
  Questions questions;
  std::vector<std::string> choice_tasks;
  for (const std::string& name : options.tasks)
    (eval::text_kind(name) ? questions.texts : choice_tasks).push_back(name);
  if (!text_alone && !options.text.empty() && questions.texts.size() != 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--text: found {} perplexity tasks to read it, expected one", questions.texts.size()));
  LIEQ_ASSIGN(questions.selection, eval::select_tasks(choice_tasks));
  const auto find = [&](const std::string& name) { return find_task_data(name, options.tasks_dir, sink); };
  LIEQ_ASSIGN(questions.items, eval::load_items(questions.selection.tasks, find, {options.limit, options.num_fewshot}));
  return questions;
}

Result<TaskRun> run_choice_tasks(const EvaluateOptions& options, const Questions& questions, const eval::Bundle& bundle,
                                 const std::string& label, const std::string& path, Threads& threads, Sink& sink) {
  TaskRun run{describe(options, bundle, label, path), {}};
  TaskResults& results = run.results;
  results.batch_size = options.batch_size;
  const auto start = std::chrono::steady_clock::now();
  eval::ChoiceOptions choice_options;
  choice_options.compute = options.compute;
  choice_options.batch_size = results.batch_size;
  choice_options.journals = options.journals;
  std::vector<const eval::Item*> items;
  for (const eval::TaskItems& task : questions.items)
    for (const eval::Item& item : task.items) items.push_back(&item);
  LIEQ_ASSIGN(const auto scores, eval::score_items(bundle, items, choice_options, threads, sink));

  std::span<const eval::ItemScores> rest = scores;
  for (std::size_t t = 0; t < questions.items.size(); ++t) {
    const eval::TaskItems& task = questions.items[t];
    const auto own = rest.first(task.items.size());
    rest = rest.subspan(task.items.size());
    run.answers.push_back(eval::grade(task.items, own));
    results.tasks.push_back(eval::task_record(questions.selection.tasks[t], task, run.answers.back()));
    if (!options.samples) continue;
    const std::string name = samples_name(options, label, questions.selection.tasks[t].name);
    LIEQ_TRY(write_samples(*options.samples / name, questions.selection.tasks[t], task.items, own));
  }
  const std::vector<TaskRecord> leaves = results.tasks;
  for (const eval::TaskGroup& group : questions.selection.groups)
    results.tasks.push_back(eval::group_record(group, questions.selection.groups, leaves));
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

Result<TextTask> text_task_of(const EvaluateOptions& options, const std::string& task, Sink& sink) {
  TextTask text;
  text.options = text_options_of(options);
  text.options.kind = *eval::text_kind(task);
  if (task == "wikitext") text.options.protocol = eval::Protocol::kLmEval;
  if (text.options.protocol == eval::Protocol::kLmEval) text.options.chunks = 0;
  if (!options.text.empty()) {
    LIEQ_ASSIGN(text.file, hub::find_text(options.text, sink));
  } else {
    LIEQ_ASSIGN(text.file, find_task_data(task == "wikitext" ? "wikitext2" : task, options.tasks_dir, sink));
  }
  return text;
}

Result<std::vector<EvalRecord>> run_text_task(const EvaluateOptions& options, const std::string& task,
                                              const EvaluatedModels& models, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const TextTask text, text_task_of(options, task, sink));
  return evaluate_text(options, text.file.string(), text.options, models, threads, sink);
}

void add_text(const std::string& task, const EvalRecord& record, TaskResults& results) {
  results.tasks.push_back(text_record(task, record));
  results.perplexities.push_back(record);
}

void compare(const Questions& questions, const std::string& reference,
             const std::vector<eval::Answers>& reference_answers, const std::vector<eval::Answers>& answers,
             TaskResults& results) {
  results.reference = reference;
  std::set<std::string> children;
  for (const TaskRecord& record : results.tasks) children.insert(record.children.begin(), record.children.end());
  std::vector<PairedDifference> top;
  for (const TaskRecord& record : results.tasks) {
    if (!record.metric("acc")) continue;
    const auto difference = eval::paired_difference(answers_of(questions, reference_answers, record.name),
                                                    answers_of(questions, answers, record.name));
    results.differences[record.name] = difference;
    if (!children.contains(record.name)) top.push_back(difference);
  }
  if (!top.empty()) results.differences["mean"] = eval::mean_difference(top);
}

}  // namespace lieq::pipeline
