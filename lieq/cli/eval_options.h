#pragma once
/// What `lieq eval` was asked for, and what its parts share.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/cli/options.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/text_tasks.h"
#include "lieq/kernels/linear.h"

namespace lieq::cli {

struct EvalOptions {
  std::vector<std::string> models, tasks;
  std::string text, output, field = "text", compute = "fp32", protocol;
  std::string tasks_dir;
  std::size_t window = 0, stride = 0, chunks = 0, num_fewshot = 0;
  std::string batch_size = "auto";
  double limit = 0;
  bool rows = false, log_samples = false;
  model::LoadOptions load;
  std::string activations = "fp32";
};

/// Models that are evaluated together, and what tables call them.
struct EvalModels {
  std::vector<const eval::Bundle*> bundles;
  std::vector<std::string> labels;
};

[[nodiscard]] kernels::Compute compute_of(const EvalOptions& options);
/// What records call it: "fp32", "bf16" or "int8".
[[nodiscard]] std::string compute_name(const EvalOptions& options);

/// How texts are scored, but for their kind.
[[nodiscard]] Result<eval::TextOptions> text_options_of(const EvalOptions& options);
/// The same for --text by itself, found at `file`: --rows, its name or its looks decide its kind.
[[nodiscard]] Result<eval::TextOptions> own_text_options_of(const EvalOptions& options,
                                                            const std::filesystem::path& file);

/// Scores one text with all models: a record each. KL and agreement where a model shares the first one's tokens.
[[nodiscard]] Result<std::vector<EvalRecord>> evaluate_text(const EvalOptions& options, const std::string& file,
                                                            const eval::TextOptions& text_options,
                                                            const EvalModels& models, Threads& threads, Sink& sink);

/// Registers the options that say how texts are scored: --ppl, --window, --stride, --chunks, --rows and --field.
void add_text_options(OptionSet& app, EvalOptions& options);
/// Registers the options that say how tasks are run: --tasks, --tasks-dir, --limit, --num-fewshot and --batch-size.
void add_task_options(OptionSet& app, EvalOptions& options);
/// What no option alone can check. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_eval_options(const EvalOptions& options);

/// Runs --tasks: prints the tables, writes --output and the samples.
[[nodiscard]] Result<void> evaluate_tasks(const EvalOptions& options, const EvalModels& models, Threads& threads,
                                          Sink& sink);

}  // namespace lieq::cli
