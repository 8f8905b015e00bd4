#include "lieq/allocate/steady_shares.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace lieq::allocate {
namespace {

constexpr double kVanishing = -8;  // standard deviations below 0, where the normal distribution's tail loses its digits

struct Measured {
  std::size_t layer;
  double weights;
  double share, variance;  ///< for each weight
};

/// Mean of the linears' own values where these have variance `between`, and how much more the shares scatter around it
/// than they should: 0 at the right variance.
struct Fit {
  double mean, excess;
};

Fit fit_at(const std::vector<Measured>& all, double between) {
  double weights = 0, sum = 0, scatter = 0;
  for (const Measured& one : all) {
    const double weight = 1 / (between + one.variance);
    weights += weight;
    sum += weight * one.share;
  }
  const double mean = sum / weights;
  for (const Measured& one : all) scatter += (one.share - mean) * (one.share - mean) / (between + one.variance);
  return {mean, scatter - static_cast<double>(all.size() - 1)};
}

/// Paule and Mandel's variance between linears, by halving an interval: the excess falls as it grows.
double variance_between(const std::vector<Measured>& all) {
  if (fit_at(all, 0).excess <= 0) return 0;
  double low = 0, high = 0;
  for (const Measured& one : all) high += (one.share - all.front().share) * (one.share - all.front().share);
  for (int step = 0; step < 100; ++step) {
    const double middle = (low + high) / 2;
    (fit_at(all, middle).excess > 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// The mean of a normal variable, given that it is at least 0.
double mean_above_zero(double mean, double deviation) {
  if (deviation == 0) return std::max(mean, 0.0);
  const double z = mean / deviation;
  if (z < kVanishing) return -deviation / z;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  return mean + deviation * density / (std::erfc(-z / std::numbers::sqrt2) / 2);
}

}  // namespace

std::vector<std::map<std::string, double>> steady_shares(const LayerScores& scores) {
  std::vector<std::map<std::string, double>> shares(scores.layers.size());
  std::map<std::string, std::vector<Measured>> by_name;
  for (std::size_t l = 0; l < scores.layers.size(); ++l)
    for (const auto& [name, linear] : scores.layers[l].linears) {
      shares[l][name] = linear.kl_share;
      const auto weights = static_cast<double>(linear.weights);
      const double error = linear.kl_share_error / weights;
      by_name[name].push_back({l, weights, linear.kl_share / weights, error * error});
    }
  for (const auto& [name, all] : by_name) {
    const bool are_known = std::ranges::all_of(all, [](const Measured& one) { return one.variance > 0; });
    if (!are_known || all.size() < 3) continue;
    const double between = variance_between(all), mean = fit_at(all, between).mean;
    for (const Measured& one : all) {
      const double kept = between / (between + one.variance);
      const double share = mean_above_zero(mean + kept * (one.share - mean), std::sqrt(kept * one.variance));
      shares[one.layer][name] = share * one.weights;
    }
  }
  return shares;
}

}  // namespace lieq::allocate
