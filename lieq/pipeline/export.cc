#include "lieq/pipeline/export.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/base/version.h"
#include "lieq/hub/pull.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/estimate.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;

struct Job {
  const save::Target* target;
  save::ExportOptions options;
};

fs::path output_of(const ExportOptions& options, const save::Target& target) {
  if (options.output.empty()) return save::default_output(target, options.model);
  if (options.targets.size() == 1) return options.output;
  return fs::path(options.output) / save::default_output(target, model_label(options.model)).filename();
}

/// Every target with its output, each of them possible as far as names go.
Result<std::vector<Job>> jobs_of(const ExportOptions& options) {
  if (options.targets.empty()) return fail(ErrorCode::kInvalidArgument, "export: found no target, expected --to");
  std::vector<Job> jobs;
  for (const std::string& name : options.targets) {
    LIEQ_ASSIGN(const save::Target* target, save::find_target(name));
    Job& job = jobs.emplace_back(Job{target, {}});
    job.options.output = output_of(options, *target);
    job.options.embed = options.embed;
    job.options.tool = std::string("lieq:") + kVersion;
    std::error_code ignored;
    if (fs::exists(job.options.output, ignored))
      return fail(ErrorCode::kInvalidArgument, job.options.output.string() + ": exists already, expected a new name");
    LIEQ_TRY(io::prepare_output(job.options.output));
  }
  return jobs;
}

}  // namespace

Result<std::vector<save::ExportRecord>> export_model(const ExportOptions& options, Threads& threads, Sink& sink,
                                                     const std::function<void(const save::ExportRecord&)>& written) {
  LIEQ_ASSIGN(const std::vector<Job> jobs, jobs_of(options));
  LIEQ_ASSIGN(const fs::path path, hub::find_model(options.model, sink));
  LIEQ_ASSIGN(const model::Model model, model::Model::load(path, threads, sink, model::LoadOptions::as_stored()));
  for (const Job& job : jobs) LIEQ_TRY(job.target->check(model, job.options));
  const bool folders = std::ranges::any_of(jobs, [](const Job& job) { return job.target->is_folder; });
  tell("exporting", export_size(model, jobs.size(), folders), threads, sink);
  std::vector<save::ExportRecord> records;
  for (const Job& job : jobs) {
    LIEQ_TRY(check_cancelled(sink));
    LIEQ_ASSIGN(save::ExportRecord record, save::export_model(*job.target, model, job.options, threads, sink));
    if (written) written(record);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace lieq::pipeline
