#pragma once
/// Orders of the layers, most worth their bits first: the paper's and those it is to be compared with.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"

namespace lieq::allocate {

enum class Ranking {
  kScore,           ///< the rank diagnosis gave (Eq. 10)
  kPerplexityDrop,  ///< one metric alone
  kCompactness,
  kEnergyGain,
  kMeasured,        ///< sensitivity at the lowest width less that at the highest
  kRandom,          ///< seeded
  kDepth,           ///< ends first: 0, L-1, 1, L-2, ...
  kExact,           ///< no order: least total sensitivity
  kKlShare,         ///< what rounding the layer adds to the KL of a draft, for each of its weights
};

inline constexpr Ranking kRankings[] = {Ranking::kScore,      Ranking::kPerplexityDrop, Ranking::kCompactness,
                                        Ranking::kEnergyGain, Ranking::kMeasured,       Ranking::kRandom,
                                        Ranking::kDepth,      Ranking::kExact,          Ranking::kKlShare};

/// "score", "perplexity-drop", "compactness", "energy-gain", "measured", "random", "depth", "exact", "kl-share".
[[nodiscard]] std::string_view name(Ranking ranking);

struct Order {
  std::vector<std::size_t> layers;  ///< layers[r] is the layer of rank r + 1
  std::vector<double> values;       ///< of each layer, what it was ranked by; empty for random and depth
};

/// Ties go to the lower layer. choices: ascending. Errors: kInvalidArgument "PLACE: layers[3]: ...: missing, ..." when
/// the scores lack what the ranking needs. Not for kExact.
[[nodiscard]] Result<Order> order_layers(const LayerScores& scores, Ranking ranking, std::span<const int> choices,
                                         std::uint64_t seed, const std::string& place);

/// The sensitivity of each layer at each of `choices`, [layer][choice]. Errors: as order_layers.
[[nodiscard]] Result<std::vector<std::vector<double>>> sensitivities(const LayerScores& scores,
                                                                     std::span<const int> choices,
                                                                     const std::string& place);

}  // namespace lieq::allocate
