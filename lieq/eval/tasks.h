#pragma once
/// Zero-shot tasks: which there are, and the exact strings lm-evaluation-harness (0.4.13) forms from their records.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/eval/task_files.h"

namespace lieq::eval {

struct TaskFormat;

/// One task that is scored by itself; MMLU is 57 of them.
struct Task {
  std::string name;                    ///< e.g. "arc_easy", "mmlu_anatomy"
  std::string alias;                   ///< in tables, e.g. "anatomy"
  std::string subject;                 ///< of MMLU; empty otherwise
  const TaskFormat* format = nullptr;  ///< a row of the table in tasks.cc
};

/// A mean over tasks.
struct TaskGroup {
  std::string name, alias;            ///< "mmlu_stem", "stem"
  std::vector<std::string> children;  ///< names of tasks or groups, in the harness's order
};

struct TaskSelection {
  std::vector<Task> tasks;
  std::vector<TaskGroup> groups;
};

/// A task's version in the harness, and whether it reports acc_norm.
[[nodiscard]] double version(const Task& task);
[[nodiscard]] bool has_acc_norm(const Task& task);
/// A record with its fields in the order of the hub's columns, as the harness logs and hashes it; others follow.
[[nodiscard]] OrderedJson as_on_hub(const Task& task, const Json& doc);
/// The version of the groups.
inline constexpr double kGroupVersion = 2;

/// "piqa", "arc_easy", "arc_challenge", "boolq", "hellaswag", "winogrande", "mmlu", one of its groups ("mmlu_stem") or
/// subjects ("mmlu_anatomy"). Errors: kInvalidArgument listing the names there are.
[[nodiscard]] Result<TaskSelection> select_tasks(const std::vector<std::string>& names);

/// One question, ready to be scored.
struct Item {
  Json doc;                                ///< the record with the hub's field names
  std::size_t index = 0;                   ///< in the task's data, from 0
  std::string place;                       ///< "FILE: line 7"
  std::vector<std::string> contexts;       ///< one, or one for each choice (winogrande)
  std::vector<std::string> continuations;  ///< each with its leading blank: one for each choice, or one for all
  std::vector<std::size_t> choice_chars;   ///< characters of the choices, without the blank: acc_norm divides by them
  std::size_t gold = 0;                    ///< index of the right choice
  std::string target;                      ///< as the harness logs it

  [[nodiscard]] std::size_t num_choices() const { return choice_chars.size(); }
  [[nodiscard]] const std::string& context(std::size_t choice) const {
    return contexts[contexts.size() > 1 ? choice : 0];
  }
  [[nodiscard]] const std::string& continuation(std::size_t choice) const {
    return continuations[continuations.size() > 1 ? choice : 0];
  }
};

struct ItemOptions {
  double limit = 0;  ///< the first so many of each task; below 1: this share of them, rounded up; 0: all
  std::size_t num_fewshot =
      0;  ///< solved examples before each question of MMLU, the first of its dev split; others get none
};

struct TaskItems {
  std::vector<Item> items;
  std::size_t original = 0;  ///< records in the data, before the limit
  std::size_t num_fewshot = 0;
};

/// Items of each task, in the order of `tasks`. `find` is asked once for each name. Errors: its own;
/// kNotFound, kIo; kInvalidFormat naming file, line and field; kInvalidArgument (few-shot where there is no dev split,
/// or more than it holds).
[[nodiscard]] Result<std::vector<TaskItems>> load_items(const std::vector<Task>& tasks, const FindData& find,
                                                        const ItemOptions& options);

}  // namespace lieq::eval
