/// lieq export: a model for other engines.

#include <memory>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/cli/command.h"
#include "lieq/cli/export_text.h"
#include "lieq/cli/output.h"
#include "lieq/pipeline/export.h"
#include "lieq/terminal/console.h"

namespace lieq::cli {
namespace export_verb {

struct Options {
  pipeline::ExportOptions job;
  std::string embed;
};

Result<void> run(const Options& options, const Common& common) {
  pipeline::ExportOptions job = options.job;
  if (!options.embed.empty()) {
    LIEQ_ASSIGN(job.embed, save::embed_type(options.embed));
  }
  Threads threads(common.threads);
  terminal::Console console;
  const auto written = [](const save::ExportRecord& record) { show(export_text(record)); };
  LIEQ_ASSIGN(const auto records, pipeline::export_model(job, threads, console, written));
  return {};
}

}  // namespace export_verb

Run add_export(OptionSet& app, const Common& common) {
  using namespace export_verb;
  const auto options = std::make_shared<Options>();
  pipeline::ExportOptions& job = options->job;
  app.add("MODEL", job.model, kModelHelp).required();
  app.add("--to", job.targets, "What to make, several at once: " + target_names()).required().comma_separated();
  app.add("-o,--output", job.output,
          "File or folder to make; with several targets a folder for all of them (default: beside the model)");
  app.add("--embed", options->embed,
          "Type of the embedding and the head: f16, bf16, f32, q8_0, q6_k, q5_1 or q4_0 (default: as the model has them)");
  app.footer(target_help());
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
