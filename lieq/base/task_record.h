#pragma once
/// Results of multiple-choice and document perplexity tasks, laid out as lm-evaluation-harness writes them.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/records.h"

namespace lieq {

struct MetricValue {
  std::string name;  ///< "acc", "acc_norm", "word_perplexity", ...
  double value = 0;
  std::optional<double> std_error;  ///< absent: shown as N/A
  bool higher_is_better = true;
};

/// A task, or a group, which is a mean over tasks.
struct TaskRecord {
  std::string name, alias;
  double version = 1;
  std::string output_type = "multiple_choice";  ///< or "loglikelihood_rolling", "perplexity"
  std::optional<std::uint64_t> num_fewshot;     ///< absent for a group of groups
  std::uint64_t original = 0, effective = 0;    ///< records in the data, and those that were scored
  std::vector<MetricValue> metrics;             ///< in order of name
  std::vector<std::string> children;            ///< names of a group's members; empty for a task
  bool shows_direction = true;                  ///< the harness leaves the arrow of a group of groups blank

  [[nodiscard]] bool is_group() const { return !children.empty(); }
  [[nodiscard]] const MetricValue* metric(const std::string& metric_name) const;
};

/// The difference of a model to the reference on the same questions.
struct PairedDifference {
  double difference = 0;            ///< this model minus the reference
  std::optional<double> std_error;  ///< absent for a single question
  double p_value = 1;  ///< two-sided
};

/// All tasks of one model.
struct TaskResults {
  std::string model, path;  ///< as tables call it, as the user named it
  std::string compute;      ///< "fp32" or "bf16"
  std::string version;      ///< of this program
  double code_bits = 0, true_bits = 0;
  std::uint64_t parameters = 0, file_bytes = 0;
  std::uint64_t max_length = 0;
  std::uint64_t batch_size = 0;                         ///< 0: chosen by the program
  double limit = 0;                                     ///< 0: none
  double date = 0;                                      ///< seconds since 1970
  double seconds = 0;                                   ///< wall time of scoring
  std::vector<TaskRecord> tasks;                        ///< groups included
  std::vector<EvalRecord> perplexities;                 ///< of the texts among the tasks
  std::string reference;                                ///< empty: this is the reference, or alone
  std::map<std::string, PairedDifference> differences;  ///< accuracy by task; "mean" for the plain mean

  [[nodiscard]] const TaskRecord* find(const std::string& name) const;
  /// Tasks and groups that belong to no group, in the order they were asked for.
  [[nodiscard]] std::vector<const TaskRecord*> top_level() const;
};

/// Plain mean of the accuracies of what is top_level().
struct MeanAccuracy {
  double value = 0;
  std::optional<double> std_error;  ///< of independent tasks; absent where a task has none
  std::size_t tasks = 0;            ///< 0: nothing has an accuracy
};
[[nodiscard]] MeanAccuracy mean_accuracy(const TaskResults& results);

/// The harness's keys (results, groups, group_subtasks, configs, versions, n-shot, higher_is_better, n-samples, config,
/// date, ...); what only this program knows stands under "lieq".
[[nodiscard]] Json to_json(const TaskResults& results);
/// Reads what to_json() wrote; tasks that "lieq" does not list, in its order, follow by name.
/// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<TaskResults> task_results_from_json(const Json& json, const std::string& place);

}  // namespace lieq
