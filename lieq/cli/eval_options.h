#pragma once
/// The options that say what is evaluated and how: of eval, sweep and reproduce.

#include <string>

#include "lieq/base/result.h"
#include "lieq/cli/options.h"
#include "lieq/pipeline/evaluate.h"

namespace lieq::cli {

/// What the job's options do not hold as words.
struct EvalFlags {
  pipeline::EvaluateOptions job;
  std::string protocol, compute = "fp32", activations = "fp32", batch_size = "auto";
};

/// Registers the options that say how texts are scored: --ppl, --window, --stride, --chunks, --rows and --field.
void add_text_options(OptionSet& app, EvalFlags& flags);
/// Registers the options that say how tasks are run: --tasks, --tasks-dir, --limit, --num-fewshot and --batch-size.
void add_task_options(OptionSet& app, EvalFlags& flags);
/// Registers --compute and --activations.
void add_arithmetic_options(OptionSet& app, EvalFlags& flags);

/// The job that the flags ask for; what is answered so far is kept in the user's cache. Errors: kInvalidArgument.
[[nodiscard]] Result<pipeline::EvaluateOptions> evaluation_of(const EvalFlags& flags);

}  // namespace lieq::cli
