#include "lieq/diagnose/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lieq/base/check.h"

namespace lieq::diagnose {
namespace {

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// (value - shift) / scale
std::vector<double> shifted(std::span<const double> values, double shift, double scale) {
  std::vector<double> result(values.size(), 0.0);
  if (scale == 0) return result;
  std::ranges::transform(values, result.begin(), [&](double v) { return (v - shift) / scale; });
  return result;
}

}  // namespace

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    for (std::size_t i = first; i < end; ++i) ranks[order[i]] = static_cast<double>(first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}

std::vector<double> normalise(std::span<const double> values, Normalize how) {
  if (values.empty()) return {};
  const auto [least, most] = std::ranges::minmax(values);
  if (least == most) return std::vector<double>(values.size(), 0.0);
  switch (how) {
    case Normalize::kMinMax: return shifted(values, least, most - least);
    case Normalize::kSum: {
      double sum = 0;
      for (const double v : values) sum += std::abs(v);
      return shifted(values, 0, sum);
    }
    case Normalize::kZScore: {
      const double centre = mean(values);
      double squares = 0;
      for (const double v : values) squares += (v - centre) * (v - centre);
      return shifted(values, centre, std::sqrt(squares / static_cast<double>(values.size())));
    }
    case Normalize::kRank: return shifted(average_ranks(values), 1, static_cast<double>(values.size() - 1));
  }
  LIEQ_CHECK(false);
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  LIEQ_CHECK(a.size() == b.size());
  if (a.size() < 2) return std::nullopt;
  const std::vector<double> x = average_ranks(a), y = average_ranks(b);
  const double centre = static_cast<double>(a.size() + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - centre) * (y[i] - centre);
    xx += (x[i] - centre) * (x[i] - centre);
    yy += (y[i] - centre) * (y[i] - centre);
  }
  if (xx == 0 || yy == 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

}  // namespace lieq::diagnose
