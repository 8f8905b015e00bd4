#include "lieq/pipeline/quantize.h"

#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/io/atomic_file.h"
#include "lieq/model/fingerprint.h"
#include "lieq/pipeline/calibration_sources.h"
#include "lieq/pipeline/export.h"
#include "lieq/pipeline/fitted_head.h"
#include "lieq/pipeline/layers.h"
#include "lieq/pipeline/made_layers.h"
#include "lieq/pipeline/output.h"
#include "lieq/pipeline/sources.h"
#include "lieq/pipeline/verdict.h"
#include "lieq/quantize/run.h"
#include "lieq/save/gptq_folder.h"
#include "lieq/save/quantization_config.h"
#include "lieq/save/run_folder.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;

quantize::Options recipe_of(const QuantizeOptions& options) {
  quantize::Options recipe = options.recipe;
  if (recipe.grid == quantize::Grid::kSkew) recipe.compare_grid = quantize::Grid::kHalf;
  if (recipe.grid == quantize::Grid::kHalf) recipe.compare_grid = quantize::Grid::kSkew;
  return recipe;
}

/// What the linears' reports say of the grid that was not taken.
std::optional<GridComparison> comparison_of(const quantize::Options& options, const Json& linears) {
  if (!options.compare_grid) return std::nullopt;
  double loss = 0, compared = 0;
  for (const Json& linear : linears) {
    if (linear["compared_loss"].get<double>() < 0) continue;
    loss += linear["loss"].get<double>();
    compared += linear["compared_loss"].get<double>();
  }
  if (loss <= 0 || compared <= 0) return std::nullopt;
  return GridComparison{std::string(quantize::name(options.grid)), std::string(quantize::name(*options.compare_grid)),
                        compared / loss, options.compare_every};
}

constexpr unsigned kDefaultEmbedBits = 8, kStoredEmbedBits = 16;
constexpr double kMostEmbedCost = 0.001;  // of perplexity, unless the bits were asked for

/// How embedding and head are to be saved. Without a wish rows that fit no block stay as they are.
Result<save::EmbeddingPlan> embeddings_of(const QuantizeOptions& options, const model::Model& model, Threads& threads) {
  auto plan = save::plan_embeddings(model, options.embed_bits.value_or(kDefaultEmbedBits), threads);
  if (!plan && !options.embed_bits) return save::embeddings_as_stored(model);
  return plan;
}

/// Whether saving them so rounds any weight of the source.
bool rounds(const save::EmbeddingPlan& plan) {
  const auto is_kept = [](const pack::StoredMatrix& matrix, DType type) {
    return matrix.is_stored() && matrix.type == type;
  };
  return !is_kept(*plan.embedding, plan.embedding_type) || (plan.head && !is_kept(*plan.head, plan.head_type));
}

/// What was lost on each text, for lieq.json.
Json losses_of(const QuantizeRecord& record) {
  Json texts = Json::array();
  const auto add = [&](const EvalRecord& original, const EvalRecord& made) {
    texts.push_back({{"text", made.text},
                     {"window", made.window},
                     {"tokens", made.num_tokens},
                     {"original_perplexity", original.perplexity},
                     {"perplexity", made.perplexity},
                     {"kl", made.kl ? Json(*made.kl) : Json()},
                     {"kl_stderr", made.kl_stderr ? Json(*made.kl_stderr) : Json()},
                     {"top1", made.top1 ? Json(*made.top1) : Json()}});
  };
  add(record.records[0], record.records[1]);
  for (std::size_t r = 1; r < record.further.size(); r += 2) add(record.further[r - 1], record.further[r]);
  return texts;
}

}  // namespace

struct Quantization::State {
  State(QuantizeOptions o, Threads& t, Sink& s, eval::Bundle b)
      : options(std::move(o)), threads(t), sink(s), bundle(std::move(b)) {}

  QuantizeOptions options;
  Threads& threads;
  Sink& sink;
  eval::Bundle bundle;
  Calibration calibration;
  std::optional<MadeLayers> from;  // of QuantizeOptions::from
  std::string from_hash;           // model::fingerprint of it
  LayersJob job;
  std::vector<HeldOut> held;
  std::optional<Refinement> refinement;
  std::optional<pack::StoredMatrix> head;  // of four bits, fitted

  /// Widths of the layers that there are, or of a plan.
  [[nodiscard]] Result<void> settle_widths();
  /// Everything that decides the bytes of the result.
  [[nodiscard]] Json fingerprint() const;
  /// All layers are in the folder then. folder: as quantize_layers() takes it. Returns "linears" of lieq.json.
  [[nodiscard]] Result<Json> make_layers(const save::RunFolder* folder);
  [[nodiscard]] Result<save::RunFolder> open_folder(const Json& fingerprint) const;
  [[nodiscard]] Result<QuantizeRecord> finish(const save::RunFolder& folder, Json linears);
  /// Layers as they are saved: of the folder, refined if that was asked for.
  [[nodiscard]] LayerSource layers_of(const save::RunFolder& folder) const;
  /// Head, or head and embedding, of four bits are fitted from here on.
  [[nodiscard]] Result<void> settle_head(const save::RunFolder& folder);
  /// Saves with the embeddings of the job under `made` and scores both models.
  [[nodiscard]] Result<void> save_and_score(const save::RunFolder& folder, const fs::path& made,
                                            QuantizeRecord& record);
  [[nodiscard]] Result<void> trial_exports() const;
  [[nodiscard]] Result<void> read_texts();
  /// The smoke test, with a warning if it failed.
  [[nodiscard]] Result<void> let_write(const fs::path& made, QuantizeRecord& record);
  [[nodiscard]] Result<void> settle_embeddings(const save::RunFolder& folder, const fs::path& made,
                                               QuantizeRecord& record);
};

Result<Quantization> Quantization::prepare(const QuantizeOptions& asked, Threads& threads, Sink& sink) {
  QuantizeOptions options = asked;
  while (options.output.size() > 1 && options.output.back() == '/') options.output.pop_back();  // names lie beside it
  options.recipe = recipe_of(options);
  options.calibration.plain = is_plain(options.recipe);
  options.calibration.validation_tokens = options.refine ? options.refine->validation_tokens : 0;
  options.plan.cache = options.calibration.cache;
  if (options.refine) LIEQ_TRY(check(*options.refine));
  if (!options.from.empty() && (!options.refine || threads.ranks().size() > 1))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: is quantised already, expected to refine it, in one process", options.from));
  LIEQ_TRY(quantize::check_ranks(threads.ranks(), options.recipe));
  if (threads.ranks().is_first()) {
    LIEQ_TRY(check_output(options));
    LIEQ_TRY(lock_of(options));  // only tried: another run is told of before text is sampled
  }
  LIEQ_ASSIGN(eval::Bundle bundle, load_bundle(options.model, threads, sink, model::LoadOptions::unrounded()));
  auto state = std::make_unique<State>(std::move(options), threads, sink, std::move(bundle));
  QuantizeOptions& o = state->options;
  // What is wrong with files that are read later is said before text is sampled and layers are diagnosed.
  LIEQ_TRY(check_files(o.plan));
  if (!o.text.empty()) LIEQ_TRY(state->read_texts());
  LayersJob& job = state->job;
  if (!o.from.empty()) {
    LIEQ_ASSIGN(state->from, MadeLayers::load(o.from, state->bundle.model, o.model, threads, sink));
    o.recipe = state->from->options();
    if (!o.embed_bits) o.embed_bits = state->from->embed_bits();
  }
  job.source = o.model;
  job.options = o.recipe;
  job.bundle = &state->bundle;
  job.calibration = &state->calibration;
  LIEQ_TRY(check_recipe(state->bundle.model, o.recipe));
  LIEQ_ASSIGN(state->calibration, calibrate(state->bundle, o.calibration, threads, sink));
  LIEQ_ASSIGN(job.embeddings, embeddings_of(o, state->bundle.model, threads));
  if (!job.embeddings.note.empty()) sink.note(job.embeddings.note);
  LIEQ_TRY(state->settle_widths());
  LIEQ_TRY(check(job));
  if (o.refine) LIEQ_TRY(check_refinable(job, *o.refine, threads, sink));
  if (threads.ranks().is_first()) LIEQ_TRY(state->trial_exports());
  if (o.text.empty()) {
    LIEQ_ASSIGN(HeldOut own, held_out_of({}, state->bundle, state->calibration, sink));
    state->held.push_back(std::move(own));
  }
  return Quantization(std::move(state));
}

Result<void> Quantization::State::settle_widths() {
  const double rest_bits = save::rest_bits(bundle.model, job.embeddings);
  std::string place = options.from;
  if (from) {
    job.plan = from->plan();
    job.plan.rest_bits = rest_bits;
  } else {
    LIEQ_ASSIGN(Plan planned, pipeline::plan(bundle, options.model, options.plan, {options.recipe, rest_bits},
                                             calibration, threads, sink));
    job.plan = std::move(planned.plan);
    job.scores = std::move(planned.scores);
    place = has_plan(options.plan) && !options.plan.plan ? options.plan.plan_file : "plan";
  }
  LIEQ_ASSIGN(job.widths, widths_of(job.plan, bundle.model.config, place));
  return {};
}

const BitPlan& Quantization::plan() const { return state_->job.plan; }

Estimate Quantization::estimate() const {
  std::size_t scored = 0;
  for (const HeldOut& held : state_->held) scored += held.ids.size();
  const save::EmbeddingPlan& embeddings = state_->job.embeddings;
  const RunSize size{.fits = !state_->from,
                     .tokens = state_->calibration.ids.size(),
                     .window = state_->calibration.window,
                     .scored_tokens = scored,
                     .scored_window = state_->held.front().window,
                     .passes = rounds(embeddings) ? std::size_t{3} : std::size_t{2},
                     .prompts = smoke_prompts(state_->bundle),
                     .packed_embeddings = embeddings.is_packed() ? static_cast<double>(embeddings.bytes()) : 0,
                     .threads = state_->threads.count() * state_->threads.ranks().size()};
  Estimate made = pipeline::estimate(state_->bundle.model, plan(), state_->job.options, size, state_->options.output);
  if (state_->options.refine) add(size_of(*state_->options.refine, state_->job), size.threads, made);
  if (const auto head = size_of_fitted_head(state_->job)) add(*head, size.threads, made);
  return made;
}

CalibrationFacts Quantization::calibration(std::size_t windows) const {
  return describe(state_->calibration, state_->bundle, windows);
}

Json Quantization::State::fingerprint() const {
  Json all = fingerprint_of(job);
  if (!options.refine) return all;
  if (from) {
    all.erase("options");  // not how these layers were made
    all["refined"] = from_hash;
  }
  all["refine"] = to_json(*options.refine);
  all["validation"] = hash_of(calibration.validation);
  return all;
}

Result<save::RunFolder> Quantization::State::open_folder(const Json& fingerprint) const {
  return options.force ? save::RunFolder::open_anew(options.output, fingerprint)
                       : save::RunFolder::open(options.output, fingerprint);
}

Result<QuantizeRecord> Quantization::run() {
  State& state = *state_;
  const bool first = state.threads.ranks().is_first();
  if (first) LIEQ_TRY(check_disk(estimate(), bytes_in(state.options.output + ".partial"), state.options.output));
  state.job.model_hash = state.bundle.fingerprint(state.threads);
  if (state.from) state.from_hash = model::fingerprint(state.from->model(), state.threads);
  LIEQ_TRY(check_same_on_ranks(state.fingerprint(), state.threads.ranks()));
  LIEQ_TRY(state.bundle.model.files.unchanged());
  if (!first) {
    LIEQ_TRY(state.make_layers(nullptr));
    return QuantizeRecord{};
  }
  LIEQ_ASSIGN(const io::FolderLock lock, lock_of(state.options));
  LIEQ_ASSIGN(const save::RunFolder folder, state.open_folder(state.fingerprint()));
  if (folder.finished() > 0)
    state.sink.note(fmt::format("going on after layer {} of {}, from {}", folder.finished(),
                                state.bundle.model.layers.size(), folder.path().string()));
  LIEQ_ASSIGN(Json linears, state.make_layers(&folder));
  const Threads::Apart apart(state.threads);  // files are the first rank's: nobody else can read them for certain
  return state.finish(folder, std::move(linears));
}

Result<Json> Quantization::State::make_layers(const save::RunFolder* folder) {
  if (!from) return quantize_layers(job, folder, threads, sink);
  for (std::size_t l = folder->finished(), end = bundle.model.layers.size(); l < end; ++l) {
    LIEQ_TRY(check_cancelled(sink));
    sink.progress("taking over layers", l, end);
    LIEQ_TRY(folder->write(l, from->layer(l, threads)));
  }
  LIEQ_TRY(from->model().files.unchanged());
  return from->provenance().value("linears", Json::array());
}

Result<QuantizeRecord> Quantization::State::finish(const save::RunFolder& folder, Json linears) {
  QuantizeRecord record;
  record.provenance = provenance_of(job, std::move(linears));
  if (options.refine) {
    LIEQ_ASSIGN(refinement, refine(job, *options.refine, folder, threads, sink));
    record.refined = refinement->record;
    record.provenance["fingerprint"] = fingerprint();
    if (from) {
      const Json known = {{"grid", quantize::name(job.options.grid)}, {"group_size", job.options.group_size}};
      record.provenance["options"] = from->provenance().value("options", known);
      record.provenance["from"] = {{"model", options.from}, {"made", from->provenance()}};
    }
    record.provenance["refine"] = to_json(refinement->record);
    record.provenance["refine"]["options"] = to_json(*options.refine);
  }
  const bool rounded = rounds(job.embeddings);
  LIEQ_TRY(settle_head(folder));
  // Scored under a name of its own, so that a folder called OUTPUT is a whole result, whenever the run is killed.
  const fs::path made = folder.path() / (makes_gguf(job.options) ? "model.gguf" : "model");
  LIEQ_TRY(save_and_score(folder, made, record));
  record.text = held.front().name;
  record.window = held.front().window;
  record.comparison = comparison_of(job.options, record.provenance["linears"]);
  record.embedding_note = job.embeddings.note;
  if (options.embed_bits != kStoredEmbedBits && rounded) LIEQ_TRY(settle_embeddings(folder, made, record));
  record.provenance["texts"] = losses_of(record);
  LIEQ_TRY(let_write(made, record));
  record.warning = warning_of(record.records);
  if (record.warning) record.provenance["warning"] = *record.warning;
  const bool is_file = makes_gguf(job.options);
  if (!is_file) LIEQ_TRY(io::write_json(made / "lieq.json", record.provenance));
  LIEQ_TRY(bundle.model.files.unchanged());
  LIEQ_TRY(publish(made, options));
  if (is_file) LIEQ_TRY(io::write_json(options.output + ".json", record.provenance));
  folder.remove();
  record.output = options.output;
  if (!options.exports.empty()) {
    std::error_code ignored;
    for (const std::string& name : options.exports)
      if (const auto target = save::find_target(name); target && options.force)
        fs::remove_all(save::default_output(**target, options.output), ignored);
    const ExportOptions exports{
        .model = options.output, .targets = options.exports, .output = "", .embed = std::nullopt};
    LIEQ_ASSIGN(record.exports, export_model(exports, threads, sink));
  }
  record.format = makes_gguf(job.options)
                      ? std::string("GGUF, K blocks")
                      : "GPTQ packing, checkpoint_format " +
                            save::checkpoint_format(save::zero_format(job.options.grid), job.embeddings.is_packed());
  return record;
}

/// Asks every target whether it could hold the result, of one layer rounded to each width, before any work.
Result<void> Quantization::State::trial_exports() const {
  if (options.exports.empty()) return {};
  quantize::Options nearest = job.options;
  nearest.method = quantize::Method::kRtn;
  std::map<quantize::LayerWidths, quantize::QuantizedLayer> layers;
  for (const quantize::LayerWidths& widths : job.widths) {
    if (from || layers.contains(widths)) continue;
    LIEQ_ASSIGN(auto walk, quantize::LayerWalk::create(bundle.model, {}, 1, nearest, threads, sink));
    LIEQ_ASSIGN(layers[widths], walk.quantize(0, widths));
  }
  const auto layer = [&](std::size_t l) -> Result<quantize::QuantizedLayer> {
    return from ? from->layer(l, threads) : layers.at(job.widths[l]);
  };
  LIEQ_ASSIGN(const model::Model trial, with_layers(job, layer, threads));
  for (const std::string& name : options.exports) {
    LIEQ_ASSIGN(const save::Target* target, save::find_target(name));
    save::ExportOptions asked{.output = save::default_output(*target, options.output)};
    asked.changed = true;
    std::error_code ignored;
    if (fs::exists(asked.output, ignored) && !options.force)
      return fail(ErrorCode::kInvalidArgument,
                  asked.output.string() + ": exists already, expected a new name (or --force to replace it)");
    LIEQ_TRY(check_replaced(asked.output, options));
    LIEQ_TRY(target->check(trial, asked));
  }
  return {};
}

LayerSource Quantization::State::layers_of(const save::RunFolder& folder) const {
  return [this, &folder](std::size_t l) -> Result<quantize::QuantizedLayer> {
    LIEQ_ASSIGN(quantize::QuantizedLayer finished, folder.read(l));
    if (refinement) refinement->apply(l, finished);
    return finished;
  };
}

Result<void> Quantization::State::settle_head(const save::RunFolder& folder) {
  LIEQ_ASSIGN(head, fitted_head(job, layers_of(folder), threads, sink));
  if (head) (job.embeddings.head ? job.embeddings.head : job.embeddings.embedding) = &*head;
  return {};
}

Result<void> Quantization::State::save_and_score(const save::RunFolder& folder, const fs::path& made,
                                                 QuantizeRecord& record) {
  std::error_code ignored;
  fs::remove_all(made, ignored);
  LIEQ_TRY(save_layers(job, layers_of(folder), record.provenance, made, threads, sink));
  const std::string name = refinement ? refined_label(options.output) : options.output;
  const Scored both{&bundle.model, options.model, made, name};
  LIEQ_ASSIGN(record.records, score_both(both, held.front(), threads, sink));
  record.further.clear();
  for (std::size_t t = 1; t < held.size(); ++t) {
    LIEQ_ASSIGN(const std::vector<EvalRecord> more, score_both(both, held[t], threads, sink));
    record.further.insert(record.further.end(), more.begin(), more.end());
  }
  return {};
}

Result<void> Quantization::State::read_texts() {
  LIEQ_ASSIGN(const std::vector<std::string> texts, texts_in(options.text));
  for (const std::string& text : texts) {
    LIEQ_ASSIGN(HeldOut one, held_out_of({text, options.text_window, options.text_chunks}, bundle, {}, sink));
    held.push_back(std::move(one));
  }
  return {};
}

Result<void> Quantization::State::let_write(const fs::path& made, QuantizeRecord& record) {
  Sink quiet;  // what loading warns of was heard
  LIEQ_ASSIGN(const model::Model written, model::Model::load(made, threads, quiet));
  LIEQ_ASSIGN(record.smoke, smoke_test(bundle, written, threads, sink));
  record.provenance["smoke_test"] = to_json(record.smoke);
  if (record.smoke.failed()) sink.warn(smoke_warning(record.smoke, options.output));
  return {};
}

/// Rounded embeddings that cost too much are saved anew as the source has them, unless they were asked for.
Result<void> Quantization::State::settle_embeddings(const save::RunFolder& folder, const fs::path& made,
                                                    QuantizeRecord& record) {
  const Scored scored{&bundle.model, options.model, made, options.output};
  EmbedTrial& trial = record.embed.emplace();
  trial.bits = options.embed_bits.value_or(kDefaultEmbedBits);
  trial.perplexity = record.records[1].perplexity;
  LIEQ_ASSIGN(trial.stored_perplexity, perplexity_with_stored_embeddings(scored, held.front(), threads, sink));
  trial.taken = options.embed_bits || trial.cost() < kMostEmbedCost;
  record.provenance["embed_trial"] = {{"bits", trial.bits}, {"perplexity", trial.perplexity}, {"cost", trial.cost()}};
  if (trial.taken) return {};
  job.embeddings = save::embeddings_as_stored(bundle.model);
  return save_and_score(folder, made, record);
}

Quantization::Quantization(std::unique_ptr<State> state) : state_(std::move(state)) {}
Quantization::Quantization(Quantization&&) noexcept = default;
Quantization& Quantization::operator=(Quantization&&) noexcept = default;
Quantization::~Quantization() = default;

Result<QuantizeRecord> quantize(const QuantizeOptions& options, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(Quantization job, Quantization::prepare(options, threads, sink));
  return job.run();
}

}  // namespace lieq::pipeline
