/// lieq prune: whole layers go.

#include <memory>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/cli/calibration_options.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/pipeline/prune.h"
#include "lieq/report/text_table.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/stop_notice.h"

namespace lieq::cli {
namespace prune_verb {

std::string prune_text(const pipeline::PruneRecord& record) {
  std::vector<std::vector<std::string>> rows = {{"none", fmt::format("{:.4f}", record.choosing_perplexity),
                                                 fmt::format("{:.4f}", record.perplexity), "", ""}};
  const bool scored = !record.removals.empty() && record.removals.front().score.has_value();
  if (scored) rows.front().emplace_back();
  for (const pipeline::Removal& one : record.removals) {
    rows.push_back({std::to_string(one.layer), fmt::format("{:.4f}", one.choosing_perplexity),
                    fmt::format("{:.4f}", one.perplexity),
                    fmt::format("{:+.2f} %", 100 * (one.perplexity / record.perplexity - 1)),
                    std::to_string(record.kept.size() + record.removals.size() - rows.size())});
    if (scored) rows.back().push_back(fmt::format("{:.4f}", *one.score));
  }
  std::vector<std::string> head = {"layer that goes", "ppl, choosing", "ppl, held out", "change", "layers left"};
  if (scored) head.emplace_back("score");
  return report::table(head, rows) +
         fmt::format("\nchosen on {} tokens of {}, held out: {} tokens of {}\n", record.choosing_tokens,
                     record.choosing_text, record.tokens, record.text) +
         fmt::format("{}: {} layers, {:.1f} M parameters of {:.1f} M, {}\n", record.output, record.kept.size(),
                     static_cast<double>(record.parameters) / 1e6, static_cast<double>(record.parameters_before) / 1e6,
                     bytes_text(record.bytes));
}

Result<void> run(const pipeline::PruneOptions& options, const Common& common) {
  const terminal::StopNotice notice("lieq: stopped; nothing was written\n");
  Threads threads(common.threads);
  terminal::Console console;
  LIEQ_ASSIGN(const pipeline::PruneRecord record, pipeline::prune(options, threads, console));
  show(prune_text(record));
  return {};
}

}  // namespace prune_verb

Run add_prune(OptionSet& app, const Common& common) {
  using namespace prune_verb;
  const auto options = std::make_shared<pipeline::PruneOptions>();
  app.add("MODEL", options->model, kModelHelp).required();
  app.add("-o,--output", options->output, "Folder to make").required();
  const Option& drop = app.add("--drop", options->drop, "This many layers go").positive();
  app.add("--keep-ppl", options->keep_perplexity,
          "Layers go as long as the perplexity on the held-out text is at most this")
      .positive().excludes(drop);
  app.add("--scores", options->scores_file,
          fmt::format("scores.json of lieq diagnose: of the layers left only the {} that score lowest are tried",
                      pipeline::kPruneCandidates));
  add_calibration_options(app, options->calibration);
  app.add("--text", options->text, "Held-out text for what it costs (default: what the calibration held out)");
  app.add("--window", options->text_window, "Tokens in a window of it (default: 2048 or the model's limit)")
      .range(2, 1 << 24);
  app.add("--chunks", options->text_chunks, "Score this many windows only").range(1, 1 << 30);
  app.add("--memory", options->memory, "Bytes for the activations, e.g. 2GiB (default: 1GiB)").bytes();
  app.footer("The layer goes whose removal costs least perplexity on the calibration text (4096 tokens of it, or the\n"
             "--calib-windows asked for), then all are measured again. Held-out text says what it cost.\n");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
