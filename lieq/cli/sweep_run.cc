#include "lieq/cli/sweep_run.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/grid.h"
#include "lieq/cli/arguments.h"
#include "lieq/cli/eval_table.h"
#include "lieq/cli/quantize_estimate.h"
#include "lieq/cli/quantize_job.h"
#include "lieq/cli/sweep_eval.h"
#include "lieq/cli/sweep_folder.h"
#include "lieq/cli/sweep_scores.h"
#include "lieq/cli/sweep_text.h"
#include "lieq/model/fingerprint.h"

namespace lieq::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Says of every stage which run it belongs to.
class RunSink : public Sink {
 public:
  RunSink(Console& console, std::string run) : console_(console), run_(std::move(run)) {}
  void warn(std::string_view line) override { console_.warn(line); }
  void progress(std::string_view what, std::size_t done, std::size_t total) override {
    console_.progress(fmt::format("{}, {}", run_, what), done, total);
  }

 private:
  Console& console_;
  std::string run_;
};

/// One model to make.
struct Run {
  std::string key;  ///< names its files
  QuantizeJob job;
  double work = 0;                ///< multiply-adds
  std::optional<SweepCell> cell;  ///< once it is finished: what all cells that share it hold
};

class Sweep {
 public:
  Sweep(const SweepOptions& options, Threads& threads, Console& console)
      : options_(options), threads_(threads), console_(console) {}

  Result<SweepResults> run(const std::string& command);

 private:
  Result<void> check();
  Result<void> load();
  [[nodiscard]] Result<void> check_widths() const;
  Result<void> plan();
  Result<void> add_run(const allocate::GridRun& planned, std::size_t index);
  [[nodiscard]] Json fingerprint() const;
  Result<Original> original();
  Result<fs::path> make_model(const Run& run, Sink& sink);
  Result<void> finish(std::size_t index, const Original& original);
  [[nodiscard]] SweepSize size() const;
  [[nodiscard]] double seconds(double work) const { return work / rate_; }
  [[nodiscard]] double work_left() const;
  Result<SweepResults> write_results(const std::string& command, const Original& original) const;

  const SweepOptions& options_;
  Threads& threads_;
  Console& console_;
  std::vector<quantize::Options> recipes_;  ///< of each method
  std::vector<allocate::Criterion> criteria_;
  std::optional<eval::Bundle> bundle_;
  std::vector<std::uint64_t> tops_;
  Calibration calibration_;
  std::optional<SweepEvaluation> evaluation_;
  std::optional<SweepFolder> folder_;
  std::string model_hash_;
  allocate::Grid grid_;
  std::vector<Run> runs_;
  double eval_work_ = 0, rate_ = 1;
  bool have_original_ = false;
};

/// What can be checked before anything is read.
Result<void> Sweep::check() {
  for (const std::string& method : options_.methods) {
    LIEQ_ASSIGN(recipes_.emplace_back(), recipe_of(options_.recipe, method));
  }
  for (const std::string& scores : options_.scores) {
    LIEQ_ASSIGN(criteria_.emplace_back(), allocate::criterion_of(scores, options_.seed));
  }
  return {};
}

/// Every linear at every width that any cell may give it.
Result<void> Sweep::check_widths() const {
  for (const quantize::Options& recipe : recipes_)
    for (const int bits : options_.choices) {
      QuantizeJob job;
      job.bundle = &*bundle_;
      job.options = recipe;
      job.layer_bits.assign(bundle_->model.layers.size(), static_cast<unsigned>(bits));
      LIEQ_TRY(check_job(job));
    }
  return {};
}

Result<void> Sweep::load() {
  LIEQ_ASSIGN(bundle_, load_bundle(options_.model, threads_, console_, model::LoadOptions::as_stored()));
  LIEQ_ASSIGN(tops_, allocate::numbers_in(options_.top, bundle_->model.layers.size(), "--top"));
  LIEQ_TRY(check_widths());
  LIEQ_ASSIGN(evaluation_,
              SweepEvaluation::create(options_.eval, options_.kl, *bundle_, model_label(options_.model), console_));
  CalibrationOptions calibration = options_.calibration;
  calibration.plain = is_plain(recipes_.front());
  LIEQ_ASSIGN(calibration_, make_calibration(*bundle_, calibration, threads_, console_));
  model_hash_ = model::fingerprint(bundle_->model, threads_);
  LIEQ_ASSIGN(folder_, SweepFolder::open(options_.output, fingerprint(), options_.force));
  return {};
}

/// Everything that decides the numbers but the grid, which may grow.
Json Sweep::fingerprint() const {
  Json json = quantize::to_json(recipes_.front());
  json.erase("method");
  json.update(evaluation_->fingerprint());
  json.update({{"lieq", LIEQ_VERSION},
               {"model", model_hash_},
               {"calibration", hash_of(calibration_.ids)},
               {"calibration_window", calibration_.window},
               {"normalize", options_.normalize},
               {"per_bucket", options_.per_bucket},
               {"seed", options_.seed}});
  return json;
}

Result<void> Sweep::plan() {
  QuantizeJob any;
  any.bundle = &*bundle_;
  any.calibration = &calibration_;
  any.source = options_.model;
  any.options = recipes_.front();
  const std::uint64_t layers = bundle_->model.layers.size();
  const bool compete = std::ranges::any_of(tops_, [&](std::uint64_t top) { return top > 0 && top < layers; });
  LIEQ_ASSIGN(const SweepScores scores, sweep_scores(options_, criteria_, compete, any, *folder_, threads_, console_));
  allocate::AllocateOptions allocation;
  allocation.choices = options_.choices;
  allocation.place = (folder_->path() / "scores.json").string();
  allocation.group_size = any.options.group_size == 0 ? bundle_->model.config.hidden_size : any.options.group_size;
  LIEQ_ASSIGN(grid_, allocate::plan_grid(tops_, options_.methods, scores.ranked, allocation));
  rate_ = multiply_rate() * static_cast<double>(threads_.count());
  eval_work_ = pass_work(bundle_->model, evaluation_->tokens(), calibration_.window);
  for (std::size_t i = 0; i < grid_.runs.size(); ++i) LIEQ_TRY(add_run(grid_.runs[i], i));
  LIEQ_ASSIGN(const auto kept, folder_->find("original"));
  have_original_ = kept.has_value();
  return {};
}

Result<void> Sweep::add_run(const allocate::GridRun& planned, std::size_t index) {
  Run& run = runs_.emplace_back();
  run.job.bundle = &*bundle_;
  run.job.calibration = &calibration_;
  run.job.source = options_.model;
  run.job.model_hash = model_hash_;
  const auto method = std::ranges::find(options_.methods, planned.method) - options_.methods.begin();
  run.job.options = recipes_[static_cast<std::size_t>(method)];
  run.job.plan = planned.plan;
  LIEQ_ASSIGN(run.job.layer_bits, widths_of(planned.plan, "--choices"));
  const std::string widths = fmt::format("{}", fmt::join(run.job.layer_bits, ","));
  run.key = fmt::format("{}-{:.2f}-{}", planned.method, size_of(planned.plan).code_bits,
                        model::fingerprint(widths.data(), widths.size()).substr(0, 8));
  const Run* before = index > 0 ? &runs_[index - 1] : nullptr;
  const bool shares = before && !before->cell && before->job.options.method == run.job.options.method;
  run.work = eval_work_ + quantize_work(bundle_->model, run.job.plan, run.job.options,
                                        {.tokens = calibration_.ids.size(), .window = calibration_.window},
                                        shares ? allocate::common_layers(before->job.plan, run.job.plan) : 0);
  LIEQ_ASSIGN(const auto kept, folder_->find("cells/" + run.key));
  if (!kept) return {};
  LIEQ_ASSIGN(run.cell, sweep_cell_from_json(*kept, (folder_->path() / "cells" / (run.key + ".json")).string()));
  return {};
}

double Sweep::work_left() const {
  double work = have_original_ ? 0 : eval_work_;
  for (const Run& run : runs_)
    if (!run.cell) work += run.work;
  return work;
}

SweepSize Sweep::size() const {
  SweepSize size;
  size.tokens = evaluation_->tokens();
  size.seconds = seconds(work_left());
  const auto weights = static_cast<double>(linears_footprint(bundle_->model).parameters);
  for (const Run& run : runs_) {
    if (run.cell) ++size.done;
    // Finished layers take a byte a weight; beside them lies the model, or with --keep all of them.
    const auto bytes = static_cast<std::size_t>(size_of(run.job.plan).bytes);
    size.disk = options_.keep ? size.disk + bytes : std::max(size.disk, bytes);
  }
  size.disk += static_cast<std::size_t>(weights);
  return size;
}

/// The original's evaluation, kept from before or made now.
Result<Original> Sweep::original() {
  LIEQ_ASSIGN(const auto kept, folder_->find("original"));
  if (kept) return original_from_json(*kept, (folder_->path() / "original.json").string());
  RunSink sink(console_, "original");
  const Clock::time_point start = Clock::now();
  LIEQ_ASSIGN(Original made, evaluation_->evaluate_original(threads_, sink));
  LIEQ_TRY(folder_->keep("original", to_json(made)));
  have_original_ = true;
  LIEQ_ASSIGN(const EvalSummary summary, summary_of(made.record, "original"));
  fmt::print(stderr, "original: {}; {}\n", summary_text(summary), duration_text(seconds_since(start)));
  return made;
}

/// Quantises, unless the model lies there already. Layers that the run before left and that are the same are taken
/// over.
Result<fs::path> Sweep::make_model(const Run& run, Sink& sink) {
  const fs::path made = (options_.keep ? folder_->models() : folder_->work()) / run.key;
  std::error_code error;
  if (fs::exists(made, error)) return made;
  fs::create_directories(made.parent_path(), error);
  LIEQ_ASSIGN(const save::RunFolder layers,
              save::RunFolder::adopt(folder_->work() / "layers", fingerprint_of(run.job)));
  LIEQ_ASSIGN(Json linears, quantize_layers(run.job, layers, threads_, sink));
  LIEQ_TRY(save_job(run.job, layers, provenance_of(run.job, std::move(linears)), made));
  return made;
}

Result<void> Sweep::finish(std::size_t index, const Original& original) {
  Run& run = runs_[index];
  const std::string name = fmt::format("model {} of {}", index + 1, runs_.size());
  RunSink sink(console_, name);
  LIEQ_ASSIGN(const fs::path path, make_model(run, sink));
  SweepCell cell;
  cell.method = quantize::name(run.job.options.method);
  cell.layers = grid_.runs[index].layers;
  {
    LIEQ_ASSIGN(const eval::Bundle bundle, eval::Bundle::load(path, threads_, sink));
    EvalRecord record;
    describe_model(bundle.model, record);
    cell.code_bits = record.code_bits;
    cell.true_bits = record.true_bits;
    cell.bytes = record.file_bytes;
    LIEQ_ASSIGN(cell.eval, evaluation_->evaluate(bundle, run.key, original, threads_, sink));
  }
  LIEQ_TRY(folder_->keep("cells/" + run.key, to_json(cell)));
  std::error_code ignored;
  if (!options_.keep) fs::remove_all(path, ignored);
  run.cell = std::move(cell);
  return {};
}

Result<SweepResults> Sweep::write_results(const std::string& command, const Original& original) const {
  SweepResults results;
  results.version = LIEQ_VERSION;
  results.model = model_label(options_.model);
  results.model_hash = model_hash_;
  results.machine = this_machine();
  results.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  results.command = command;
  results.options = fingerprint();
  results.options.update({{"top", options_.top},
                          {"methods", options_.methods},
                          {"scores", options_.scores},
                          {"choices", options_.choices},
                          {"calibration_source", calibration_.source}});
  results.planned = grid_.cells.size();
  results.baseline = original.record;
  for (const allocate::GridCell& place : grid_.cells) {
    if (!runs_[place.run].cell) continue;
    SweepCell& cell = results.cells.emplace_back(*runs_[place.run].cell);
    cell.top = place.top;
    cell.scores = place.scores;
  }
  LIEQ_TRY(folder_->keep(fs::path(options_.results).stem().string(), to_json(results)));
  return results;
}

Result<SweepResults> Sweep::run(const std::string& command) {
  LIEQ_TRY(check());
  LIEQ_TRY(load());
  LIEQ_TRY(plan());
  fmt::print("{}", sweep_plan_text(grid_, size()));
  std::fflush(stdout);
  if (options_.dry_run) return SweepResults();
  const Clock::time_point start = Clock::now();
  const double whole = work_left();
  LIEQ_ASSIGN(const Original reference, original());
  LIEQ_ASSIGN(SweepResults results, write_results(command, reference));
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (runs_[i].cell) continue;
    const Clock::time_point began = Clock::now();
    LIEQ_TRY(finish(i, reference));
    LIEQ_ASSIGN(results, write_results(command, reference));
    LIEQ_ASSIGN(const EvalSummary summary, summary_of(runs_[i].cell->eval, runs_[i].key));
    const double left = work_left();
    fmt::print(
        stderr, "model {} of {}: {}: {}; {}{}\n", i + 1, runs_.size(), runs_[i].key, summary_text(summary),
        duration_text(seconds_since(began)),
        left > 0 ? fmt::format(", about {} left", duration_text(seconds_since(start) * left / (whole - left))) : "");
  }
  std::error_code ignored;
  fs::remove_all(folder_->work(), ignored);
  return results;
}

}  // namespace

Result<SweepResults> run_sweep(const SweepOptions& options, const std::string& command, Threads& threads,
                               Console& console) {
  return Sweep(options, threads, console).run(command);
}

}  // namespace lieq::cli
