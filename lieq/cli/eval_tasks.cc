#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include "lieq/base/task_record.h"
#include "lieq/cli/arguments.h"
#include "lieq/cli/eval_options.h"
#include "lieq/cli/eval_samples.h"
#include "lieq/cli/eval_table.h"
#include "lieq/cli/harness_table.h"
#include "lieq/eval/task_results.h"
#include "lieq/hub/data_sets.h"
#include "lieq/hub/environment.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

/// What all models are asked.
struct Questions {
  eval::TaskSelection selection;
  std::vector<eval::TaskItems> items;  ///< of each task
  std::vector<std::string> texts;      ///< perplexity tasks
};

/// What one model answered, by task.
struct ModelAnswers {
  std::vector<eval::Answers> answers;
};

Result<std::size_t> batch_size_of(const std::string& text) {
  if (text == "auto") return std::size_t{0};
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0)
    return fail(ErrorCode::kInvalidArgument, fmt::format("--batch-size: found '{}', expected a number or auto", text));
  return value;
}

Result<Questions> read_questions(const EvalOptions& options, Sink& sink) {
  Questions questions;
  std::vector<std::string> choice_tasks;
  for (const std::string& name : options.tasks)
    (eval::text_kind(name) ? questions.texts : choice_tasks).push_back(name);
  if (!options.text.empty() && questions.texts.size() != 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--text: found {} perplexity tasks to read it, expected one", questions.texts.size()));
  LIEQ_ASSIGN(questions.selection, eval::select_tasks(choice_tasks));
  const auto find = [&](const std::string& name) { return find_task_data(name, options.tasks_dir, sink); };
  LIEQ_ASSIGN(questions.items,
              eval::load_items(questions.selection.tasks, find, {options.limit, options.num_fewshot}));
  return questions;
}

std::string samples_name(const EvalOptions& options, const std::string& label, const std::string& task) {
  if (options.models.size() == 1) return fmt::format("samples_{}.jsonl", task);
  std::string clean = label;
  std::ranges::replace(clean, '/', '_');
  return fmt::format("samples_{}_{}.jsonl", clean, task);
}

/// Answers of one model to all questions; adds a record for each task and group to `results`.
Result<ModelAnswers> answer(const EvalOptions& options, const Questions& questions, const eval::Bundle& bundle,
                            Threads& threads, Sink& sink, TaskResults& results) {
  eval::ChoiceOptions choice_options;
  choice_options.compute = compute_of(options);
  choice_options.batch_size = results.batch_size;
  if (const auto cache = hub::cache_folder()) choice_options.journals = *cache / "eval";
  std::vector<const eval::Item*> items;
  for (const eval::TaskItems& task : questions.items)
    for (const eval::Item& item : task.items) items.push_back(&item);
  LIEQ_ASSIGN(const auto scores, eval::score_items(bundle, items, choice_options, threads, sink));

  ModelAnswers model;
  std::span<const eval::ItemScores> rest = scores;
  for (std::size_t t = 0; t < questions.items.size(); ++t) {
    const eval::TaskItems& task = questions.items[t];
    const auto own = rest.first(task.items.size());
    rest = rest.subspan(task.items.size());
    model.answers.push_back(eval::grade(task.items, own));
    results.tasks.push_back(eval::task_record(questions.selection.tasks[t], task, model.answers.back()));
    if (!options.log_samples) continue;
    const std::string name = samples_name(options, results.model, questions.selection.tasks[t].name);
    LIEQ_TRY(write_samples(std::filesystem::path(options.output).parent_path() / name, questions.selection.tasks[t],
                           task.items, own));
  }
  const std::vector<TaskRecord> leaves = results.tasks;
  for (const eval::TaskGroup& group : questions.selection.groups)
    results.tasks.push_back(eval::group_record(group, questions.selection.groups, leaves));
  return model;
}

/// Whether each question of a task, or of all tasks below a group, was answered right.
std::vector<char> answers_of(const Questions& questions, const ModelAnswers& model, const std::string& name) {
  std::vector<char> all;
  for (std::size_t t = 0; t < questions.selection.tasks.size(); ++t)
    if (questions.selection.tasks[t].name == name) return model.answers[t].acc;
  for (const eval::TaskGroup& group : questions.selection.groups) {
    if (group.name != name) continue;
    for (const std::string& child : group.children) {
      const std::vector<char> part = answers_of(questions, model, child);
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  return all;
}

void compare(const Questions& questions, const TaskResults& reference, const ModelAnswers& reference_answers,
             const ModelAnswers& answers, TaskResults& results) {
  results.reference = reference.model;
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

Result<void> run_text(const EvalOptions& options, const std::string& task, const EvalModels& models, Threads& threads,
                      Sink& sink, std::vector<TaskResults>& results) {
  LIEQ_ASSIGN(eval::TextOptions text, text_options_of(options));
  text.kind = *eval::text_kind(task);
  if (task == "wikitext") text.protocol = eval::Protocol::kLmEval;
  if (text.protocol == eval::Protocol::kLmEval) text.chunks = 0;
  std::filesystem::path file;
  if (!options.text.empty()) {
    LIEQ_ASSIGN(file, hub::find_text(options.text, sink));
  } else {
    LIEQ_ASSIGN(file, find_task_data(task == "wikitext" ? "wikitext2" : task, options.tasks_dir, sink));
  }
  LIEQ_ASSIGN(const auto records, evaluate_text(options, file.string(), text, models, threads, sink));
  for (std::size_t m = 0; m < records.size(); ++m) {
    results[m].tasks.push_back(text_record(task, records[m]));
    results[m].perplexities.push_back(records[m]);
  }
  return {};
}

TaskResults describe(const EvalOptions& options, const EvalModels& models, std::size_t m) {
  const eval::Bundle& bundle = models.bundles[m];
  EvalRecord record;
  describe_model(bundle.model, record);
  TaskResults results;
  results.model = models.labels[m];
  results.path = options.models[m];
  results.compute = compute_name(options);
  results.version = LIEQ_VERSION;
  results.code_bits = record.code_bits;
  results.true_bits = record.true_bits;
  results.file_bytes = record.file_bytes;
  results.parameters = model::parameter_count(bundle.model);
  results.max_length = bundle.model.config.max_position_embeddings;
  results.limit = options.limit;
  results.date = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return results;
}

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
  ModelAnswers reference;
  for (std::size_t m = 0; m < models.bundles.size(); ++m) {
    results.push_back(describe(options, models, m));
    LIEQ_ASSIGN(results[m].batch_size, batch_size_of(options.batch_size));
    const auto start = std::chrono::steady_clock::now();
    LIEQ_ASSIGN(ModelAnswers answers, answer(options, questions, models.bundles[m], threads, sink, results[m]));
    results[m].seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (m > 0) compare(questions, results[0], reference, answers, results[m]);
    if (m == 0) reference = std::move(answers);
  }
  for (const std::string& task : questions.texts) LIEQ_TRY(run_text(options, task, models, threads, sink, results));
  print(options, results);
  if (options.output.empty()) return {};
  Json json = Json::array();
  for (const TaskResults& model : results) json.push_back(to_json(model));
  if (results.size() == 1) json = Json(json.front());
  return io::write_json(options.output, json);
}

}  // namespace lieq::cli
