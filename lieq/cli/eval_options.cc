#include "lieq/cli/eval_options.h"

namespace lieq::cli {

void add_text_options(OptionSet& app, EvalOptions& options) {
  app.add("--ppl", options.protocol,
          "How perplexity is measured: gptq (the default and the paper's: windows of 2048; rows of WikiText are "
          "joined by two newlines, PTB's and C4's by a blank, other texts are taken as they are), llamacpp "
          "(llama-perplexity's: windows of 512, second halves) or lm-eval (documents: per word, per byte)")
      .one_of({"gptq", "llamacpp", "lm-eval"});
  app.add("--window,-c", options.window, "Tokens in a window (default: 2048, or the model's limit if that is less)")
      .range(2, 1 << 24);
  app.add("--stride", options.stride,
          "Tokens from one window to the next (default: the window); only new ones are scored")
      .range(1, 1 << 24);
  app.add("--chunks", options.chunks, "Score this many windows only (default: all)").range(1, 1 << 30);
  app.flag("--rows", options.rows,
           "Join the lines with two newlines, as those of WikiText are, in a text that does not look like it");
  app.add("--field", options.field, "The field of a .jsonl record that holds the text").show_default();
}

void add_task_options(OptionSet& app, EvalOptions& options) {
  app.add("--tasks", options.tasks,
          "Zero-shot tasks, scored as lm-evaluation-harness does: piqa, arc_easy, arc_challenge, boolq, "
          "hellaswag, winogrande, "
          "mmlu (or mmlu_stem, mmlu_SUBJECT, ...); perplexity: wikitext2, ptb, c4, wikitext")
      .comma_separated();
  app.add("--tasks-dir", options.tasks_dir,
          "Folder to look in first for the data of the tasks, which otherwise are those of lieq pull --data, "
          "fetched when they are needed");
  app.add("--limit,-L", options.limit, "The first so many questions of each task, or, below 1, this share of them")
      .positive();
  app.add("--num-fewshot,-f", options.num_fewshot, "Solved examples before each question of mmlu").range(0, 5);
  app.add("--batch-size,-b", options.batch_size, "Questions that run together (default: auto)");
}

Result<void> check_eval_options(const EvalOptions& options) {
  if (options.stride > 0 && !options.protocol.empty() && options.protocol != "gptq")
    return fail(ErrorCode::kInvalidArgument, "--stride: only for --ppl gptq");
  if (options.chunks > 0 && options.protocol == "lm-eval")
    return fail(ErrorCode::kInvalidArgument, "--chunks: not for --ppl lm-eval, which scores documents (--limit)");
  return {};
}

}  // namespace lieq::cli
