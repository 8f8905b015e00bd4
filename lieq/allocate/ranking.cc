#include "lieq/allocate/ranking.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "lieq/allocate/steady_shares.h"
#include "lieq/base/check.h"
#include "lieq/base/random.h"

namespace lieq::allocate {
namespace {

Unexpected missing(const std::string& place, std::size_t layer, std::string_view field, std::string_view source) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: layers[{}]: field '{}': missing, expected a number ({})", place, layer, field, source));
}

Result<std::vector<double>> measured_gain(const LayerScores& scores, std::span<const int> choices,
                                          const std::string& place) {
  const std::vector<int> ends = {choices.front(), choices.back()};
  LIEQ_ASSIGN(const auto all, sensitivities(scores, ends, place));
  std::vector<double> gain;
  for (const auto& of_layer : all) gain.push_back(of_layer[0] - of_layer[1]);
  return gain;
}

Result<std::vector<double>> share_of_weights(const LayerScores& scores, const std::string& place) {
  std::vector<double> shares;
  const std::vector<std::map<std::string, double>> steadied = steady_shares(scores);
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    const LayerScore& layer = scores.layers[l];
    if (layer.linears.empty()) return missing(place, l, "linears", "lieq diagnose --kl-shares measures them");
    double sum = 0;
    for (const auto& [name, share] : steadied[l]) sum += share;
    shares.push_back(sum / static_cast<double>(layer.weights));
  }
  return shares;
}

Result<std::vector<double>> values_of(const LayerScores& scores, Ranking ranking, std::span<const int> choices,
                                      const std::string& place) {
  if (ranking == Ranking::kMeasured) return measured_gain(scores, choices, place);
  if (ranking == Ranking::kKlShare) return share_of_weights(scores, place);
  std::vector<double> values;
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    const LayerScore& layer = scores.layers[l];
    std::optional<double> value;
    switch (ranking) {
      case Ranking::kScore: value = layer.score; break;
      case Ranking::kPerplexityDrop: value = layer.perplexity_drop; break;
      case Ranking::kCompactness: value = layer.compactness; break;
      case Ranking::kEnergyGain: value = layer.energy_gain; break;
      default: LIEQ_CHECK(false);
    }
    if (!value) return missing(place, l, "perplexity_drop", "lieq diagnose --perplexity-drop measures it");
    values.push_back(*value);
  }
  return values;
}

void shuffle(std::vector<std::size_t>& layers, std::uint64_t seed) {
  Random random(seed);
  for (std::size_t left = layers.size(); left > 1; --left) std::swap(layers[left - 1], layers[random.below(left)]);
}

}  // namespace

std::string_view name(Ranking ranking) {
  switch (ranking) {
    case Ranking::kScore: return "score";
    case Ranking::kPerplexityDrop: return "perplexity-drop";
    case Ranking::kCompactness: return "compactness";
    case Ranking::kEnergyGain: return "energy-gain";
    case Ranking::kMeasured: return "measured";
    case Ranking::kRandom: return "random";
    case Ranking::kDepth: return "depth";
    case Ranking::kExact: return "exact";
    case Ranking::kKlShare: return "kl-share";
  }
  LIEQ_CHECK(false);
}

Result<std::vector<std::vector<double>>> sensitivities(const LayerScores& scores, std::span<const int> choices,
                                                       const std::string& place) {
  std::vector<std::vector<double>> all;
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    std::vector<double>& of_layer = all.emplace_back();
    for (const int bits : choices) {
      const auto found = scores.layers[l].sensitivity.find(bits);
      // A layer left at 16 bits is what the others are measured against.
      if (found == scores.layers[l].sensitivity.end() && bits != 16)
        return missing(place, l, fmt::format("sensitivity.{}", bits), "measured by quantising this layer alone");
      of_layer.push_back(found == scores.layers[l].sensitivity.end() ? 0 : found->second);
      if (!std::isfinite(of_layer.back()))
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{}: layers[{}]: field 'sensitivity.{}': found {}, expected a finite number", place, l,
                                bits, of_layer.back()));
    }
  }
  return all;
}

Result<Order> order_layers(const LayerScores& scores, Ranking ranking, std::span<const int> choices, std::uint64_t seed,
                           const std::string& place) {
  LIEQ_CHECK(ranking != Ranking::kExact);
  const std::size_t count = scores.layers.size();
  Order order;
  order.layers.resize(count);
  std::iota(order.layers.begin(), order.layers.end(), std::size_t{0});
  if (ranking == Ranking::kRandom) {
    shuffle(order.layers, seed);
    return order;
  }
  if (ranking == Ranking::kDepth) {
    for (std::size_t r = 0; r < count; ++r) order.layers[r] = r % 2 == 0 ? r / 2 : count - 1 - r / 2;
    return order;
  }
  LIEQ_ASSIGN(order.values, values_of(scores, ranking, choices, place));
  if (ranking == Ranking::kScore) {
    // The rank is what the file says, so that it can be edited.
    std::ranges::sort(order.layers, {}, [&](std::size_t l) { return scores.layers[l].rank; });
  } else {
    std::ranges::stable_sort(order.layers, std::greater<>(), [&](std::size_t l) { return order.values[l]; });
  }
  return order;
}

}  // namespace lieq::allocate
