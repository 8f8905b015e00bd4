#include "lieq/quantize/shared_fit.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/kernels/gemm.h"
#include "lieq/quantize/awq.h"
#include "lieq/quantize/fit.h"
#include "lieq/quantize/gains.h"
#include "lieq/quantize/k_fit.h"
#include "lieq/quantize/row_shares.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kFitTile = 96;

using Weights = std::span<const MatrixView<const float>>;

/// Of each weight.
using AllRules = std::vector<FitRules>;

AnyFitted round_to_nearest(Threads& threads, MatrixView<const float> weight, const FitRules& rules) {
  if (rules.grid.grid == Grid::kK) return k_rtn(threads, weight, pack::k_form(rules.grid.bits), {});
  return rtn(threads, weight, rules);
}

Result<AnyFitted> feed_back(Threads& threads, MatrixView<const float> target, const Quadratic& quadratic,
                            const FitRules& rules) {
  if (rules.grid.grid == Grid::kK)
    return k_gptq(threads, target, quadratic, pack::k_form(rules.grid.bits), rules.sweeps);
  return gptq(threads, target, quadratic, rules);
}

SharedFit fit_rtn(Threads& threads, Weights weights, const AllRules& rules, bool fallback) {
  SharedFit fit;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const MatrixView<const float>& w = weights[k];
    fit.fitted.push_back(round_to_nearest(threads, w, rules[k]));
    LinearReport report = rounding_report(w, fit.fitted.back());
    report.fell_back_to_rtn = fallback;
    fit.reports.push_back(report);
  }
  return fit;
}

Result<void> add_refitted_gains(Threads& threads, Weights targets, const Quadratic& quadratic,
                                const GainChannels& channels, const RowShares& shares, const std::string& place,
                                SharedFit& fit) {
  std::vector<FittedLinear> linears;
  for (std::size_t k = 0; k < targets.size(); ++k) linears.push_back({targets[k], &fit.fitted[k]});
  const auto gains = refit_gains(threads, linears, quadratic, channels.channel_of, channels.count, &shares);
  if (!gains) return fail(gains.error().code, fmt::format("{}: gains: {}", place, gains.error().message));
  if (fit.gains.empty()) fit.gains.assign(channels.count, 1.0F);
  for (std::size_t c = 0; c < channels.count; ++c) fit.gains[c] *= (*gains)[c];
  return {};
}

/// What all linears of a set are fitted to.
struct Targets {
  std::vector<std::vector<float>> owned;
  std::vector<MatrixView<const float>> views;

  /// A copy of target k that may be changed.
  MatrixView<float> own(std::size_t k) {
    owned.resize(views.size());
    const MatrixView<const float> from = views[k];
    if (owned[k].empty())
      for (std::size_t i = 0; i < from.rows(); ++i)
        owned[k].insert(owned[k].end(), from.row(i).begin(), from.row(i).end());
    const MatrixView<float> mine(owned[k].data(), from.rows(), from.cols());
    views[k] = mine;
    return mine;
  }
};

/// Scales the targets up and the quadratic form down. Returns the gains for the inputs, 1 / s.
Result<std::vector<float>> scale_awq(Threads& threads, std::span<const float> magnitude, const FitRules& rules,
                                     const Options& options, Targets& targets, Quadratic& quadratic) {
  const std::size_t in = quadratic.size();
  const AwqScales found = awq_scales(threads, targets.views, magnitude, quadratic.hessian(), rules, options.awq_duo);
  std::vector<float> hessian(in * in), gains(in);
  for (std::size_t j = 0; j < in; ++j) gains[j] = 1 / found.scales[j];
  threads.for_each(in, [&](std::size_t i, std::size_t) {
    for (std::size_t j = 0; j < in; ++j) hessian[i * in + j] = quadratic.hessian()(i, j) * gains[i] * gains[j];
  });
  for (std::size_t k = 0; k < targets.views.size(); ++k) {
    const MatrixView<float> target = targets.own(k);
    for (std::size_t i = 0; i < target.rows(); ++i)
      for (std::size_t j = 0; j < in; ++j) target(i, j) *= found.scales[j];
  }
  LIEQ_ASSIGN(quadratic, Quadratic::create(threads, std::move(hessian), 0));  // already damped
  return gains;
}

/// Clipping keeps the loss in view and changes only what is rounded. The search of grids shrinks ranges itself: after a
/// clipping it made the demo model worse (KL 0.176 instead of 0.155 at 2 bits).
Fitted clip_and_round(Threads& threads, MatrixView<const float> target, const FitRules& rules, const Options& options,
                      const Quadratic& quadratic) {
  if (!options.awq_clip || options.range == Range::kSearch) return rtn(threads, target, rules);
  std::vector<float> clipped;
  for (std::size_t i = 0; i < target.rows(); ++i)
    clipped.insert(clipped.end(), target.row(i).begin(), target.row(i).end());
  const MatrixView<float> w(clipped.data(), target.rows(), target.cols());
  awq_clip(threads, w, quadratic.hessian(), rules);
  return rtn(threads, w, rules);
}

}  // namespace

LinearReport rounding_report(MatrixView<const float> weight, const AnyFitted& fitted) {
  LinearReport report;
  double energy = 0;
  std::vector<float> row(weight.cols());
  for (std::size_t i = 0; i < weight.rows(); ++i) {
    decode_row(fitted, i, row.data());
    for (std::size_t j = 0; j < weight.cols(); ++j) {
      const double error = static_cast<double>(weight(i, j)) - static_cast<double>(row[j]);
      report.loss += error * error;
      energy += static_cast<double>(weight(i, j)) * static_cast<double>(weight(i, j));
    }
  }
  report.relative_loss = energy > 0 ? report.loss / energy : 0;
  return report;
}

std::vector<float> corrected_target(Threads& threads, MatrixView<const float> weight, std::size_t first,
                                    const InputStatistics& statistics, const Quadratic& quadratic, float strength) {
  const std::size_t rows = weight.rows(), in = weight.cols();
  std::vector<float> target(rows * in);
  const MatrixView<float> t(target.data(), rows, in);
  if (statistics.cross_is_output) {
    std::copy_n(statistics.cross.begin() + static_cast<std::ptrdiff_t>(first * in), rows * in, target.begin());
  } else {
    threads.for_each((rows + kFitTile - 1) / kFitTile, [&](std::size_t tile, std::size_t) {
      const std::size_t count = std::min(kFitTile, rows - tile * kFitTile);
      kernels::gemm_nn_add(weight.rows(tile * kFitTile, count), {statistics.cross.data(), in, in},
                           t.rows(tile * kFitTile, count));
    });
  }
  quadratic.solve(threads, t);
  threads.for_each(rows, [&](std::size_t i, std::size_t) {
    for (std::size_t j = 0; j < in; ++j) t(i, j) = weight(i, j) + strength * t(i, j);
  });
  return target;
}

Result<SharedFit> fit_shared(Threads& threads, Weights weights, InputStatistics statistics,
                             const GainChannels& channels, const Options& options, std::span<const unsigned> bits,
                             const std::string& place, Sink& sink) {
  LIEQ_CHECK(bits.size() == weights.size());
  AllRules rules;
  for (const unsigned width : bits) rules.push_back(fit_rules(options, width, weights.front().cols()));
  if (options.method == Method::kRtn) return fit_rtn(threads, weights, rules, false);
  auto created = Quadratic::create(threads, std::move(statistics.hessian), options.damping);
  if (!created) {
    const std::string message = fmt::format("{}: {}", place, created.error().message);
    if (options.on_singular != OnSingular::kRtn)
      return fail(created.error().code,
                  message + " (raise the damping, or allow a fall-back to RTN with on_singular=rtn)");
    sink.warn(message + "; rounded to nearest instead");
    return fit_rtn(threads, weights, rules, true);
  }
  Quadratic quadratic = std::move(created).value();
  SharedFit fit;
  const bool awq = options.method == Method::kAwq;
  const RowShares shares(threads.ranks(), weights, !awq);  // AWQ's scales depend on all rows
  Targets targets;
  for (std::size_t k = 0; k < weights.size(); ++k) targets.views.push_back(shares.own(k, weights[k]));
  const std::vector<MatrixView<const float>> own = targets.views;
  targets.owned.resize(weights.size());
  if (!statistics.cross.empty()) {
    const auto strength = static_cast<float>(options.correction);
    for (std::size_t k = 0; k < weights.size(); ++k) {
      targets.owned[k] = corrected_target(threads, own[k], shares.own(k).first, statistics, quadratic, strength);
      targets.views[k] = {targets.owned[k].data(), own[k].rows(), own[k].cols()};
    }
  }
  std::vector<double> energies;
  for (std::size_t k = 0; k < own.size(); ++k)
    energies.push_back(shares.sum(k, row_energies(threads, own[k], quadratic.hessian())));
  if (awq && channels.count == quadratic.size() && channels.channel_of.empty()) {
    const auto narrowest = std::ranges::min_element(rules, {}, [](const FitRules& one) { return one.grid.bits; });
    auto gains = scale_awq(threads, statistics.magnitude, *narrowest, options, targets, quadratic);
    if (!gains) return fail(gains.error().code, fmt::format("{}: {}", place, gains.error().message));
    fit.gains = std::move(gains).value();
  }
  for (std::size_t k = 0; k < weights.size(); ++k) {
    sink.detail(place + ": fitted", k, weights.size());
    AnyFitted rows;
    if (awq && options.awq_then == Method::kRtn) {
      rows = clip_and_round(threads, targets.views[k], rules[k], options, quadratic);
    } else {
      auto fitted = feed_back(threads, targets.views[k], quadratic, rules[k]);
      if (!fitted) return fail(fitted.error().code, fmt::format("{}: {}", place, fitted.error().message));
      rows = std::move(fitted).value();
    }
    LinearReport& report = fit.reports.emplace_back();
    report.loss = shares.sum(k, row_losses(threads, targets.views[k], rows, quadratic.hessian()));
    fit.fitted.push_back(shares.gather(k, std::move(rows)));
    report.relative_loss = energies[k] > 0 ? report.loss / energies[k] : 0;
    if (options.compare_grid && options.method == Method::kGptq) {
      FitRules other = rules[k];
      other.grid.grid = *options.compare_grid;
      if (const auto compared = gptq(threads, targets.views[k], quadratic, other))
        report.compared_loss = shares.sum(k, row_losses(threads, targets.views[k], *compared, quadratic.hessian()));
    }
  }
  if (channels.count > 0 && options.refit_gains)
    LIEQ_TRY(add_refitted_gains(threads, targets.views, quadratic, channels, shares, place, fit));
  return fit;
}

}  // namespace lieq::quantize
