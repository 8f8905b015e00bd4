#pragma once
/// Models on tasks: what the jobs evaluate and sweep have in common.

#include <filesystem>
#include <string>
#include <vector>

#include "lieq/base/task_record.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/eval/task_results.h"
#include "lieq/eval/tasks.h"

namespace lieq::pipeline {

/// What all models are asked.
struct Questions {
  eval::TaskSelection selection;
  std::vector<eval::TaskItems> items;  ///< of each task
  std::vector<std::string> texts;      ///< perplexity tasks
};

/// Reads the data of the tasks. Errors: those of eval::select_tasks, find_task_data and eval::load_items;
/// kInvalidArgument (a text without one perplexity task to read it, unless `text_alone`).
[[nodiscard]] Result<Questions> read_questions(const EvaluateOptions& options, Sink& sink, bool text_alone = false);

/// One model on all tasks: the record, and what it answered, by task.
struct TaskRun {
  TaskResults results;
  std::vector<eval::Answers> answers;
};

/// Answers all multiple-choice tasks; writes the samples if they are asked for. label, path: of the model.
/// Errors: those of eval::score_items (kCancelled among them) and write_samples.
[[nodiscard]] Result<TaskRun> run_choice_tasks(const EvaluateOptions& options, const Questions& questions,
                                               const eval::Bundle& bundle, const std::string& label,
                                               const std::string& path, Threads& threads, Sink& sink);

/// What a perplexity task reads, and how.
struct TextTask {
  std::filesystem::path file;
  eval::TextOptions options;
};
/// The text, or the task's own. Errors: those of hub::find_text and find_task_data.
[[nodiscard]] Result<TextTask> text_task_of(const EvaluateOptions& options, const std::string& task, Sink& sink);

/// A perplexity task with all models: a record each. Errors: those of text_task_of and evaluate_text.
[[nodiscard]] Result<std::vector<EvalRecord>> run_text_task(const EvaluateOptions& options, const std::string& task,
                                                            const EvaluatedModels& models, Threads& threads,
                                                            Sink& sink);

/// A perplexity becomes one more task of a model's results.
void add_text(const std::string& task, const EvalRecord& record, TaskResults& results);

/// Fills the paired differences of `results` to a reference that was asked the same.
void compare(const Questions& questions, const std::string& reference,
             const std::vector<eval::Answers>& reference_answers, const std::vector<eval::Answers>& answers,
             TaskResults& results);

}  // namespace lieq::pipeline
