#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "lieq/cli/arguments.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/cli/eval_options.h"
#include "lieq/cli/eval_table.h"
#include "lieq/cli/run_options.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

void print(const EvalOptions& options, const std::vector<EvalRecord>& records) {
  const EvalRecord& first = records.front();
  fmt::print("{}\n", eval_table(records));
  for (const EvalRecord& r : records) {
    if (r.kl_p99 && !options.protocol.empty())
      fmt::print("{}: KL {:.5f} ± {:.5f}, 99 % of tokens below {:.5f}; top-1 {:.2f} ± {:.2f} %\n", r.model, *r.kl,
                 *r.kl_stderr, *r.kl_p99, 100 * *r.top1, 100 * *r.top1_stderr);
    if (r.word_perplexity)
      fmt::print(
          "{}: word_perplexity {:.4f} ± {:.4f}, byte_perplexity {:.4f} ± {:.4f}, bits_per_byte {:.4f} ± {:.4f}\n",
          r.model, *r.word_perplexity, *r.word_perplexity_stderr, *r.byte_perplexity, *r.byte_perplexity_stderr,
          *r.bits_per_byte, *r.bits_per_byte_stderr);
  }
  fmt::print("{}: {} tokens scored in windows of {}{}, {} arithmetic, {:.1f} s\n", first.text, first.num_tokens,
             first.window, first.protocol == "windows" ? "" : fmt::format(" ({} protocol)", first.protocol),
             first.compute, first.seconds);
}

/// Labels are short names as long as they tell the models apart.
std::vector<std::string> labels_of(const std::vector<std::string>& paths) {
  std::vector<std::string> labels;
  for (const std::string& path : paths) labels.push_back(model_label(path));
  std::vector<std::string> sorted = labels;
  std::ranges::sort(sorted);
  return std::ranges::adjacent_find(sorted) == sorted.end() ? labels : paths;
}

Result<std::vector<eval::Bundle>> load_models(const EvalOptions& options, Threads& threads, Sink& sink) {
  std::vector<eval::Bundle> bundles;
  for (const std::string& path : options.models) {
    LIEQ_ASSIGN(eval::Bundle bundle, load_bundle(path, threads, sink, options.load));
    const std::size_t unpacked = count_unpacked_linears(bundle.model);
    if (options.activations == "int8" && unpacked > 0)
      sink.warn(fmt::format("{}: {} of its linears are not packed: --activations int8 leaves them as they are", path,
                            unpacked));
    bundles.push_back(std::move(bundle));
  }
  return bundles;
}

Result<void> evaluate(const EvalOptions& options, const Common& common) {
  if (options.tasks.empty() && options.text.empty())
    return fail(ErrorCode::kInvalidArgument, "eval: found nothing to evaluate on, expected --text or --tasks");
  LIEQ_TRY(check_eval_options(options));
  Threads threads(common.threads);
  Console console;
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options.text, console));  // refused before models load
  LIEQ_ASSIGN(const auto bundles, load_models(options, threads, console));
  EvalModels models{{}, labels_of(options.models)};
  for (const eval::Bundle& bundle : bundles) models.bundles.push_back(&bundle);
  if (!options.tasks.empty()) return evaluate_tasks(options, models, threads, console);
  LIEQ_ASSIGN(const eval::TextOptions text_options, own_text_options_of(options, file));
  LIEQ_ASSIGN(const auto records, evaluate_text(options, file.string(), text_options, models, threads, console));
  print(options, records);
  if (options.output.empty()) return {};
  Json json = Json::array();
  for (const EvalRecord& record : records) json.push_back(to_json(record));
  return io::write_json(options.output, json);
}

}  // namespace

Run add_eval(OptionSet& app, const Common& common) {
  const auto options = std::make_shared<EvalOptions>();
  app.add("MODEL", options->models,
          "Hugging Face model folders, .gguf files, or ORG/NAME[:QUANT] on the hub; the first is the reference")
      .required();
  add_text_options(app, *options);
  add_task_options(app, *options);
  app.add("--text", options->text,
          "A .txt file, .jsonl with one document a line, or a data set of lieq pull such as wikitext2");
  app.flag("--log-samples,-s", options->log_samples, "Write each question with its scores beside --output");
  app.add("--compute", options->compute, "Arithmetic: fp32, or bf16 with float32 sums")
      .one_of({"fp32", "bf16"}).show_default();
  add_embed_bits(app, options->load);
  add_activations(app, options->activations);
  app.add("--output,-o", options->output, "Write the results as JSON");
  return [options, &common]() -> Result<void> {
    if (options->compute == "bf16" && options->activations == "int8")
      return fail(ErrorCode::kInvalidArgument, "--activations int8: found with --compute bf16, expected one of them");
    return evaluate(*options, common);
  };
}

}  // namespace lieq::cli
