#pragma once
/// Normalisations and rank correlation over the layers.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lieq::diagnose {

/// How a metric becomes comparable with the others across the layers (PAPER section 2, Eq. 8-9).
enum class Normalize {
  kMinMax,  ///< (x - min) / (max - min): [0, 1]
  kSum,     ///< x / sum |x|: metrics may be negative, where a plain sum could vanish
  kZScore,  ///< (x - mean) / standard deviation over the layers (divided by L)
  kRank,    ///< (average rank - 1) / (L - 1), ascending: [0, 1]
};

/// A metric that is the same for all layers tells nothing: all zeros.
[[nodiscard]] std::vector<double> normalise(std::span<const double> values, Normalize how);

/// 1 for the smallest; equal values share the mean of their ranks.
[[nodiscard]] std::vector<double> average_ranks(std::span<const double> values);

/// Spearman's rank correlation: Pearson's of the average ranks. Nothing for fewer than two values or a constant list.
[[nodiscard]] std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

}  // namespace lieq::diagnose
