#include "lieq/cli/eval_options.h"

#include <charconv>

#include <fmt/format.h>

#include "lieq/cli/run_options.h"
#include "lieq/hub/environment.h"

namespace lieq::cli {
namespace {

Result<std::size_t> batch_size_of(const std::string& text) {
  if (text == "auto") return std::size_t{0};
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0)
    return fail(ErrorCode::kInvalidArgument, fmt::format("--batch-size: found '{}', expected a number or auto", text));
  return value;
}

}  // namespace

void add_text_options(OptionSet& app, EvalFlags& flags) {
  app.add("--ppl", flags.protocol,
          "How perplexity is measured: gptq (the default and the paper's: windows of 2048; rows of WikiText are "
          "joined by two newlines, PTB's and C4's by a blank, other texts are taken as they are), llamacpp "
          "(llama-perplexity's: windows of 512, second halves) or lm-eval (documents: per word, per byte)")
      .one_of({"gptq", "llamacpp", "lm-eval"});
  app.add("--window,-c", flags.job.window, "Tokens in a window (default: 2048, or the model's limit if that is less)")
      .range(2, 1 << 24);
  app.add("--stride", flags.job.stride,
          "Tokens from one window to the next (default: the window); only new ones are scored")
      .range(1, 1 << 24);
  app.add("--chunks", flags.job.chunks, "Score this many windows only (default: all)").range(1, 1 << 30);
  app.flag("--rows", flags.job.rows,
           "Join the lines with two newlines, as those of WikiText are, in a text that does not look like it");
  app.add("--field", flags.job.field, "The field of a .jsonl record that holds the text").show_default();
}

void add_task_options(OptionSet& app, EvalFlags& flags) {
  app.add("--tasks", flags.job.tasks,
          "Zero-shot tasks, scored as lm-evaluation-harness does: piqa, arc_easy, arc_challenge, boolq, "
          "hellaswag, winogrande, "
          "mmlu (or mmlu_stem, mmlu_SUBJECT, ...); perplexity: wikitext2, ptb, c4, wikitext")
      .comma_separated();
  app.add("--tasks-dir", flags.job.tasks_dir,
          "Folder to look in first for the data of the tasks, which otherwise are those of lieq pull --data, "
          "fetched when they are needed");
  app.add("--limit,-L", flags.job.limit, "The first so many questions of each task, or, below 1, this share of them")
      .positive();
  app.add("--num-fewshot,-f", flags.job.num_fewshot, "Solved examples before each question of mmlu").range(0, 5);
  app.add("--batch-size,-b", flags.batch_size, "Questions that run together (default: auto)");
}

void add_arithmetic_options(OptionSet& app, EvalFlags& flags) {
  app.add("--compute", flags.compute, "Arithmetic: fp32, or bf16 with float32 sums")
      .one_of({"fp32", "bf16"})
      .show_default();
  add_activations(app, flags.activations);
}

Result<pipeline::EvaluateOptions> evaluation_of(const EvalFlags& flags) {
  if (flags.compute == "bf16" && flags.activations == "int8")
    return fail(ErrorCode::kInvalidArgument, "--activations int8: found with --compute bf16, expected one of them");
  pipeline::EvaluateOptions job = flags.job;
  if (!flags.protocol.empty()) {
    LIEQ_ASSIGN(job.protocol, eval::protocol_of(flags.protocol));
  }
  LIEQ_ASSIGN(job.batch_size, batch_size_of(flags.batch_size));
  job.compute = flags.compute == "bf16" ? kernels::Compute::kBF16 : activations_of(flags.activations);
  if (const auto cache = hub::cache_folder()) job.journals = *cache / "eval";
  return job;
}

}  // namespace lieq::cli
