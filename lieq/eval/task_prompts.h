#pragma once
/// From records to prompts, one function for each format (internal to eval/).

#include "lieq/base/result.h"
#include "lieq/eval/task_files.h"
#include "lieq/eval/tasks.h"

namespace lieq::eval {

/// Each fills everything but `index`. Records may have the hub's fields or those of the authors' release.
/// Errors: kInvalidFormat naming place and field.
[[nodiscard]] Result<Item> piqa_item(TaskLine line);
[[nodiscard]] Result<Item> arc_item(TaskLine line);
[[nodiscard]] Result<Item> boolq_item(TaskLine line);
[[nodiscard]] Result<Item> hellaswag_item(TaskLine line);
[[nodiscard]] Result<Item> winogrande_item(TaskLine line);
/// Without description and examples.
[[nodiscard]] Result<Item> mmlu_item(TaskLine line);

/// Before the question: "The following are ... about SUBJECT.\n\n" and the examples with their answers.
[[nodiscard]] std::string mmlu_preamble(std::string_view subject, std::span<const Item> examples);

}  // namespace lieq::eval
