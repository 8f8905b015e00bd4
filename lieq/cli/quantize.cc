/// lieq quantize: diagnose -> allocate -> quantise layer by layer -> save -> say what it cost.

#include <algorithm>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/allocate.h"
#include "lieq/cli/arguments.h"
#include "lieq/cli/budget.h"
#include "lieq/cli/calibrated_scores.h"
#include "lieq/cli/calibration.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/cli/eval_table.h"
#include "lieq/cli/quantize_embed.h"
#include "lieq/cli/quantize_estimate.h"
#include "lieq/cli/quantize_job.h"
#include "lieq/cli/quantize_text.h"
#include "lieq/cli/recipe.h"
#include "lieq/cli/table.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/diagnose/score.h"
#include "lieq/eval/perplexity.h"
#include "lieq/eval/text_tasks.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/atomic_file.h"
#include "lieq/model/fingerprint.h"
#include "lieq/save/gptq_folder.h"
#include "lieq/save/quantization_config.h"
#include "lieq/save/run_folder.h"

namespace lieq::cli {
namespace {

constexpr double kCollapse = 10;  // times the original's perplexity: beyond it a model is called broken

struct Options {
  std::string model, output, plan, scores, score = "geometry", ranking = "score", text, method = "gptq";
  std::size_t text_window = 0, text_chunks = 0;
  std::optional<unsigned> embed_bits;  ///< as recommend_embed_bits() takes it
  bool force = false, dry_run = false;
  RecipeOptions recipe;
  BudgetOptions budget;
  CalibrationOptions calibration;
};

Result<quantize::Options> finish_options(Options& options) {
  LIEQ_ASSIGN(quantize::Options q, recipe_of(options.recipe, options.method));
  options.calibration.plain = is_plain(q);
  if (q.grid == quantize::Grid::kSkew) q.compare_grid = quantize::Grid::kHalf;
  if (q.grid == quantize::Grid::kHalf) q.compare_grid = quantize::Grid::kSkew;
  return q;
}

/// Diagnoses on the calibration text unless scores are given.
Result<LayerScores> scores_of(const Options& options, const QuantizeJob& job, Threads& threads, Sink& sink) {
  if (!options.scores.empty()) {
    LIEQ_ASSIGN(const Json json, read_json(options.scores));
    LIEQ_ASSIGN(LayerScores scores, layer_scores_from_json(json, options.scores));
    LIEQ_TRY(check_same_model(scores.model, diagnose::facts_of(job.bundle->model, options.model), options.scores));
    return scores;
  }
  diagnose::DiagnoseOptions diagnosis;
  diagnosis.score.score = options.score;
  LIEQ_TRY(diagnose::set_weights(diagnosis.score, std::nullopt, std::nullopt, std::nullopt));
  return diagnose_calibration(*job.bundle, options.model, *job.calibration, diagnosis, threads, sink);
}

Result<BitPlan> plan_of(const Options& options, QuantizeJob& job, Threads& threads, Sink& sink) {
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
      job.options.group_size == 0 ? job.bundle->model.config.hidden_size : job.options.group_size;
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
  LIEQ_ASSIGN(job.scores, scores_of(options, job, threads, sink));
  return allocate::allocate(*job.scores, allocation);
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

/// Tokens nothing was fitted to: the user's text, or what the calibration held out.
struct HeldOut {
  std::string name;
  std::vector<text::TokenId> ids;
  std::size_t window = 0;
  eval::TextKind kind = eval::TextKind::kPlain;
};

Result<HeldOut> held_out_of(const Options& options, const QuantizeJob& job, Sink& sink) {
  if (options.text.empty())
    return HeldOut{job.calibration->source + " (held out)", job.calibration->held_out, job.calibration->window};
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
  [[nodiscard]] std::string warning() const {
    const EvalRecord& made = records[1];
    return fmt::format("{}: perplexity {:.1f} on {} is more than {:g} times the original's {:.1f}: this model "
                       "is broken",
                       made.model, made.perplexity, made.text, kCollapse, records[0].perplexity);
  }
};

/// Scores the original and the model in `made`, as read back from its files.
Result<Verdict> evaluate(const Options& options, const QuantizeJob& job, const std::filesystem::path& made,
                         const HeldOut& held, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const model::Model saved, model::Model::load(made, threads, sink));
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

/// Gives the finished model its name.
Result<void> publish(const std::filesystem::path& made, const Options& options) {
  std::error_code error;
  if (options.force) std::filesystem::remove_all(options.output, error);
  std::filesystem::rename(made, options.output, error);
  if (error)
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot be made of {}: {}", options.output, made.string(), error.message()));
  return {};
}

Result<void> run(Options options, const Common& common) {
  while (options.output.size() > 1 && options.output.back() == '/') options.output.pop_back();  // names lie beside it
  QuantizeJob job;
  job.source = options.model;
  LIEQ_ASSIGN(job.options, finish_options(options));
  LIEQ_TRY(check_output(options));
  if (options.plan.empty()) {
    LIEQ_TRY(budget_of(options.budget));
  }
  Threads threads(common.threads);
  Console console;
  LIEQ_ASSIGN(const eval::Bundle bundle,
              load_bundle(options.model, threads, console, model::LoadOptions::as_stored()));
  job.bundle = &bundle;
  LIEQ_ASSIGN(const Calibration calibration, make_calibration(bundle, options.calibration, threads, console));
  job.calibration = &calibration;
  LIEQ_ASSIGN(job.plan, plan_of(options, job, threads, console));
  LIEQ_ASSIGN(job.layer_bits, widths_of(job.plan, options.plan.empty() ? "plan" : options.plan));
  LIEQ_TRY(check_job(job));
  LIEQ_ASSIGN(const HeldOut held, held_out_of(options, job, console));
  fmt::print("{}", plan_text(job.plan));
  fmt::print("{}", estimate_text(bundle.model, job.plan, job.options,
                                 {.tokens = job.calibration->ids.size(), .window = job.calibration->window,
                                  .scored_tokens = held.ids.size(), .threads = threads.count()},
                                 options.output));
  if (options.dry_run) return {};

  job.model_hash = model::fingerprint(bundle.model, threads);
  const Json fingerprint = fingerprint_of(job);
  std::error_code ignored;
  if (options.force) {
    const auto found = read_json(options.output + ".partial/fingerprint.json");
    if (found && *found != fingerprint) std::filesystem::remove_all(options.output + ".partial", ignored);
  }
  LIEQ_ASSIGN(const save::RunFolder folder, save::RunFolder::open(options.output, fingerprint));
  if (folder.finished() > 0)
    fmt::print(stderr, "going on after layer {} of {}, from {}\n", folder.finished(), bundle.model.layers.size(),
               folder.path().string());
  LIEQ_ASSIGN(Json reports, quantize_layers(job, folder, threads, console));
  Json provenance = provenance_of(job, std::move(reports));
  // Scored under a name of its own, so that a folder called OUT is a whole result, whenever the run is killed.
  const std::filesystem::path made = folder.path() / "model";
  std::filesystem::remove_all(made, ignored);
  LIEQ_TRY(save_job(job, folder, provenance, made));
  LIEQ_ASSIGN(const Verdict verdict, evaluate(options, job, made, held, threads, console));
  fmt::print("\n{}\n{}: {} tokens in windows of {}\n", eval_table(verdict.records), held.name,
             verdict.records[0].num_tokens, held.window);
  fmt::print("{}", comparison_text(job.options, provenance["linears"]));
  const EmbedTrial trial{made, held.ids, held.window, verdict.records[1].perplexity};
  LIEQ_TRY(recommend_embed_bits(options.embed_bits, trial, provenance, threads, console));
  if (verdict.collapsed()) provenance["warning"] = verdict.warning();
  LIEQ_TRY(io::write_json(made / "lieq.json", provenance));
  LIEQ_TRY(publish(made, options));
  folder.remove();
  fmt::print("saved {} (GPTQ packing, checkpoint_format {}{})\n", options.output,
             save::checkpoint_format(save::zero_format(job.options.grid)),
             job.options.grid == quantize::Grid::kHalf ? ": half-integer zero points, only lieq reads it" : "");
  if (!verdict.collapsed()) return {};
  return fail(ErrorCode::kCollapsed, verdict.warning() + " (its files are kept, with this warning in lieq.json)");
}

}  // namespace

Run add_quantize(OptionSet& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  std::vector<std::string> rankings;
  for (const allocate::Ranking ranking : allocate::kRankings) rankings.emplace_back(allocate::name(ranking));
  app.add("MODEL", options->model, kModelHelp).required();
  app.add("-o,--output", options->output, "Folder to make").required();
  add_budget_options(app, options->budget);
  app.add("--plan", options->plan, "plan.json of lieq allocate, perhaps edited by hand, instead of a budget");
  app.add("--scores", options->scores, "scores.json of lieq diagnose instead of diagnosing on the calibration text");
  app.add("--score", options->score, "geometry, or lieq: with the perplexity drop, which takes long")
      .one_of({"geometry", "lieq"}).show_default();
  app.add("--rank", options->ranking, fmt::format("What orders the layers: {}", fmt::join(rankings, ", ")))
      .one_of(rankings).show_default();
  app.add("--method", options->method, "rtn, gptq or awq").one_of({"rtn", "gptq", "awq"}).show_default();
  add_recipe_options(app, options->recipe);
  add_calibration_options(app, options->calibration);
  app.add("--text", options->text, "Held-out text for the final table (default: what the calibration held out)");
  app.add("--window", options->text_window, "Tokens in a window of it (default: 2048 or the model's limit)")
      .range(2, 1 << 24);
  app.add("--chunks", options->text_chunks, "Score this many windows only").range(1, 1 << 30);
  app.add("--embed-bits", options->embed_bits,
          "Bits of embedding and head when it runs (default: 8 for a tied head if that costs less than 0.1 % of "
          "perplexity)")
      .one_of({4, 8, 16});
  app.flag("--dry-run", options->dry_run, "Stop after the plan of bits, time, memory and disk");
  app.flag("--force", options->force, "Replace an existing output folder and an unfinished run with other options");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
