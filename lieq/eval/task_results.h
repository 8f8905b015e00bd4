#pragma once
/// From scores of choices to accuracies, means over groups, and paired comparisons of models.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/task_record.h"
#include "lieq/eval/choices.h"
#include "lieq/eval/tasks.h"

namespace lieq::eval {

/// The choices with the highest log-likelihood: in sum, and per character. The first of equals.
struct Prediction {
  std::size_t choice = 0, choice_norm = 0;
};
[[nodiscard]] Prediction predict(const Item& item, const ItemScores& scores);

/// Whether each item was answered right.
struct Answers {
  std::vector<char> acc, acc_norm;
};
[[nodiscard]] Answers grade(std::span<const Item> items, std::span<const ItemScores> scores);

/// acc, and acc_norm where the task has it: means with standard errors, the sample deviation over √n; absent for n = 1.
[[nodiscard]] TaskRecord task_record(const Task& task, const TaskItems& items, const Answers& answers);

/// The mean accuracy of a group's tasks by number of items, with the pooled standard error
/// √(Σ n(n-1) se² / (Σ n - k) / Σ n). `tasks`: the records of all tasks; `groups`: all groups, to find their members.
[[nodiscard]] TaskRecord group_record(const TaskGroup& group, std::span<const TaskGroup> groups,
                                      std::span<const TaskRecord> tasks);

/// The same questions answered by two models. The standard error is that of the mean of the per-item differences, p
/// that of McNemar's exact test. Sizes are equal and not 0.
[[nodiscard]] PairedDifference paired_difference(std::span<const char> reference, std::span<const char> model);

/// The difference of plain means over tasks, whose items are independent: p from the normal distribution.
/// Without an error of each task there is none of the mean, and p stays 1.
[[nodiscard]] PairedDifference mean_difference(std::span<const PairedDifference> tasks);

}  // namespace lieq::eval
