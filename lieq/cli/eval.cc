#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "lieq/cli/command.h"
#include "lieq/cli/eval_options.h"
#include "lieq/cli/output.h"
#include "lieq/cli/run_options.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/report/eval_table.h"
#include "lieq/report/harness_table.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/stop_notice.h"

namespace lieq::cli {
namespace eval_verb {

struct Options {
  EvalFlags flags;
  std::string output;
  bool log_samples = false;
};

std::string texts_text(const Options& options, const std::vector<EvalRecord>& records) {
  const EvalRecord& first = records.front();
  std::string text = report::eval_table(records) + "\n";
  for (const EvalRecord& r : records) {
    if (r.kl_p99 && !options.flags.protocol.empty())
      text += fmt::format("{}: KL {:.5f} ± {:.5f}, 99 % of tokens below {:.5f}; top-1 {:.2f} ± {:.2f} %\n", r.model,
                          *r.kl, *r.kl_stderr, *r.kl_p99, 100 * *r.top1, 100 * *r.top1_stderr);
    if (r.word_perplexity)
      text += fmt::format(
          "{}: word_perplexity {:.4f} ± {:.4f}, byte_perplexity {:.4f} ± {:.4f}, bits_per_byte {:.4f} ± {:.4f}\n",
          r.model, *r.word_perplexity, *r.word_perplexity_stderr, *r.byte_perplexity, *r.byte_perplexity_stderr,
          *r.bits_per_byte, *r.bits_per_byte_stderr);
  }
  return text + fmt::format("{}: {} tokens scored in windows of {}{}, {} arithmetic, {:.1f} s\n", first.text,
                            first.num_tokens, first.window,
                            first.protocol == "windows" ? "" : fmt::format(" ({} protocol)", first.protocol),
                            first.compute, first.seconds);
}

std::string tasks_text(const Options& options, const std::vector<TaskResults>& results) {
  const pipeline::EvaluateOptions& job = options.flags.job;
  if (results.size() == 1)
    return fmt::format("lieq (pretrained={}), limit: {}, num_fewshot: {}, batch_size: {}\n{}", results.front().path,
                       job.limit > 0 ? fmt::format("{}", job.limit) : "None", job.num_fewshot, options.flags.batch_size,
                       report::harness_tables(results.front()));
  std::string tables = report::comparison_tables(results);
  for (std::size_t text = 0; text < results.front().perplexities.size(); ++text) {
    std::vector<EvalRecord> records;
    for (const TaskResults& model : results) records.push_back(model.perplexities[text]);
    tables += fmt::format("\n{}: {} protocol, windows of {}\n{}", records.front().text, records.front().protocol,
                          records.front().window, report::eval_table(records));
  }
  return tables;
}

Result<void> run(const Options& options, const Common& common) {
  LIEQ_ASSIGN(pipeline::EvaluateOptions job, evaluation_of(options.flags));
  if (options.log_samples && options.output.empty())
    return fail(ErrorCode::kInvalidArgument,
                "--log-samples: found no --output, expected the file beside which samples go");
  if (options.log_samples) job.samples = std::filesystem::path(options.output).parent_path();
  LIEQ_TRY(pipeline::check(job));
  const bool first = common.ranks->is_first();
  if (first && !options.output.empty()) LIEQ_TRY(io::prepare_output(options.output));
  if (!first) job.samples.reset();
  Threads threads(common.threads, *common.ranks);
  terminal::Console console(!first);
  LIEQ_ASSIGN(const pipeline::EvaluateRecord record, pipeline::evaluate(job, threads, console));
  if (!first) return {};
  show(record.tasks.empty() ? texts_text(options, record.texts) : tasks_text(options, record.tasks));
  if (options.output.empty()) return {};
  return io::write_json(options.output, to_json(record));
}

}  // namespace eval_verb

Run add_eval(OptionSet& app, const Common& common) {
  using namespace eval_verb;
  const auto options = std::make_shared<Options>();
  EvalFlags& flags = options->flags;
  app.add("MODEL", flags.job.models,
          "Hugging Face model folders, .gguf files, or ORG/NAME[:QUANT] on the hub; the first is the reference")
      .required();
  add_text_options(app, flags);
  add_task_options(app, flags);
  app.add("--text", flags.job.text,
          "A .txt file, .jsonl with one document a line, or a data set of lieq pull such as wikitext2");
  app.flag("--log-samples,-s", options->log_samples, "Write each question with its scores beside --output");
  add_arithmetic_options(app, flags);
  add_embed_bits(app, flags.job.load);
  app.add("--output,-o", options->output, "Write the results as JSON");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
