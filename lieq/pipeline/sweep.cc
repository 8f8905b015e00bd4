#include "lieq/pipeline/sweep.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/base/version.h"
#include "lieq/io/atomic_file.h"
#include "lieq/io/folder_lock.h"
#include "lieq/model/fingerprint.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/layers.h"
#include "lieq/pipeline/plan.h"
#include "lieq/pipeline/sources.h"
#include "lieq/pipeline/sweep_eval.h"
#include "lieq/pipeline/sweep_folder.h"
#include "lieq/pipeline/sweep_scores.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Says of every stage which run it belongs to.
class RunSink : public Sink {
 public:
  RunSink(Sink& sink, std::string run) : sink_(sink), run_(std::move(run)) {}
  void warn(std::string_view line) override { sink_.warn(line); }
  void note(std::string_view line) override { sink_.note(line); }
  void progress(std::string_view what, std::size_t done, std::size_t total) override {
    sink_.progress(fmt::format("{}, {}", run_, what), done, total);
  }
  void detail(std::string_view what, std::size_t done, std::size_t total) override { sink_.detail(what, done, total); }
  [[nodiscard]] bool cancelled() const override { return sink_.cancelled(); }

 private:
  Sink& sink_;
  std::string run_;
};

}  // namespace

struct Sweep::State {
  /// One model to make.
  struct Run {
    std::string key;  ///< names its files
    LayersJob job;
    double work = 0;                ///< multiply-adds
    std::optional<SweepCell> cell;  ///< once it is finished: what all cells that share it hold
  };

  State(const SweepOptions& options, Threads& threads, Sink& sink)
      : options_(options), threads_(threads), sink_(sink) {}

  Result<void> check();
  /// Keeps other sweeps out of the folder.
  Result<void> lock();
  Result<void> load();
  [[nodiscard]] Result<void> check_widths() const;
  Result<void> plan();
  Result<void> add_run(const allocate::GridRun& planned, std::size_t index);
  [[nodiscard]] Json fingerprint() const;
  Result<Original> original(const std::function<void(const SweepStep&)>& finished);
  Result<fs::path> make_model(const Run& run, Sink& sink);
  Result<SweepCell> make_cell(std::size_t index, const Original& original);
  [[nodiscard]] std::vector<std::size_t> own_runs() const;
  [[nodiscard]] SweepPlan size() const;
  [[nodiscard]] double seconds(double work) const { return work / rate_; }
  [[nodiscard]] double work_left() const;
  [[nodiscard]] Result<SweepResults> write_results(const std::string& command, const Original& original) const;

  const SweepOptions& options_;
  Threads& threads_;
  Sink& sink_;
  std::vector<quantize::Options> recipes_;  ///< of each method
  std::vector<std::string> methods_;        ///< their names
  std::vector<allocate::Criterion> criteria_;
  std::optional<eval::Bundle> bundle_;
  std::vector<std::uint64_t> tops_;
  Calibration calibration_;
  std::optional<SweepEvaluation> evaluation_;
  std::optional<io::FolderLock> lock_;
  std::optional<SweepFolder> folder_;
  std::string model_hash_;
  allocate::Grid grid_;
  std::vector<Run> runs_;
  double eval_work_ = 0, rate_ = 1;
  bool have_original_ = false;
};

/// What can be checked before anything is read.
Result<void> Sweep::State::check() {
  if (threads_.ranks().is_first()) LIEQ_TRY(io::prepare_output(fs::path(options_.output) / "sweep.json"));
  if (fs::path(options_.results).extension() != ".json" || fs::path(options_.results).has_parent_path())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--results: found '{}', expected a name that ends in .json", options_.results));
  if (makes_gguf(options_.recipe))
    return fail(ErrorCode::kInvalidArgument, "sweep: found a K grid, expected sym, skew, asym or half");
  for (const quantize::Method method : options_.methods) {
    recipes_.emplace_back(options_.recipe).method = method;
    methods_.emplace_back(quantize::name(method));
  }
  for (const std::string& scores : options_.scores) {
    LIEQ_ASSIGN(criteria_.emplace_back(), allocate::criterion_of(scores, options_.seed));
  }
  return {};
}

/// Every linear at every width that any cell may give it.
Result<void> Sweep::State::check_widths() const {
  for (const quantize::Options& recipe : recipes_)
    for (const int bits : options_.choices) {
      LayersJob job;
      job.bundle = &*bundle_;
      job.options = recipe;
      job.widths.assign(bundle_->model.layers.size(), quantize::uniform_widths(static_cast<unsigned>(bits)));
      LIEQ_TRY(pipeline::check(job));
    }
  return {};
}

Result<void> Sweep::State::lock() {
  if (lock_ || !threads_.ranks().is_first()) return {};
  LIEQ_ASSIGN(io::FolderLock lock, SweepFolder::lock(options_.output));
  lock_.emplace(std::move(lock));
  return {};
}

Result<void> Sweep::State::load() {
  LIEQ_TRY(lock());
  LIEQ_ASSIGN(bundle_, load_bundle(options_.model, threads_, sink_, model::LoadOptions::unrounded()));
  LIEQ_ASSIGN(tops_, allocate::numbers_in(options_.top, bundle_->model.layers.size(), "--top"));
  LIEQ_TRY(check_widths());
  LIEQ_ASSIGN(evaluation_,
              SweepEvaluation::create(options_.eval, options_.kl, *bundle_, model_label(options_.model), sink_));
  CalibrationOptions calibration = options_.calibration;
  calibration.plain = is_plain(recipes_.front());
  LIEQ_ASSIGN(calibration_, calibrate(*bundle_, calibration, threads_, sink_));
  model_hash_ = bundle_->fingerprint(threads_);
  LIEQ_TRY(bundle_->model.files.unchanged());
  LIEQ_TRY(check_same_on_ranks(fingerprint(), threads_.ranks()));
  LIEQ_ASSIGN(folder_, SweepFolder::open(options_.output, fingerprint(), options_.force, threads_.ranks()));
  return {};
}

/// Everything that decides the numbers but the grid, which may grow.
Json Sweep::State::fingerprint() const {
  Json json = quantize::to_json(recipes_.front());
  json.erase("method");
  json.erase("clip_epochs");  // named where the first method is OmniQuant
  json.update(evaluation_->fingerprint());
  json.update({{"lieq", kVersion},
               {"model", model_hash_},
               {"calibration", hash_of(calibration_.ids)},
               {"calibration_window", calibration_.window},
               {"normalize", options_.normalize},
               {"per_bucket", options_.per_bucket},
               {"seed", options_.seed}});
  return json;
}

Result<void> Sweep::State::plan() {
  LayersJob any;
  any.bundle = &*bundle_;
  any.calibration = &calibration_;
  any.source = options_.model;
  any.options = recipes_.front();
  const std::uint64_t layers = bundle_->model.layers.size();
  const bool compete = std::ranges::any_of(tops_, [&](std::uint64_t top) { return top > 0 && top < layers; });
  LIEQ_ASSIGN(const SweepScores scores, sweep_scores(options_, criteria_, compete, any, *folder_, threads_, sink_));
  allocate::AllocateOptions allocation;
  allocation.choices = options_.choices;
  allocation.place = (folder_->path() / "scores.json").string();
  allocation.group_size = any.options.group_size == 0 ? bundle_->model.config.hidden_size : any.options.group_size;
  LIEQ_ASSIGN(grid_, allocate::plan_grid(tops_, methods_, scores.ranked, allocation));
  rate_ = multiply_rate() * static_cast<double>(threads_.count());
  eval_work_ = pass_work(bundle_->model, evaluation_->tokens(), calibration_.window);
  for (std::size_t i = 0; i < grid_.runs.size(); ++i) LIEQ_TRY(add_run(grid_.runs[i], i));
  LIEQ_ASSIGN(const auto kept, folder_->find("original"));
  have_original_ = kept.has_value();
  return {};
}

Result<void> Sweep::State::add_run(const allocate::GridRun& planned, std::size_t index) {
  Run& run = runs_.emplace_back();
  run.job.bundle = &*bundle_;
  run.job.calibration = &calibration_;
  run.job.source = options_.model;
  run.job.model_hash = model_hash_;
  run.job.embeddings = save::embeddings_as_stored(bundle_->model);
  const auto method = std::ranges::find(methods_, planned.method) - methods_.begin();
  run.job.options = recipes_[static_cast<std::size_t>(method)];
  run.job.plan = planned.plan;
  LIEQ_ASSIGN(run.job.widths, widths_of(planned.plan, bundle_->model.config, "--choices"));
  std::string widths;
  for (const LayerPlan& layer : planned.plan.layers)
    widths += fmt::format("{}{}", widths.empty() ? "" : ",", layer.bits);
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

double Sweep::State::work_left() const {
  double work = have_original_ ? 0 : eval_work_;
  for (const Run& run : runs_)
    if (!run.cell) work += run.work;
  return work;
}

SweepPlan Sweep::State::size() const {
  SweepPlan size;
  size.cells = grid_.cells.size();
  size.models = grid_.runs.size();
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
Result<Original> Sweep::State::original(const std::function<void(const SweepStep&)>& finished) {
  LIEQ_ASSIGN(const auto kept, folder_->find("original"));
  if (kept) return original_from_json(*kept, (folder_->path() / "original.json").string());
  RunSink sink(sink_, "original");
  const Clock::time_point start = Clock::now();
  LIEQ_ASSIGN(Original made, evaluation_->evaluate_original(threads_, sink));
  LIEQ_TRY(bundle_->model.files.unchanged());
  LIEQ_TRY(folder_->keep("original", to_json(made)));
  have_original_ = true;
  LIEQ_ASSIGN(const EvalSummary summary, summary_of(made.record, "original"));
  if (finished) finished({0, runs_.size(), "original", summary, seconds_since(start), 0});
  return made;
}

/// Quantises, unless the model lies there already. Layers that the run before left and that are the same are taken
/// over.
Result<fs::path> Sweep::State::make_model(const Run& run, Sink& sink) {
  const fs::path made = (options_.keep ? folder_->models() : folder_->work()) / run.key;
  std::error_code error;
  if (fs::exists(made, error)) return made;
  fs::create_directories(made.parent_path(), error);
  LIEQ_ASSIGN(const save::RunFolder layers,
              save::RunFolder::adopt(folder_->work() / "layers", fingerprint_of(run.job)));
  LIEQ_ASSIGN(Json linears, quantize_layers(run.job, &layers, threads_, sink));
  const auto layer = [&](std::size_t l) { return layers.read(l); };
  LIEQ_TRY(save_layers(run.job, layer, provenance_of(run.job, std::move(linears)), made, threads_, sink));
  return made;
}

/// Runs that are left, for this rank: neighbours, which share layers, and about as much work as any other rank has.
std::vector<std::size_t> Sweep::State::own_runs() const {
  double all = 0, before = 0;
  for (const Run& run : runs_) all += run.cell ? 0 : run.work;
  const Ranks& ranks = threads_.ranks();
  std::vector<std::size_t> own;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (runs_[i].cell) continue;
    const double middle = before + runs_[i].work / 2;
    before += runs_[i].work;
    const auto rank = static_cast<std::size_t>(middle / all * static_cast<double>(ranks.size()));
    if (std::min(rank, ranks.size() - 1) == ranks.rank()) own.push_back(i);
  }
  return own;
}

/// By this rank alone.
Result<SweepCell> Sweep::State::make_cell(std::size_t index, const Original& original) {
  const Threads::Apart apart(threads_);
  const Run& run = runs_[index];
  const std::string name = fmt::format("model {} of {}", index + 1, runs_.size());
  RunSink sink(sink_, name);
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
    LIEQ_TRY(bundle.model.files.unchanged());
  }
  return cell;
}

Result<SweepResults> Sweep::State::write_results(const std::string& command, const Original& original) const {
  SweepResults results;
  results.version = kVersion;
  results.model = model_label(options_.model);
  results.model_hash = model_hash_;
  results.machine = this_machine();
  results.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  results.command = command;
  results.options = fingerprint();
  results.options.update({{"top", options_.top},
                          {"methods", methods_},
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

Result<Sweep> Sweep::prepare(const SweepOptions& options, Threads& threads, Sink& sink) {
  auto state = std::make_unique<State>(options, threads, sink);
  LIEQ_TRY(state->check());
  LIEQ_TRY(state->load());
  LIEQ_TRY(state->plan());
  return Sweep(std::move(state));
}

SweepPlan Sweep::plan() const { return state_->size(); }

Result<SweepResults> Sweep::run(const std::string& command, const std::function<void(const SweepStep&)>& finished) {
  State& state = *state_;
  LIEQ_TRY(state.lock());
  const std::optional<io::FolderLock> lock = std::move(state.lock_);  // others may go on once this has ended
  state.lock_.reset();
  const Clock::time_point start = Clock::now();
  const double whole = state.work_left();
  LIEQ_ASSIGN(const Original reference, state.original(finished));
  LIEQ_ASSIGN(SweepResults results, state.write_results(command, reference));
  Ranks& ranks = state.threads_.ranks();
  std::error_code ignored;
  const std::vector<std::size_t> own = state.own_runs();
  for (std::size_t turn = 0; state.work_left() > 0; ++turn) {  // one run of each rank that has some left
    LIEQ_TRY(check_cancelled(state.sink_));
    const Clock::time_point began = Clock::now();
    std::string made;
    if (turn < own.size()) {
      LIEQ_ASSIGN(const SweepCell cell, state.make_cell(own[turn], reference));
      made = Json{{"index", own[turn]}, {"cell", to_json(cell)}}.dump();
    }
    for (const std::string& text : all_texts(ranks, made)) {
      if (text.empty()) continue;
      const Json json = Json::parse(text);
      const auto i = json["index"].get<std::size_t>();
      State::Run& run = state.runs_[i];
      LIEQ_TRY(state.folder_->keep("cells/" + run.key, json["cell"]));
      if (!state.options_.keep) fs::remove_all(state.folder_->work() / run.key, ignored);
      LIEQ_ASSIGN(run.cell, sweep_cell_from_json(json["cell"], run.key));
      LIEQ_ASSIGN(results, state.write_results(command, reference));
      LIEQ_ASSIGN(const EvalSummary summary, summary_of(run.cell->eval, run.key));
      const double left = state.work_left();
      if (finished)
        finished({i + 1, state.runs_.size(), run.key, summary, seconds_since(began),
                  left > 0 ? seconds_since(start) * left / (whole - left) : 0});
    }
  }
  // The first one's folder holds those of the others: it goes last.
  if (!ranks.is_first()) fs::remove_all(state.folder_->work(), ignored);
  (void)all_texts(ranks, "");
  if (ranks.is_first()) fs::remove_all(state.folder_->work(), ignored);
  return results;
}

Sweep::Sweep(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sweep::Sweep(Sweep&&) noexcept = default;
Sweep& Sweep::operator=(Sweep&&) noexcept = default;
Sweep::~Sweep() = default;

Result<SweepResults> sweep(const SweepOptions& options, const std::string& command, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(Sweep job, Sweep::prepare(options, threads, sink));
  return job.run(command);
}

}  // namespace lieq::pipeline
