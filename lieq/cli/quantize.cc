/// lieq quantize: diagnose -> allocate -> quantise layer by layer -> save -> say what it cost.

#include <algorithm>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/allocate.h"
#include "lieq/cli/arguments.h"
#include "lieq/cli/budget.h"
#include "lieq/cli/calibration.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/cli/eval_table.h"
#include "lieq/cli/quantize_embed.h"
#include "lieq/cli/quantize_estimate.h"
#include "lieq/cli/quantize_text.h"
#include "lieq/cli/table.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/diagnose/score.h"
#include "lieq/eval/perplexity.h"
#include "lieq/eval/text_tasks.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/atomic_file.h"
#include "lieq/model/fingerprint.h"
#include "lieq/quantize/run.h"
#include "lieq/save/gptq_folder.h"
#include "lieq/save/quantization_config.h"
#include "lieq/save/run_folder.h"

namespace lieq::cli {
namespace {

constexpr double kCollapse = 10;  // times the original's perplexity: beyond it a model is called broken

struct Options {
  std::string model, output, plan, scores, score = "geometry", ranking = "score", text;
  std::string method = "gptq", awq_then = "gptq", grid = "skew", act_order = "none", on_singular = "error";
  std::int64_t group_size = 64;
  std::size_t text_window = 0, text_chunks = 0;
  std::optional<unsigned> embed_bits;  ///< as recommend_embed_bits() takes it
  bool force = false, dry_run = false;
  bool no_search = false, no_correction = false, no_refit = false, no_gains = false;
  BudgetOptions budget;
  CalibrationOptions calibration;
  quantize::Options quantize;
};

/// What a run is made of once all inputs are read.
struct Job {
  const eval::Bundle* bundle = nullptr;
  Calibration calibration;
  std::optional<LayerScores> scores;
  BitPlan plan;
  std::vector<unsigned> layer_bits;
};

Result<void> finish_options(Options& options) {
  quantize::Options& q = options.quantize;
  LIEQ_ASSIGN(q.method, quantize::method_from_name(options.method));
  LIEQ_ASSIGN(q.awq_then, quantize::method_from_name(options.awq_then));
  LIEQ_ASSIGN(q.grid, quantize::grid_from_name(options.grid));
  if (options.group_size != -1 && options.group_size < 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--group-size: found {}, expected -1 or a positive number", options.group_size));
  q.group_size = options.group_size == -1 ? 0 : static_cast<std::size_t>(options.group_size);
  q.act_order = options.act_order == "static"    ? quantize::ActOrder::kStatic
                : options.act_order == "dynamic" ? quantize::ActOrder::kDynamic
                                                 : quantize::ActOrder::kNone;
  q.on_singular = options.on_singular == "rtn" ? quantize::OnSingular::kRtn : quantize::OnSingular::kError;
  if (options.no_search) q.range = quantize::Range::kMinMax;
  q.corrected_target = !options.no_correction;
  q.refit_scales = !options.no_refit;
  q.refit_gains = !options.no_gains;
  options.calibration.plain = !q.corrected_target && q.sweeps == 0;
  if (q.grid == quantize::Grid::kSkew) q.compare_grid = quantize::Grid::kHalf;
  if (q.grid == quantize::Grid::kHalf) q.compare_grid = quantize::Grid::kSkew;
  return {};
}

/// Diagnoses on the calibration text unless scores are given.
Result<LayerScores> scores_of(const Options& options, const eval::Bundle& bundle, const Calibration& calibration,
                              Threads& threads, Sink& sink) {
  if (!options.scores.empty()) {
    LIEQ_ASSIGN(const Json json, read_json(options.scores));
    LIEQ_ASSIGN(LayerScores scores, layer_scores_from_json(json, options.scores));
    LIEQ_TRY(check_same_model(scores.model, diagnose::facts_of(bundle.model, options.model), options.scores));
    return scores;
  }
  diagnose::DiagnoseOptions diagnosis;
  diagnosis.score.score = options.score;
  LIEQ_TRY(diagnose::set_weights(diagnosis.score, std::nullopt, std::nullopt, std::nullopt));
  diagnose::CutOptions cut;
  cut.longest = std::min(cut.longest, bundle.model.config.max_position_embeddings);
  const diagnose::Corpus corpus = corpus_of(calibration, bundle.tokenizer);
  LIEQ_ASSIGN(const auto cells, diagnose::cut_passages({&corpus, 1}, bundle.tokenizer, cut, threads, sink));
  return diagnose::diagnose(bundle.model, options.model, cells, diagnosis, threads, sink);
}

Result<BitPlan> plan_of(const Options& options, Job& job, Threads& threads, Sink& sink) {
  const ModelFacts facts = diagnose::facts_of(job.bundle->model, options.model);
  if (!options.plan.empty()) {
    if (budget_of(options.budget))
      return fail(ErrorCode::kInvalidArgument, "--plan: found together with a budget, expected one of them");
    LIEQ_ASSIGN(const Json json, read_json(options.plan));
    LIEQ_ASSIGN(BitPlan plan, bit_plan_from_json(json, options.plan));
    LIEQ_TRY(check_same_model(plan.model, facts, options.plan));
    return plan;
  }
  allocate::AllocateOptions allocation;
  LIEQ_ASSIGN(allocation.budget, budget_of(options.budget));
  allocation.choices = options.budget.choices;
  allocation.group_size =
      options.quantize.group_size == 0 ? job.bundle->model.config.hidden_size : options.quantize.group_size;
  for (const allocate::Ranking ranking : allocate::kRankings)
    if (allocate::name(ranking) == options.ranking) allocation.ranking = ranking;
  if (!options.scores.empty()) allocation.place = options.scores;
  if (options.scores.empty()) {
    LayerScores sizes;
    sizes.model = facts;
    for (const model::Layer& layer : job.bundle->model.layers)
      sizes.layers.emplace_back().weights = model::footprint(layer).parameters;
    LIEQ_ASSIGN(auto uniform, allocate::allocate_uniform(sizes, allocation));
    if (uniform) return std::move(*uniform);
  }
  LIEQ_ASSIGN(job.scores, scores_of(options, *job.bundle, job.calibration, threads, sink));
  return allocate::allocate(*job.scores, allocation);
}

Result<std::vector<unsigned>> widths_of(const BitPlan& plan, const std::string& place) {
  std::vector<unsigned> bits;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const int width = plan.layers[l].bits;
    if (width != 2 && width != 3 && width != 4 && width != 8)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: layer {}: found {} bits, expected 2, 3, 4 or 8", place, l, width));
    bits.push_back(static_cast<unsigned>(width));
  }
  return bits;
}

Json fingerprint_of(const Options& options, const Job& job, Threads& threads) {
  return {{"lieq", LIEQ_VERSION},
          {"model", model::fingerprint(job.bundle->model, threads)},
          {"options", quantize::to_json(options.quantize)},
          {"layer_bits", job.layer_bits},
          {"calibration", hash_of(job.calibration.ids)},
          {"calibration_window", job.calibration.window}};
}

Result<void> check_output(const Options& options) {
  std::error_code ignored;
  if (!std::filesystem::exists(options.output, ignored)) return {};
  if (!options.force)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: exists, expected a new folder (or --force to replace it)", options.output));
  if (std::filesystem::equivalent(options.output, options.model, ignored))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: is the model itself, expected another folder", options.output));
  return {};
}

/// Finishes every layer in the run folder; those that lie there from an interrupted run are taken as they are.
Result<Json> quantize_layers(const Options& options, const Job& job, const save::RunFolder& folder, Threads& threads,
                             Sink& sink) {
  const model::Model& model = job.bundle->model;
  const std::size_t finished = folder.finished(), layers = model.layers.size();
  if (finished > 0)
    fmt::print(stderr, "going on after layer {} of {}, from {}\n", finished, layers, folder.path().string());
  Json reports = Json::array();
  // The walk is needed only while layers are missing: a run killed while saving goes straight to saving.
  std::optional<quantize::LayerWalk> walk;
  if (finished < layers) {
    LIEQ_ASSIGN(walk, quantize::LayerWalk::create(model, job.calibration.ids, job.calibration.window, options.quantize,
                                                  threads, sink));
  }
  for (std::size_t l = 0; l < layers; ++l) {
    quantize::QuantizedLayer layer;
    if (l < finished) {
      LIEQ_ASSIGN(layer, folder.read(l));
      if (walk) LIEQ_TRY(walk->resume_with(l, layer));
    } else {
      LIEQ_ASSIGN(layer, walk->quantize(l, job.layer_bits[l]));
      LIEQ_TRY(folder.write(l, layer));
    }
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      const quantize::LinearReport& report = layer.reports[k];
      reports.push_back({{"layer", l},
                         {"linear", model::name(model::kLinearKinds[k])},
                         {"bits", job.layer_bits[l]},
                         {"loss", report.loss},
                         {"relative_loss", report.relative_loss},
                         {"compared_loss", report.compared_loss},
                         {"fell_back_to_rtn", report.fell_back_to_rtn}});
      if (report.fell_back_to_rtn)
        sink.warn(fmt::format("layer {} {}: its Hessian is singular, rounded to nearest instead", l,
                              model::name(model::kLinearKinds[k])));
    }
    sink.progress("quantising layers", l + 1, layers);
  }
  return reports;
}

Json provenance_of(const Options& options, const Job& job, Json reports, const Json& fingerprint) {
  Json provenance = {{"lieq", LIEQ_VERSION},
                     {"source", options.model},
                     {"fingerprint", fingerprint},
                     {"options", quantize::to_json(options.quantize)},
                     {"plan", to_json(job.plan)},
                     {"linears", std::move(reports)},
                     {"calibration",
                      {{"source", job.calibration.source},
                       {"hash", hash_of(job.calibration.ids)},
                       {"window", job.calibration.window},
                       {"tokens", job.calibration.ids.size()}}}};
  if (job.scores) provenance["scores"] = to_json(*job.scores);
  return provenance;
}

/// Tokens nothing was fitted to: the user's text, or what the calibration held out.
struct HeldOut {
  std::string name;
  std::vector<text::TokenId> ids;
  std::size_t window = 0;
  eval::TextKind kind = eval::TextKind::kPlain;
};

Result<HeldOut> held_out_of(const Options& options, const Job& job, Sink& sink) {
  if (options.text.empty())
    return HeldOut{job.calibration.source + " (held out)", job.calibration.held_out, job.calibration.window};
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options.text, sink));
  eval::TextOptions reading;
  reading.kind = eval::kind_of(options.text, file);
  LIEQ_ASSIGN(const eval::EvalText text, eval::read_eval_text(file, reading, sink));
  HeldOut held{options.text, job.bundle->tokenizer.encode(text.documents[0], text::SpecialTokens::kAdd),
               options.text_window, reading.kind};
  const std::size_t limit = job.bundle->model.config.max_position_embeddings;
  if (held.window == 0) held.window = std::min<std::size_t>(2048, limit);
  if (options.text_chunks > 0) held.ids.resize(std::min(held.ids.size(), options.text_chunks * held.window));
  return held;
}

struct Verdict {
  std::vector<EvalRecord> records;
  [[nodiscard]] bool collapsed() const { return !(records[1].perplexity <= kCollapse * records[0].perplexity); }
};

/// Scores the original and the saved model, as read back from its files.
Result<Verdict> evaluate(const Options& options, const Job& job, const HeldOut& held, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const model::Model saved, model::Model::load(options.output, threads, sink));
  const model::Model* const models[] = {&job.bundle->model, &saved};
  LIEQ_ASSIGN(const auto scores,
              eval::score_windows(models, held.ids, held.window, threads, kernels::Compute::kF32, sink));
  Verdict verdict;
  for (std::size_t m = 0; m < 2; ++m) {
    EvalRecord record;
    record.model = m == 0 ? options.model : options.output;
    record.text = held.name;
    record.protocol = held.kind == eval::TextKind::kPlain ? "windows" : "gptq";
    record.compute = "fp32";
    record.window = held.window;
    describe_model(*models[m], record);
    eval::summarise(scores[m], record);
    verdict.records.push_back(std::move(record));
  }
  return verdict;
}

Result<void> save(const Options& options, const Job& job, const save::RunFolder& folder, const Json& provenance) {
  std::error_code ignored;
  if (options.force) std::filesystem::remove_all(options.output, ignored);
  save::FolderContents contents;
  contents.source = &job.bundle->model;
  contents.options = options.quantize;
  contents.layer_bits = job.layer_bits;
  contents.quantizer = "lieq:" LIEQ_VERSION;
  contents.provenance = provenance;
  contents.layer = [&](std::size_t l) { return folder.read(l); };
  return save::write_gptq_folder(contents, options.output);
}

Result<void> run(Options options, const Common& common) {
  LIEQ_TRY(finish_options(options));
  LIEQ_TRY(check_output(options));
  if (options.plan.empty()) {
    LIEQ_TRY(budget_of(options.budget));
  }
  Threads threads(common.threads);
  Console console;
  LIEQ_ASSIGN(const eval::Bundle bundle, load_bundle(options.model, threads, console));
  Job job;
  job.bundle = &bundle;
  LIEQ_ASSIGN(job.calibration, make_calibration(bundle, options.calibration, threads, console));
  LIEQ_ASSIGN(job.plan, plan_of(options, job, threads, console));
  LIEQ_ASSIGN(job.layer_bits, widths_of(job.plan, options.plan.empty() ? "plan" : options.plan));
  for (std::size_t l = 0; l < job.layer_bits.size(); ++l)
    for (const model::Linear& linear : bundle.model.layers[l].linears)
      LIEQ_TRY(quantize::check_options(options.quantize, job.layer_bits[l], linear.weight.cols, linear.weight.name));
  LIEQ_TRY(save::check_packable(bundle.model, job.layer_bits));
  LIEQ_ASSIGN(const HeldOut held, held_out_of(options, job, console));
  fmt::print("{}", plan_text(job.plan));
  fmt::print("{}", estimate_text(bundle.model, job.plan, options.quantize,
                                 {.tokens = job.calibration.ids.size(), .window = job.calibration.window,
                                  .scored_tokens = held.ids.size(), .threads = threads.count()},
                                 options.output));
  if (options.dry_run) return {};

  const Json fingerprint = fingerprint_of(options, job, threads);
  if (options.force) {
    std::error_code ignored;
    const auto found = read_json(options.output + ".partial/fingerprint.json");
    if (found && *found != fingerprint) std::filesystem::remove_all(options.output + ".partial", ignored);
  }
  LIEQ_ASSIGN(const save::RunFolder folder, save::RunFolder::open(options.output, fingerprint));
  LIEQ_ASSIGN(Json reports, quantize_layers(options, job, folder, threads, console));
  Json provenance = provenance_of(options, job, std::move(reports), fingerprint);
  LIEQ_TRY(save(options, job, folder, provenance));
  folder.remove();
  fmt::print("saved {} (GPTQ packing, checkpoint_format {}{})\n", options.output,
             save::checkpoint_format(save::zero_format(options.quantize.grid)),
             options.quantize.grid == quantize::Grid::kHalf ? ": half-integer zero points, only lieq reads it" : "");

  LIEQ_ASSIGN(const Verdict verdict, evaluate(options, job, held, threads, console));
  fmt::print("\n{}\n{}: {} tokens in windows of {}\n", eval_table(verdict.records), held.name,
             verdict.records[0].num_tokens, held.window);
  fmt::print("{}", comparison_text(options.quantize, provenance["linears"]));
  const EmbedTrial trial{options.output, held.ids, held.window, verdict.records[1].perplexity};
  LIEQ_TRY(recommend_embed_bits(options.embed_bits, trial, provenance, threads, console));
  if (!verdict.collapsed()) return {};
  const std::string warning =
      fmt::format("{}: perplexity {:.1f} on {} is more than {:g} times the original's {:.1f}: this model is broken",
                                          options.output, verdict.records[1].perplexity, held.name, kCollapse, verdict.records[0].perplexity);
  provenance["warning"] = warning;
  LIEQ_TRY(io::write_json(std::filesystem::path(options.output) / "lieq.json", provenance));
  return fail(ErrorCode::kCollapsed, warning + " (its files are kept, with this warning in lieq.json)");
}

}  // namespace

Run add_quantize(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  quantize::Options& q = options->quantize;
  std::vector<std::string> rankings;
  for (const allocate::Ranking ranking : allocate::kRankings) rankings.emplace_back(allocate::name(ranking));
  app.add_option("MODEL", options->model, kModelHelp)->required();
  app.add_option("-o,--output", options->output, "Folder to make")->required();
  add_budget_options(app, options->budget);
  app.add_option("--plan", options->plan, "plan.json of lieq allocate, perhaps edited by hand, instead of a budget");
  app.add_option("--scores", options->scores,
                 "scores.json of lieq diagnose instead of diagnosing on the calibration text");
  app.add_option("--score", options->score, "geometry, or lieq: with the perplexity drop, which takes long")
      ->check(CLI::IsMember({"geometry", "lieq"}))->capture_default_str();
  app.add_option("--rank", options->ranking, fmt::format("What orders the layers: {}", fmt::join(rankings, ", ")))
      ->check(CLI::IsMember(rankings))->capture_default_str();
  app.add_option("--method", options->method, "rtn, gptq or awq")
      ->check(CLI::IsMember({"rtn", "gptq", "awq"}))
      ->capture_default_str();
  app.add_option("--awq-then", options->awq_then, "What rounds the weights that awq has scaled: gptq or rtn")
      ->check(CLI::IsMember({"gptq", "rtn"}))
      ->capture_default_str();
  app.add_option("--grid", options->grid,
                 "Zero points: skew (exact in other engines' formats), sym, asym, or half (best, lieq only)")
      ->check(CLI::IsMember({"sym", "skew", "asym", "half"}))
      ->capture_default_str();
  app.add_option("--group-size", options->group_size, "Weights that share a scale; -1: a whole row")
      ->capture_default_str();
  add_calibration_options(app, options->calibration);
  app.add_option("--damping", q.damping, "Added to the Hessian's diagonal, as a fraction of its mean")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--act-order", options->act_order, "Columns by falling activation: none, static or dynamic groups")
      ->check(CLI::IsMember({"none", "static", "dynamic"}))->capture_default_str();
  app.add_option("--sweeps", q.sweeps, "Rounds of coordinate descent and scale refit after GPTQ")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_flag("--no-search", options->no_search, "Scales from the extremes of a group instead of the weighted search");
  app.add_flag("--no-correction", options->no_correction,
               "Fit to the quantised inputs' output instead of the original model's");
  app.add_flag("--no-refit", options->no_refit, "No joint least squares over the scales of a row");
  app.add_flag("--no-gains", options->no_gains, "No refit of the norm gains");
  app.add_option("--on-singular", options->on_singular, "A Hessian that stays singular: error, or rtn for that linear")
      ->check(CLI::IsMember({"error", "rtn"}))->capture_default_str();
  app.add_option("--text", options->text, "Held-out text for the final table (default: what the calibration held out)");
  app.add_option("--window", options->text_window, "Tokens in a window of it (default: 2048 or the model's limit)")
      ->check(CLI::Range(2, 1 << 24));
  app.add_option("--chunks", options->text_chunks, "Score this many windows only")->check(CLI::Range(1, 1 << 30));
  app.add_option("--embed-bits", options->embed_bits,
                 "Bits of embedding and head when it runs (default: 8 for a tied head if that costs less than 0.1 % of perplexity)")
      ->check(CLI::IsMember({4U, 8U, 16U}));
  app.add_flag("--dry-run", options->dry_run, "Stop after the plan of bits, time, memory and disk");
  app.add_flag("--force", options->force, "Replace an existing output folder and an unfinished run with other options");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
