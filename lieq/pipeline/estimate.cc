#include "lieq/pipeline/estimate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/kernels/gemm.h"
#include "lieq/eval/generate.h"
#include "lieq/eval/perplexity.h"
#include "lieq/diagnose/perplexity_drop.h"
#include "lieq/pack/k_blocks.h"
#include "lieq/pipeline/run_memory.h"
#include "lieq/tune/attribution.h"

namespace lieq::pipeline {
namespace {

using model::LinearKind;

constexpr double kHalf = 2;  // bytes

/// What is not a product of large matrices, in multiply-adds of one: measured on models of 10 M and 135 M parameters
/// and on layers of a Qwen3-4B shape (AVX-512).
constexpr double kLaneCost = 6;          // a multiply-add of the search for grids (lanes.h)
constexpr double kSweepCost = 250;       // the rest of a sweep, for each weight
constexpr double kRefitCost = 3;         // of the joint fit of a row's scales, times the cube of their number
constexpr double kFactorCost = 1.6;      // of a Cholesky factor in double, times in^3
constexpr double kDecodeCost = 28;       // decoding a weight for products of many tokens
constexpr double kWeightCost = 3000;     // decoding, packing, writing, checking and hashing a weight
constexpr double kGramCost = 5;          // of a Gram matrix in double, times its inner size
constexpr double kSpectrumCost = 11;     // of its eigenvalues, times its size to the third
constexpr double kDrawCost = 1100;       // of a random weight
constexpr double kCodeCost = 2000;       // taking codes apart, packing, writing and comparing them, for each weight
constexpr double kStoredCost = 1000;     // the same of weights that are not packed
constexpr double kKeptRate = 0.8;        // of the best rate of one thread, when all work for minutes
constexpr double kShareOfSquare = 0.55;  // of a symmetric product: its tiles on and above the diagonal

double parameters_of(const model::Layer& layer) { return static_cast<double>(footprint(layer).parameters); }

/// Multiply-adds for each calibration token in one layer (quantize/run.h).
double token_work(const model::Model& model, const quantize::Options& options, double window) {
  const model::ModelConfig& c = model.config;
  const auto h = static_cast<double>(c.hidden_size), q = static_cast<double>(c.q_size());
  const auto m = static_cast<double>(c.intermediate_size);
  const double pass = parameters_of(model.layers.front()) + q * window;
  const double squares = kShareOfSquare * (2 * h * h + q * q + m * m);
  if (!options.corrected_target) return pass + squares;
  return 2 * pass + squares + 2 * h * h + 2 * h * (q + m);  // cross products, and output errors with theirs
}

/// Grids that the search tries for a group, and each sweep after it.
std::pair<double, double> tries_of(const quantize::Options& options, unsigned bits) {
  if (options.range == quantize::Range::kMinMax) return {1, 1};
  const double shrinks = bits == 2 ? 6 : 7;  // with refits
  switch (options.grid) {
    case quantize::Grid::kSym: return {shrinks, 2};
    case quantize::Grid::kSkew: return {2 * shrinks, 6};
    case quantize::Grid::kAsym: return {bits == 2 ? 4 * shrinks : shrinks, 6};
    case quantize::Grid::kHalf: return {bits == 2 ? 5 * shrinks : shrinks, 6};
    case quantize::Grid::kK: return {65, 40};  // real steps, their multiples three times; three visits a sweep
  }
  return {shrinks, 6};
}

struct FitPlan {
  unsigned bits = 0;
  bool folds_gains = false;    ///< into a norm before it
  bool compares_grid = false;  ///< another grid is tried as well: every so many layers, so in all of a model with one
};

/// Multiply-adds of fitting one linear, its share of what its set has in common included (quantize/shared_fit.h,
/// fit.h).
double fit_work(const pack::StoredMatrix& w, const quantize::Options& options, const FitPlan& how) {
  const auto out = static_cast<double>(w.rows), in = static_cast<double>(w.cols);
  const bool blocks = options.grid == quantize::Grid::kK;
  const double group = blocks                    ? static_cast<double>(pack::k_form(std::min(how.bits, 4U)).sub_size)
                       : options.group_size == 0 ? 1
                                                 : static_cast<double>(std::min<std::size_t>(options.group_size, 128));
  const auto sweeps = static_cast<double>(options.sweeps);
  const auto [search, improve] = tries_of(options, how.bits);
  if (options.method == quantize::Method::kRtn) return kLaneCost * out * in * search;
  const double lanes = kLaneCost * out * in * group / 2;
  double work = 0.5 * out * in * in + lanes * search;  // GPTQ
  if (sweeps > 0) {
    work += out * in * ((2 + 2.6 * sweeps) * in + kSweepCost * sweeps) + lanes * improve * sweeps;
    if (options.refit_scales && !blocks && options.group_size > 0)
      work += kRefitCost * out * (sweeps + 1) * std::pow(in / static_cast<double>(options.group_size), 3);
  }
  if (how.compares_grid) work *= 2;
  work += 1.2 * out * in * in;  // losses
  if (options.corrected_target) work += 2.5 * out * in * in;
  if (options.refit_gains && how.folds_gains) work += 1.4 * out * in * in;
  if (options.method == quantize::Method::kAwq) work += 20 * out * in * (0.6 * in + kLaneCost * search);  // 20 ratios
  return work;
}

/// Weights of the layers that products decode.
double decoded_weights(const model::Model& model) {
  double weights = 0;
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears)
      if (!linear.weight.packed) weights += static_cast<double>(linear.weight.rows * linear.weight.cols);
  return weights;
}

/// Logits of so many tokens: a head that is not packed is decoded anew for every slice of them.
double head_work(const model::Model& model, double tokens) {
  const auto weights = static_cast<double>(model.lm_head.rows * model.lm_head.cols);
  const auto slice = static_cast<double>(model::logit_slice_rows(model.config));
  return weights * (tokens + (model.lm_head.packed ? 0 : kDecodeCost * std::ceil(tokens / slice)));
}

double layer_work(const model::Model& model, const BitPlan& plan, const quantize::Options& options, std::size_t l) {
  const model::ModelConfig& c = model.config;
  double work = 0;
  for (const model::LinearModule& module : linear_modules(c))
    for (const LinearKind kind : module.linears)
      work += fit_work(model.layers[l].linear(kind).weight, options,
                       {.bits = static_cast<unsigned>(plan.layers[l].bits_of(name_in_layer(module))),
                        .folds_gains = c.norms != model::NormPlacement::kAfter && kind != LinearKind::kO &&
                                       kind != LinearKind::kDown,
                        .compares_grid = options.compare_grid && l % options.compare_every == 0});
  if (options.method == quantize::Method::kRtn) return work;
  for (const std::size_t n : {c.hidden_size, c.q_size(), c.hidden_size, c.intermediate_size})
    work += kFactorCost * std::pow(static_cast<double>(n), 3);
  return work;
}

/// Multiply-adds as long as reading a weight, and what each token then costs with it: measured where the model lies in
/// memory, the first on bfloat16 of a Qwen3-4B shape. Dense weights are decoded for products in float32; packed codes,
/// or bfloat16 of two bytes, are multiplied.
struct StepCost {
  double reading, token;
};
constexpr StepCost kDecodedStep = {17, 2}, kPackedStep = {4, 1}, kRoundedStep = {16, 0.5};

/// Both models write; the layers of the one that is made are packed, perhaps its head.
double smoke_work(const model::Model& model, const RunSize& size) {
  const auto cost = [&](StepCost step) { return step.reading + step.token * static_cast<double>(size.prompts); };
  const auto layers = static_cast<double>(linears_footprint(model).parameters);
  const auto head = static_cast<double>(model.lm_head.rows * model.lm_head.cols);
  const double made = layers * cost(kPackedStep) + head * cost(size.packed_embeddings > 0 ? kPackedStep : kDecodedStep);
  return steps_work(model, kSmokeTokens, size.prompts, false) + static_cast<double>(kSmokeTokens) * made;
}

double memory_of(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                 const RunSize& size) {
  const std::size_t rows = std::min(size.scored_tokens, std::max(eval::kForwardTokens, size.scored_window));
  // Both models score side by side; before that, a packed embedding was rounded as a whole.
  const double scoring = packed_layers_memory(plan) + size.packed_embeddings + 2 * pass_memory(model.config, rows);
  const bool walks = size.fits && options.method != quantize::Method::kRtn;
  const double walk = walk_memory(model, options, {walks ? size.tokens : 0, walks ? size.window : 0, size.threads});
  return base_memory(model.config) + packed_memory(model) + std::max(walk, scoring);
}

}  // namespace

double multiply_rate() {
  constexpr std::size_t n = 512;
  std::vector<float> a(n * n, 0.5F), b(n * n, 0.25F), c(n * n);
  double best = 1e9;
  for (int round = 0; round < 10; ++round) {
    const auto start = std::chrono::steady_clock::now();
    kernels::gemm_nt({a.data(), n, n}, {b.data(), n, n}, {c.data(), n, n});
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return static_cast<double>(n * n * n) / best;
}

double quantize_work(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                     const RunSize& size, std::size_t first_layer) {
  const auto layers = static_cast<double>(model.layers.size());
  const double tokens = options.method == quantize::Method::kRtn ? 0 : static_cast<double>(size.tokens);
  double work = kWeightCost * static_cast<double>(linears_footprint(model).parameters) +
                tokens * layers * token_work(model, options, static_cast<double>(size.window));
  if (options.method == quantize::Method::kOmniQuant)  // a forward pass and its adjoint with the gradients of weights
    return work + tokens * static_cast<double>((model.layers.size() - first_layer) * options.clip_epochs) * 4.5 *
                      parameters_of(model.layers.front());
  for (std::size_t l = first_layer; l < model.layers.size(); ++l) work += layer_work(model, plan, options, l);
  return work;
}

double pass_work(const model::Model& model, std::size_t tokens, std::size_t window) {
  const model::ModelConfig& c = model.config;
  const auto attention = static_cast<double>(model.layers.size() * c.q_size() * window);
  const auto all = static_cast<double>(tokens), batch = static_cast<double>(std::max(eval::kForwardTokens, window));
  const double linears = static_cast<double>(linears_footprint(model).parameters);
  return all * (linears + attention) + kDecodeCost * decoded_weights(model) * std::ceil(all / batch) +
         head_work(model, all);
}

double steps_work(const model::Model& model, std::size_t steps, std::size_t sequences, bool rounded) {
  const auto cost_of = [&](const pack::StoredMatrix& weight) {
    return weight.packed ? kPackedStep : rounded ? kRoundedStep : kDecodedStep;
  };
  const auto tokens = static_cast<double>(sequences);
  const auto step_of = [&](const pack::StoredMatrix& weight) {
    const StepCost cost = cost_of(weight);
    return static_cast<double>(weight.rows * weight.cols) * (cost.reading + cost.token * tokens);
  };
  double step = step_of(model.lm_head);
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) step += step_of(linear.weight);
  return static_cast<double>(steps) * step;
}

Estimate estimate(const model::Model& model, const BitPlan& plan, const quantize::Options& options, const RunSize& size,
                  const std::filesystem::path& output) {
  const double work = (size.fits ? quantize_work(model, plan, options, size) : 0) + smoke_work(model, size) +
                      static_cast<double>(size.passes) * pass_work(model, size.scored_tokens, size.scored_window);
  Estimate estimate;
  estimate.seconds = 1 + work / (kKeptRate * multiply_rate() * static_cast<double>(size.threads));
  estimate.memory = static_cast<std::uint64_t>(memory_of(model, plan, options, size));
  // Finished layers wait with a byte a weight until the folder is written.
  estimate.disk =
      static_cast<std::uint64_t>(size_of(plan).bytes + static_cast<double>(linears_footprint(model).parameters));
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(output, error).parent_path();
  while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder, error))
    folder = folder.parent_path();
  const auto space = std::filesystem::space(folder, error);
  if (!error) estimate.disk_free = space.available;
  return estimate;
}

StageSize scoring_size(std::span<const model::Model* const> models, std::size_t tokens, std::size_t window) {
  const std::size_t rows = std::min(tokens, std::max(eval::kForwardTokens, window));
  StageSize size{0, base_memory(models.front()->config)};
  for (const model::Model* model : models) {
    size.work += pass_work(*model, tokens, window);
    size.memory += pass_memory(model->config, rows) + packed_memory(*model);
  }
  return size;
}

StageSize drop_size(const model::Model& model, std::size_t tokens, std::size_t most) {
  const model::ModelConfig& c = model.config;
  const auto layers = static_cast<double>(c.num_hidden_layers), all = static_cast<double>(tokens);
  const double block = static_cast<double>(linears_footprint(model).parameters) / layers;
  const double streams = 4 * all * (layers + 1) * static_cast<double>(c.hidden_size);
  return {
      all * block * (layers * (layers + 1) / 2 + 1) + (layers + 1) * head_work(model, all),
      base_memory(c) + packed_memory(model) +
          std::min(static_cast<double>(most), streams + pass_memory(c, std::min(tokens, diagnose::kDropBatchTokens)))};
}

StageSize geometry_size(const model::Model& model, const diagnose::GeometryLoad& load, std::size_t threads) {
  const model::ModelConfig& c = model.config;
  const auto h = static_cast<double>(c.hidden_size), q = static_cast<double>(c.q_size());
  const auto kv = static_cast<double>(c.kv_size()), layers = static_cast<double>(c.num_hidden_layers);
  const auto tokens = static_cast<double>(load.tokens), longest = static_cast<double>(load.longest);
  const auto draws = static_cast<double>(load.draws);
  const double weights = h * (q + 2 * kv);
  const auto spectrum = [&](double out) {
    const double least = std::min(longest, out), most = std::max(longest, out);
    return least * least * (kGramCost * most + kSpectrumCost * least);
  };
  const double measured =
      (1 + draws) * (tokens * weights + static_cast<double>(load.passages) * (spectrum(q) + 2 * spectrum(kv)));
  const double drawn = kDrawCost * draws * static_cast<double>(load.batches) * weights;
  const double decoded = kDecodeCost * decoded_weights(model) * static_cast<double>(load.batches);
  return {tokens * static_cast<double>(linears_footprint(model).parameters) + decoded + layers * (measured + drawn),
          base_memory(c) + packed_memory(model) + geometry_memory(c, load, threads)};
}

StageSize shares_size(const model::Model& model, const quantize::Options& draft, unsigned bits,
                      const SharesSize& size) {
  const model::ModelConfig& c = model.config;
  BitPlan plan;
  plan.group_size = draft.group_size == 0 ? c.hidden_size : draft.group_size;
  for (const model::Layer& layer : model.layers)
    plan.layers.push_back({.bits = static_cast<int>(bits), .weights = footprint(layer).parameters, .reason = ""});
  const auto layers = static_cast<double>(model.layers.size());
  double work = static_cast<double>(size.fitted) * layers * token_work(model, draft, static_cast<double>(size.window));
  for (std::size_t l = 0; l < model.layers.size(); ++l) work += layer_work(model, plan, draft, l);
  // The original, the draft, its blocks once more, gradients at inputs, and what both weights make of these inputs;
  // the head thrice.
  const double token = 6 * static_cast<double>(linears_footprint(model).parameters) +
                       3 * static_cast<double>(c.vocab_size * c.hidden_size) +
                       7 * layers * static_cast<double>(c.q_size() * size.length);
  work += static_cast<double>(size.judged) * token;
  const std::size_t together = std::min(size.judged, std::max(tune::kAttributionTokens, size.length));
  const double walk = walk_memory(model, draft, {size.fitted, size.window, size.threads});
  return {work, base_memory(c) + packed_memory(model) + packed_layers_memory(plan) +
                    std::max(walk, backward_memory(c, together))};
}

StageSize export_size(const model::Model& model, std::size_t containers, bool folders) {
  double work = 0, largest = 0;
  const auto add = [&](const pack::StoredMatrix& matrix) {
    const double weights = static_cast<double>(matrix.rows * matrix.cols);
    work += weights * (matrix.packed ? kCodeCost : kStoredCost);
    largest = std::max(largest, weights);
  };
  add(model.embed_tokens);
  if (model.lm_head.data != model.embed_tokens.data || model.lm_head.packed != model.embed_tokens.packed)
    add(model.lm_head);
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) add(linear.weight);
  // What was written is read back, packed as the source is; a tensor of a folder is there twice while it is made.
  const double packed = packed_memory(model);
  const double making = folders ? std::max(packed, 2 * kHalf * largest) : 0;
  return {static_cast<double>(containers) * work, base_memory(model.config) + packed + making + kernels::kSlabBytes};
}

StageSize generating_size(const model::Model& model, std::size_t prompt, std::size_t written, std::size_t cache) {
  const auto weights = static_cast<double>(linears_footprint(model).parameters);
  return {static_cast<double>(prompt) * weights + steps_work(model, written, 1, true),
          base_memory(model.config) + packed_memory(model) + static_cast<double>(cache) +
              blocks_memory(model.config, std::min(prompt, eval::kPromptTokens))};
}

void tell(std::string_view what, const StageSize& stage, const Threads& threads, Sink& sink) {
  constexpr double kShort = 5, kMuch = 268435456;  // seconds, bytes
  constexpr double kFastest = 1e12;                // multiply-adds a second of any thread
  const auto workers = static_cast<double>(threads.count() * threads.ranks().size());
  const bool is_large = stage.memory >= kMuch;
  if (!is_large && stage.work < kShort * kFastest * workers / 64) return;  // not worth measuring the rate
  const double seconds = stage.work / (kKeptRate * multiply_rate() * workers);
  if (!is_large && seconds < kShort) return;
  sink.note(fmt::format("{} takes about {} and {} of memory beside the mapped model", what,
                        duration_text(std::max(1.0, seconds)), bytes_text(static_cast<std::size_t>(stage.memory))));
}

void add(const StageSize& stage, std::size_t threads, Estimate& estimate) {
  estimate.seconds += stage.work / (kKeptRate * multiply_rate() * static_cast<double>(threads));
  estimate.memory = std::max(estimate.memory, static_cast<std::uint64_t>(stage.memory));
}

Result<void> check_disk(const Estimate& estimate, std::uint64_t there_already, const std::string& place) {
  const std::uint64_t needed = estimate.disk - std::min(estimate.disk, there_already);
  if (!estimate.disk_free || needed <= *estimate.disk_free) return {};
  return fail(ErrorCode::kIo,
              fmt::format("{}: found {} of free disk, expected {} for the model and its unfinished layers", place,
                          bytes_text(*estimate.disk_free), bytes_text(needed)));
}

}  // namespace lieq::pipeline
