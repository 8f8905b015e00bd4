#include "lieq/pipeline/loss_aware.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "lieq/pipeline/token_sequences.h"
#include "lieq/quantize/activations.h"
#include "lieq/quantize/quadratic.h"
#include "lieq/quantize/refit.h"
#include "lieq/tune/tuned_model.h"

namespace lieq::pipeline {
namespace {

using model::LinearKind;

constexpr std::uint64_t kLabelSeed = 7;

std::size_t index(LinearKind kind) { return static_cast<std::size_t>(kind); }

/// Linears that read the same inputs share a Hessian.
std::size_t input_set(LinearKind kind) {
  switch (kind) {
    case LinearKind::kQ:
    case LinearKind::kK:
    case LinearKind::kV: return 0;
    case LinearKind::kO: return 1;
    case LinearKind::kGate:
    case LinearKind::kUp: return 2;
    default: return 3;
  }
}

/// Sums over tokens of one layer.
struct LayerSums {
  std::array<std::optional<quantize::ProductSum>, model::kLinearsPerLayer> gradient;  // [out, in]
  std::array<std::optional<quantize::ProductSum>, 4> square;                          // [in, in]
  std::array<std::vector<double>, model::kLinearsPerLayer> fisher;                    // [out]
  std::array<std::vector<float>, 4> hessian;                                          // taken from `square`
};

class Gradients : public tune::GradientObserver {
 public:
  Gradients(LayerSums& sums, float share, Threads& threads) : sums_(sums), share_(share), threads_(threads) {}

  void linear(LinearKind kind, MatrixView<const float> input, MatrixView<const float> d_output) override {
    auto& gradient = sums_.gradient[index(kind)];
    if (!gradient) gradient.emplace(d_output.cols(), input.cols());
    const MatrixView<float> scaled = scaled_.matrix(d_output.rows(), d_output.cols());
    threads_.for_each(scaled.rows(), [&](std::size_t t, std::size_t) {
      for (std::size_t i = 0; i < scaled.cols(); ++i) scaled(t, i) = share_ * d_output(t, i);
    });
    gradient->add(threads_, scaled, input);
    const bool first = kind == LinearKind::kQ || kind == LinearKind::kO || kind == LinearKind::kGate ||
                       kind == LinearKind::kDown;
    if (!first) return;
    auto& square = sums_.square[input_set(kind)];
    if (!square) square.emplace(input.cols(), input.cols());
    square->add_square(threads_, input);
  }
  void norm(model::Role, std::span<const float>) override {}

 private:
  LayerSums& sums_;
  float share_;
  Threads& threads_;
  kernels::Buffer<float> scaled_;
};

class Fisher : public tune::GradientObserver {
 public:
  explicit Fisher(LayerSums& sums) : sums_(sums) {}
  void linear(LinearKind kind, MatrixView<const float>, MatrixView<const float> d_output) override {
    std::vector<double>& sum = sums_.fisher[index(kind)];
    sum.resize(d_output.cols());
    for (std::size_t t = 0; t < d_output.rows(); ++t)
      for (std::size_t i = 0; i < d_output.cols(); ++i)
        sum[i] += static_cast<double>(d_output(t, i)) * static_cast<double>(d_output(t, i));
  }
  void norm(model::Role, std::span<const float>) override {}

 private:
  LayerSums& sums_;
};

struct Counted {
  std::size_t changed = 0, all = 0;
};

/// One layer fitted to the shifted targets.
Result<quantize::QuantizedLayer> shifted(const quantize::QuantizedLayer& from, LayerSums& sums, std::size_t tokens,
                                         std::size_t fisher_tokens, double caution, const LossAwareOptions& options,
                                         quantize::Options recipe, Threads& threads, Counted& counted) {
  quantize::QuantizedLayer made = from;
  recipe.sweeps = options.sweeps;
  std::array<std::optional<quantize::Quadratic>, 4> quadratics;
  for (std::size_t s = 0; s < 4; ++s) {
    if (sums.hessian[s].empty()) sums.hessian[s] = sums.square[s]->take_symmetric(threads);
    std::vector<float> hessian = sums.hessian[s];
    for (float& value : hessian) value /= static_cast<float>(tokens);
    LIEQ_ASSIGN(quadratics[s], quantize::Quadratic::create(threads, std::move(hessian), options.damping));
  }
  for (const LinearKind kind : model::kLinearKinds) {
    const pack::QuantizedMatrix& matrix = from.linear(kind);
    const quantize::Quadratic& quadratic = *quadratics[input_set(kind)];
    const MatrixView<const float> gradient = sums.gradient[index(kind)]->view();
    std::vector<float> storage(matrix.rows * matrix.cols), row(matrix.cols);
    const MatrixView<float> target(storage.data(), matrix.rows, matrix.cols);
    for (std::size_t i = 0; i < matrix.rows; ++i) std::ranges::copy(gradient.row(i), target.row(i).begin());
    quadratic.solve(threads, target);
    const std::vector<double>& fisher = sums.fisher[index(kind)];
    double mean = 0;
    for (const double f : fisher) mean += f / static_cast<double>(fisher.size());
    for (std::size_t i = 0; i < matrix.rows; ++i) {
      // Few tokens: a row's own curvature is drawn to the mean's.
      const double gamma = (0.5 * fisher[i] + 0.5 * mean) / static_cast<double>(fisher_tokens);
      const auto step = static_cast<float>(1 / (caution * gamma));
      pack::dequantize_row(matrix, i, row.data());
      for (std::size_t j = 0; j < matrix.cols; ++j) target(i, j) = row[j] - step * target(i, j);
    }
    pack::QuantizedMatrix fitted = quantize::refit(threads, matrix, target, quadratic, recipe);
    for (std::size_t k = 0; k < fitted.codes.size(); ++k) counted.changed += fitted.codes[k] != matrix.codes[k];
    counted.all += fitted.codes.size();
    made.linear(kind) = std::move(fitted);
  }
  return made;
}

}  // namespace

Result<SecondLook> look_again(const LayersJob& job, const LossAwareOptions& options, const LayerSource& layer,
                              Threads& threads, Sink& sink) {
  const model::Model& original = job.bundle->model;
  const Calibration& calibration = *job.calibration;
  const TokenSequences text(calibration.ids, calibration.window, options.length);
  const TokenSequences validation(calibration.validation, calibration.window, options.length);
  const std::size_t hidden = original.config.hidden_size, layers = original.layers.size();
  const std::size_t batch = std::max<std::size_t>(1, options.batch / text.length);
  SecondLook look;
  for (std::size_t l = 0; l < layers; ++l) {
    LIEQ_ASSIGN(quantize::QuantizedLayer one, layer(l));
    look.layers.push_back(std::move(one));
  }
  std::vector<float> buffer(batch * text.length * hidden);
  const auto kl_of = [&](tune::TunedModel& tuned) -> Result<double> {
    double sum = 0;
    for (std::size_t s = 0; s < validation.count(); s += batch) {
      const auto ids = validation.at(s, std::min(batch, validation.count() - s));
      const MatrixView<float> outputs(buffer.data(), ids.size(), hidden);
      tuned.run_original(ids, outputs);
      LIEQ_ASSIGN(const double kl, tuned.kl(ids, outputs, sink));
      sum += kl * static_cast<double>(ids.size());
    }
    return sum / static_cast<double>(validation.ids.size());
  };
  std::size_t next = 0;  // sequence
  double caution = options.caution;
  for (std::size_t round = 0; round < options.rounds; ++round) {
    const auto source = [&](std::size_t l) -> Result<quantize::QuantizedLayer> { return look.layers[l]; };
    LIEQ_ASSIGN(const model::Model quantised, with_layers(job, source, threads));
    LIEQ_ASSIGN(tune::TunedModel tuned, tune::TunedModel::create(original, quantised, text.length, threads));
    if (round == 0) {
      LIEQ_ASSIGN(look.record.start, kl_of(tuned));
      look.record.best = look.record.start;
      sink.note(fmt::format("KL {:.4f} on validation text", look.record.start));
    }
    std::vector<LayerSums> sums(layers);
    std::size_t seen = 0, fisher_seen = 0;
    std::optional<Gradients> gradients;
    std::optional<Fisher> fisher;
    const std::size_t wanted = std::max<std::size_t>(1, options.tokens / text.length);
    double train_kl = 0;
    for (std::size_t s = 0; s < wanted; s += batch) {
      std::vector<text::TokenId> ids;
      for (std::size_t k = 0; k < std::min(batch, wanted - s); ++k, ++next) {
        // A stride that visits every sequence, so that a round sees all of the text.
        const auto one = text.at((next * 7919) % text.count(), 1);
        ids.insert(ids.end(), one.begin(), one.end());
      }
      const MatrixView<float> outputs(buffer.data(), ids.size(), hidden);
      tuned.run_original(ids, outputs);
      const float share = static_cast<float>(ids.size());
      LIEQ_ASSIGN(const double kl, tuned.observe(ids, outputs, 0, [&](std::size_t l) -> tune::GradientObserver& {
        return gradients.emplace(sums[l], share, threads);
      }, sink));
      train_kl += kl * static_cast<double>(ids.size());
      seen += ids.size();
      if (fisher_seen < options.fisher_tokens) {
        LIEQ_TRY(tuned.observe_sampled(ids, kLabelSeed + round, 0, [&](std::size_t l) -> tune::GradientObserver& {
          return fisher.emplace(sums[l]);
        }, sink));
        fisher_seen += ids.size();
      }
      sink.progress(fmt::format("looking again, round {}", round + 1), seen, wanted * text.length);
    }
    // Mean per token.
    bool kept = false;
    for (std::size_t attempt = 0; attempt < options.tries && !kept; ++attempt) {
      LossAwareRound& report = look.record.rounds.emplace_back();
      report.caution = caution;
      std::vector<quantize::QuantizedLayer> tried;
      Counted counted;
      for (std::size_t l = 0; l < layers; ++l) {
        LIEQ_ASSIGN(quantize::QuantizedLayer one,
                    shifted(look.layers[l], sums[l], seen, fisher_seen, caution * static_cast<double>(seen), options, job.options, threads, counted));
        tried.push_back(std::move(one));
      }
      const auto trial = [&](std::size_t l) -> Result<quantize::QuantizedLayer> { return tried[l]; };
      LIEQ_ASSIGN(const model::Model candidate, with_layers(job, trial, threads));
      LIEQ_ASSIGN(tune::TunedModel judged, tune::TunedModel::create(original, candidate, text.length, threads));
      LIEQ_ASSIGN(report.kl, kl_of(judged));
      report.share_of_codes = static_cast<double>(counted.changed) / static_cast<double>(counted.all);
      report.kept = kept = report.kl < look.record.best;
      sink.note(fmt::format("round {}: train KL {:.4f}, caution {}, {:.2f} % of codes changed, KL {:.4f}{}", round + 1,
                            train_kl / static_cast<double>(seen), caution, 100 * report.share_of_codes, report.kl,
                            kept ? "" : ", undone"));
      if (kept) {
        look.record.best = report.kl;
        look.layers = std::move(tried);
      } else {
        caution *= 2;
      }
    }
    if (!kept) break;
  }
  return look;
}

}  // namespace lieq::pipeline
