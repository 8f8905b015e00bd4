#pragma once
/// Job: perplexity and zero-shot tasks of one or more models, the first being the reference.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/task_record.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/text_tasks.h"
#include "lieq/kernels/linear.h"

namespace lieq::pipeline {

struct EvaluateOptions {
  std::vector<std::string> models;  ///< as load_bundle takes them
  std::vector<std::string> tasks;   ///< piqa, mmlu, wikitext2, ... (eval::select_tasks, eval::text_kind)
  /// A text (hub::find_text): by itself, or read by the one perplexity task among `tasks`.
  std::string text;
  std::optional<eval::Protocol> protocol;          ///< absent: GPTQ's windows
  std::size_t window = 0, stride = 0, chunks = 0;  ///< as eval::TextOptions
  std::string field = "text";                      ///< of a .jsonl record, that holds the text
  bool rows = false;                               ///< join the lines of `text` as those of WikiText
  std::string tasks_dir;                           ///< folder to look in first for the data of the tasks
  double limit = 0;                                ///< questions of each task, or below 1 a share of them; 0: all
  std::size_t num_fewshot = 0;                     ///< solved examples before each question of mmlu
  std::size_t batch_size = 0;  ///< questions that run together; 0: as many as make about 2048 tokens
  kernels::Compute compute = kernels::Compute::kF32;
  model::LoadOptions load;
  std::optional<std::filesystem::path> samples;  ///< folder for a log of every question
  std::filesystem::path journals;  ///< folder for what is answered so far; empty: an interrupted run starts again
};

/// One record a model. With tasks: their results, perplexities among them. With a text alone: `texts`.
struct EvaluateRecord {
  std::vector<EvalRecord> texts;
  std::vector<TaskResults> tasks;
};

/// Loads the models and evaluates them. KL and agreement are measured where a model shares the first one's tokens.
/// Cost: a forward pass over every token for each model. What resumes: questions, from `journals`.
/// Errors: kInvalidArgument (nothing to evaluate on, options that exclude each other), kNumerical, kIo, kCancelled;
/// those of load_bundle, find_task_data and the readers.
[[nodiscard]] Result<EvaluateRecord> evaluate(const EvaluateOptions& options, Threads& threads, Sink& sink);

/// The results file of lieq eval: a list of records, or one object for one model on tasks.
[[nodiscard]] Json to_json(const EvaluateRecord& record);

/// What no option alone can check. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check(const EvaluateOptions& options);

/// What records call it: "fp32", "bf16" or "int8".
[[nodiscard]] std::string compute_name(kernels::Compute compute);

/// Fills what a record says of the model itself: its bits and bytes.
void describe_model(const model::Model& model, EvalRecord& record);

/// Models that are evaluated together, and what records call them.
struct EvaluatedModels {
  std::vector<const eval::Bundle*> bundles;
  std::vector<std::string> labels;
};

/// How texts are scored, but for their kind.
[[nodiscard]] eval::TextOptions text_options_of(const EvaluateOptions& options);
/// The same for `text` by itself, found at `file`: `rows`, its name or its looks decide its kind.
[[nodiscard]] eval::TextOptions own_text_options_of(const EvaluateOptions& options, const std::filesystem::path& file);

/// evaluate() of models that are loaded: options.models holds the name of each, options.load means nothing.
[[nodiscard]] Result<EvaluateRecord> evaluate(const EvaluateOptions& options, std::vector<const eval::Bundle*> bundles,
                                              Threads& threads, Sink& sink);

/// Scores one text with all models: a record each. Errors: those of eval::plan_text and eval::score_plan.
[[nodiscard]] Result<std::vector<EvalRecord>> evaluate_text(const EvaluateOptions& options, const std::string& file,
                                                            const eval::TextOptions& text_options,
                                                            const EvaluatedModels& models, Threads& threads,
                                                            Sink& sink);

}  // namespace lieq::pipeline
