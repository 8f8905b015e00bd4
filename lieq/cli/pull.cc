#include "lieq/hub/pull.h"

#include <memory>

#include <fmt/format.h>

#include "lieq/cli/command.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/atomic_file.h"
#include "lieq/report/text_table.h"
#include "lieq/terminal/console.h"

namespace lieq::cli {
namespace pull_verb {

struct Options {
  std::string repository, revision, local_dir;
  std::vector<std::string> data;
  hub::PullOptions pull;
};

/// Copies what was pulled, links followed.
Result<void> copy_files(const hub::Pulled& pulled, const std::filesystem::path& folder) {
  for (const std::string& file : pulled.files) {
    const std::filesystem::path target = folder / file, partial = target.string() + ".incomplete";
    std::error_code error;
    std::filesystem::create_directories(target.parent_path(), error);
    if (!error)
      std::filesystem::copy_file(pulled.snapshot / file, partial, std::filesystem::copy_options::overwrite_existing,
                                 error);
    if (!error) std::filesystem::rename(partial, target, error);
    if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written: {}", target.string(), error.message()));
  }
  return {};
}

Result<std::filesystem::path> pull_model(const Options& options, const hub::Environment& environment,
                                         terminal::Console& console) {
  LIEQ_ASSIGN(hub::Repository repository, hub::require_repository(options.repository));
  if (!options.local_dir.empty()) LIEQ_TRY(io::prepare_output(std::filesystem::path(options.local_dir) / "model"));
  if (!options.revision.empty()) {
    if (!hub::is_safe_path(options.revision))
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--revision: found '{}', expected a branch, tag or commit", options.revision));
    repository.revision = options.revision;
  }
  LIEQ_ASSIGN(const hub::Pulled pulled, hub::pull(repository, options.pull, environment, console));
  fmt::print(stderr, "{}: {} files, {} of them fetched ({})\n", repository.id, pulled.files.size(), pulled.fetched,
             bytes_text(pulled.fetched_bytes));
  if (options.local_dir.empty()) return pulled.model;
  LIEQ_TRY(copy_files(pulled, options.local_dir));
  return options.local_dir / pulled.model.lexically_relative(pulled.snapshot).lexically_normal();
}

Result<void> run(const Options& options) {
  if (options.repository.empty() && options.data.empty())
    return fail(ErrorCode::kInvalidArgument, "pull: expected ORG/NAME, or --data NAME (see lieq pull --help)");
  LIEQ_ASSIGN(const hub::Environment environment, hub::read_environment());
  terminal::Console console;
  if (!options.repository.empty()) {
    LIEQ_ASSIGN(const std::filesystem::path path, pull_model(options, environment, console));
    fmt::print("{}\n", path.string());
  }
  for (const std::string& name : options.data) {
    LIEQ_ASSIGN(const std::filesystem::path path, hub::pull_data(name, options.pull.force, environment, console));
    fmt::print("{}\n", path.string());
  }
  return {};
}

}  // namespace pull_verb

Run add_pull(OptionSet& app, const Common&) {
  using namespace pull_verb;
  const auto options = std::make_shared<Options>();
  app.add("REPO", options->repository,
          "ORG/NAME[@REVISION], and for a folder of GGUF files :QUANT or :FILE, e.g. :Q4_K_M");
  app.add("--data", options->data, fmt::format("Data sets: {}", fmt::join(hub::data_set_names(), ", ")))
      .comma_separated();
  app.add("--revision", options->revision, "Branch, tag or commit (default: main)");
  app.add("--include", options->pull.filter.include,
          "Fetch the files that match these patterns instead of those a model needs");
  app.add("--exclude", options->pull.filter.exclude, "Leave out the files that match these patterns");
  app.add("--local-dir", options->local_dir, "Copy the files there as well, and print that folder");
  app.flag("--force", options->pull.force, "Fetch again what is there");
  app.footer(
      "Prints where the files lie. The cache is that of huggingface_hub and obeys its variables: HF_HOME, "
      "HF_HUB_CACHE,\n"
      "HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT, ... An interrupted pull goes on when repeated.");
  return [options] { return run(*options); };
}

}  // namespace lieq::cli
