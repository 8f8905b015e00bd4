#include "lieq/diagnose/geometry.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "lieq/base/random.h"
#include "lieq/diagnose/passages.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/linalg/singular_values.h"

namespace lieq::diagnose {
namespace {

using model::LinearKind;
using model::Model;

constexpr std::array kProjections = {LinearKind::kQ, LinearKind::kK, LinearKind::kV};

/// Computes the metrics of each layer as the forward pass reaches it. Every rank makes the pass and measures its
/// layers.
class Probe : public model::Observer {
 public:
  Probe(const Model& model, std::span<const std::vector<model::TokenId>> passages, const GeometryOptions& options,
        Threads& threads, Sink& sink)
      : model_(model), passages_(passages), options_(options), threads_(threads), sink_(sink) {
    metrics_.assign(passages.size(), std::vector<Geometry>(model.layers.size()));
  }

  void block_input(std::size_t layer, MatrixView<const float> x) override {
    if (options_.input == GeometryInput::kResidual) measure(layer, x);
  }
  void linear_input(std::size_t layer, std::span<const LinearKind> kinds, MatrixView<const float> x) override {
    if (options_.input == GeometryInput::kNormed && kinds.front() == LinearKind::kQ) measure(layer, x);
  }

  /// Those of all ranks: each has measured some layers, and has 0 for the others.
  [[nodiscard]] std::vector<std::vector<Geometry>> take_metrics() {
    std::vector<double> values;
    for (const auto& passage : metrics_)
      for (const Geometry& one : passage) values.insert(values.end(), {one.compactness, one.energy_gain});
    threads_.ranks().add_up(std::span(values));
    auto value = values.begin();
    for (auto& passage : metrics_)
      for (Geometry& one : passage) one = {.compactness = *value++, .energy_gain = *value++};
    return std::move(metrics_);
  }
  [[nodiscard]] std::optional<std::size_t> broken_layer() const { return broken_; }

 private:
  /// Products per projection: the trained one, then the random ones.
  [[nodiscard]] std::size_t variants() const { return 1 + options_.draws; }

  void measure(std::size_t layer, MatrixView<const float> x) {
    if (broken_ || sink_.cancelled()) return;
    if (layer == 0) sink_.progress("geometry", 0, model_.layers.size());
    if (!all_finite(x)) {
      broken_ = layer;
      return;
    }
    if (layer % threads_.ranks().size() == threads_.ranks().rank()) measure_own(layer, x);
    sink_.progress("geometry", layer + 1, model_.layers.size());
  }

  void measure_own(std::size_t layer, MatrixView<const float> x) {
    products_.resize(kProjections.size() * variants());
    for (std::size_t p = 0; p < kProjections.size(); ++p) project(layer, p, x);

    // spectra[passage][projection][variant]
    const std::size_t per_passage = products_.size();
    std::vector<Spectrum> spectra(passages_.size() * per_passage);
    threads_.for_each(spectra.size(), [&](std::size_t item, std::size_t) {
      const std::size_t passage = item / per_passage, product = item % per_passage;
      const std::size_t rows = model_.layers[layer].linear(kProjections[product / variants()]).weight.rows;
      const MatrixView<float> z =
          products_[product].matrix(x.rows(), rows).rows(first_row(passage), passages_[passage].size());
      spectra[item] = spectrum_of(linalg::singular_values(z), options_.top_k);
    });
    for (std::size_t s = 0; s < passages_.size(); ++s) {
      Geometry& mean = metrics_[s][layer];
      for (std::size_t p = 0; p < kProjections.size(); ++p) {
        const auto of_projection = std::span(spectra).subspan(s * per_passage + p * variants(), variants());
        const Geometry one = compare(of_projection.front(), of_projection.subspan(1));
        mean.compactness += one.compactness / static_cast<double>(kProjections.size());
        mean.energy_gain += one.energy_gain / static_cast<double>(kProjections.size());
      }
    }
  }

  /// Z = X Wᵀ for the trained matrix of projection p and for each random one.
  void project(std::size_t layer, std::size_t p, MatrixView<const float> x) {
    const pack::StoredMatrix& trained = model_.layers[layer].linear(kProjections[p]).weight;
    const MatrixView<float> random = random_.matrix(trained.rows, trained.cols);
    const pack::StoredMatrix stored{.name = "random",
                                    .type = DType::kF32,
                                    .rows = trained.rows,
                                    .cols = trained.cols,
                                    .data = reinterpret_cast<const std::byte*>(random.data()),
                                    .interleaved_head_dim = 0};
    for (std::size_t v = 0; v < variants(); ++v) {
      if (v > 0) draw_projection(options_.seed, p, v - 1, model_.config.initializer_range, threads_, random);
      kernels::linear(threads_, v == 0 ? trained : stored, {}, x, kernels::Compute::kF32, scratch_,
                      products_[p * variants() + v].matrix(x.rows(), trained.rows));
    }
  }

  [[nodiscard]] std::size_t first_row(std::size_t passage) const {
    std::size_t row = 0;
    for (std::size_t s = 0; s < passage; ++s) row += passages_[s].size();
    return row;
  }

  static bool all_finite(MatrixView<const float> x) {
    for (std::size_t t = 0; t < x.rows(); ++t)
      if (!std::ranges::all_of(x.row(t), [](float v) { return std::isfinite(v); })) return false;
    return true;
  }

  const Model& model_;
  std::span<const std::vector<model::TokenId>> passages_;
  const GeometryOptions& options_;
  Threads& threads_;
  Sink& sink_;
  kernels::LinearScratch scratch_;
  kernels::Buffer<float> random_;
  std::vector<kernels::Buffer<float>> products_;  // [projection x variant], each [tokens, rows]
  std::vector<std::vector<Geometry>> metrics_;
  std::optional<std::size_t> broken_;
};

}  // namespace

Spectrum spectrum_of(std::span<const double> values, std::size_t top_k) {
  double sum = 0, squares = 0, top = 0, entropy = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    squares += values[i] * values[i];
    if (i + 1 == std::min(top_k, values.size())) top = squares;
  }
  if (sum == 0) return {.effective_rank = 0, .top_energy = 1};
  for (const double s : values)
    if (s > 0) entropy -= s / sum * std::log(s / sum);
  return {.effective_rank = std::exp(entropy), .top_energy = top / squares};
}

Geometry compare(const Spectrum& trained, std::span<const Spectrum> random) {
  LIEQ_CHECK(!random.empty());
  Spectrum mean;
  for (const Spectrum& one : random) {
    mean.effective_rank += one.effective_rank / static_cast<double>(random.size());
    mean.top_energy += one.top_energy / static_cast<double>(random.size());
  }
  LIEQ_CHECK(mean.effective_rank > 0);
  return {.compactness = (mean.effective_rank - trained.effective_rank) / mean.effective_rank,
          .energy_gain = trained.top_energy - mean.top_energy};
}

void draw_projection(std::uint64_t seed, std::size_t projection, std::size_t draw, double initializer_range,
                     Threads& threads, MatrixView<float> W) {
  // The metrics do not depend on the scale; a configuration without one must not give zeros.
  const double deviation = initializer_range > 0 ? initializer_range : 1;
  threads.for_each(W.rows(), [&](std::size_t i, std::size_t) {
    Random random(seed, draw * kProjections.size() + projection, i);
    for (float& value : W.row(i)) value = static_cast<float>(deviation * random.normal());
  });
}

Result<std::vector<std::vector<Geometry>>> geometry(const Model& model,
                                                    std::span<const std::vector<model::TokenId>> passages,
                                                    const GeometryOptions& options, Threads& threads, Sink& sink) {
  LIEQ_CHECK(!passages.empty());
  LIEQ_TRY(check_passages(model, passages));
  if (options.draws == 0 || options.top_k == 0)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("draws and top-k: found {} and {}, expected at least 1 of each", options.draws, options.top_k));
  std::vector<model::TokenId> ids;
  std::vector<model::SequenceSpan> sequences;
  for (const auto& passage : passages) {
    ids.insert(ids.end(), passage.begin(), passage.end());
    sequences.push_back({passage.size(), nullptr});
  }
  Probe probe(model, passages, options, threads, sink);
  model::RunState state(model, threads, options.compute);
  kernels::Buffer<float> buffer;
  model::forward(model, ids, sequences, state, buffer.matrix(ids.size(), model.config.hidden_size),
                 {.skip_layer = std::nullopt, .observer = &probe});
  LIEQ_TRY(check_cancelled(sink));
  if (probe.broken_layer())
    return fail(ErrorCode::kNumerical,
                fmt::format("{}: input of layer {}: found NaN or infinity, expected finite values", model.path.string(),
                            *probe.broken_layer()));
  return probe.take_metrics();
}

}  // namespace lieq::diagnose
