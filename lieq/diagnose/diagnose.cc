#include "lieq/diagnose/diagnose.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/ranks.h"
#include "lieq/diagnose/geometry.h"
#include "lieq/diagnose/perplexity_drop.h"
#include "lieq/diagnose/score.h"

namespace lieq::diagnose {
namespace {

using model::Model;

kernels::Compute compute_of(const ScoreOptions& options) {
  return options.compute == "bf16" ? kernels::Compute::kBF16 : kernels::Compute::kF32;
}

/// A passage and the cell it stands for.
struct Sample {
  std::size_t cell;
  std::vector<TokenId> ids;
};

std::vector<Sample> samples_of(std::span<const Cell> cells, std::size_t per_cell) {
  std::vector<Sample> samples;
  for (std::size_t c = 0; c < cells.size(); ++c)
    for (const std::size_t p : representative(cells[c].passages, per_cell))
      samples.push_back({c, cells[c].passages[p]});
  return samples;
}

/// Passages that run as one batch of the geometry.
std::vector<Share> batches_of(std::span<const Sample> samples) {
  std::vector<Share> batches;
  std::size_t tokens = 0;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const std::size_t own = samples[s].ids.size();
    if (batches.empty() || tokens + own > kGeometryTokens) {
      batches.push_back({s, s});
      tokens = 0;
    }
    batches.back().last = s + 1;
    tokens += own;
  }
  return batches;
}

Result<void> measure_geometry(const Model& model, std::span<const Cell> cells, const ScoreOptions& options,
                              Threads& threads, Sink& sink, LayerScores& scores) {
  const GeometryOptions geometry_options{
      .top_k = options.top_k, .draws = options.draws, .seed = options.seed,
      .input = options.geometry_input == "residual" ? GeometryInput::kResidual : GeometryInput::kNormed,
      .compute = compute_of(options)};
  std::vector<std::size_t> counts(cells.size(), 0);
  for (CellScores& cell : scores.cells) {
    cell.compactness.assign(model.layers.size(), 0);
    cell.energy_gain.assign(model.layers.size(), 0);
  }
  const std::vector<Sample> samples = samples_of(cells, options.passages);
  for (const Share own : batches_of(samples)) {
    std::vector<std::vector<TokenId>> batch;
    for (std::size_t s = own.first; s < own.last; ++s) batch.push_back(samples[s].ids);
    LIEQ_ASSIGN(const auto metrics, geometry(model, batch, geometry_options, threads, sink));
    for (std::size_t s = own.first; s < own.last; ++s) {
      CellScores& cell = scores.cells[samples[s].cell];
      ++counts[samples[s].cell];
      for (std::size_t l = 0; l < model.layers.size(); ++l) {
        cell.compactness[l] += metrics[s - own.first][l].compactness;
        cell.energy_gain[l] += metrics[s - own.first][l].energy_gain;
      }
    }
  }
  for (std::size_t c = 0; c < cells.size(); ++c) {
    for (double& value : scores.cells[c].compactness) value /= static_cast<double>(counts[c]);
    for (double& value : scores.cells[c].energy_gain) value /= static_cast<double>(counts[c]);
  }
  return {};
}

Result<void> measure_perplexity_drop(const Model& model, std::span<const Cell> cells, const DiagnoseOptions& options,
                                     Threads& threads, Sink& sink, LayerScores& scores) {
  std::vector<std::vector<TokenId>> passages;
  for (const Cell& cell : cells) passages.insert(passages.end(), cell.passages.begin(), cell.passages.end());
  const DropOptions drop_options{.compute = compute_of(options.score), .memory = options.memory};
  LIEQ_ASSIGN(const RemovalNll nll, removal_nll(model, passages, drop_options, threads, sink));
  std::size_t first = 0;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const std::size_t end = first + cells[c].passages.size();
    double predicted = 0;
    for (const auto& passage : cells[c].passages) predicted += static_cast<double>(passage.size() - 1);
    const auto perplexity = [&](const std::vector<double>& sums) {
      double sum = 0;
      for (std::size_t p = first; p < end; ++p) sum += sums[p];
      return std::exp(sum / predicted);
    };
    const double whole = perplexity(nll.whole);
    scores.cells[c].perplexity = whole;
    for (std::size_t l = 0; l < nll.without.size(); ++l) {
      const double drop = perplexity(nll.without[l]) - whole;
      if (!std::isfinite(drop))
        return fail(ErrorCode::kNumerical,
                    fmt::format("{}: perplexity without layer {} on {} ({}): found {}, expected a finite value",
                                model.path.string(), l, cells[c].corpus, cells[c].bucket, drop));
      scores.cells[c].perplexity_drop.push_back(drop);
    }
    first = end;
  }
  return {};
}

}  // namespace

GeometryLoad geometry_load(std::span<const Cell> cells, const ScoreOptions& options) {
  const std::vector<Sample> samples = samples_of(cells, options.passages);
  GeometryLoad load{.passages = samples.size(), .draws = options.draws};
  for (const Share own : batches_of(samples)) {
    std::size_t tokens = 0;
    for (std::size_t s = own.first; s < own.last; ++s) {
      tokens += samples[s].ids.size();
      load.longest = std::max(load.longest, samples[s].ids.size());
    }
    ++load.batches;
    load.tokens += tokens;
    load.batch = std::max(load.batch, tokens);
  }
  return load;
}

ModelFacts facts_of(const Model& model, const std::string& name) {
  const model::ModelConfig& config = model.config;
  ModelFacts facts;
  facts.name = name;
  facts.architecture = config.architecture;
  facts.num_hidden_layers = config.num_hidden_layers;
  facts.hidden_size = config.hidden_size;
  facts.intermediate_size = config.intermediate_size;
  facts.num_attention_heads = config.num_attention_heads;
  facts.num_key_value_heads = config.num_key_value_heads;
  facts.vocab_size = config.vocab_size;
  facts.parameters = model::parameter_count(model);
  return facts;
}

Result<LayerScores> diagnose(const Model& model, const std::string& name, std::span<const Cell> cells,
                             const DiagnoseOptions& options, Threads& threads, Sink& sink) {
  LIEQ_TRY(check_options(options.score));
  if (cells.empty()) return fail(ErrorCode::kInvalidArgument, "text: found no passages, expected at least one");
  LayerScores scores;
  scores.model = facts_of(model, name);
  scores.options = options.score;
  for (const model::Layer& layer : model.layers)
    scores.layers.emplace_back().weights = model::footprint(layer).parameters;
  for (const Cell& cell : cells) {
    CellScores& entry = scores.cells.emplace_back();
    entry.corpus = cell.corpus;
    entry.bucket = cell.bucket;
    entry.passages = cell.passages.size();
    for (const auto& passage : cell.passages) entry.tokens += passage.size();
  }
  LIEQ_TRY(measure_geometry(model, cells, options.score, threads, sink, scores));
  if (options.perplexity_drop || options.score.alpha > 0) {
    LIEQ_TRY(measure_perplexity_drop(model, cells, options, threads, sink, scores));
  }
  score_layers(scores);
  return scores;
}

}  // namespace lieq::diagnose
