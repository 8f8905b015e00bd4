#include "lieq/allocate/linears.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace lieq::allocate {
namespace {

struct Linear {
  std::size_t layer;
  std::string name;
  LinearShare share;
  std::size_t choice = 0;  ///< index of its width
};

/// What a width leaves of a share that was measured at the lowest.
double left_at(int bits, int lowest) { return std::pow(4.0, lowest - bits); }

/// The budget, or, for a number of layers, what so many of mean size cost at the highest width.
std::uint64_t limit_of(const LayerScores& scores, const Ledger& ledger, const BitPlan& plan) {
  if (plan.budget.kind != Budget::Kind::kTop) return ledger.limit();
  std::uint64_t lowest = 0, highest = 0;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    lowest += ledger.cost(l, plan.choices.front());
    highest += ledger.cost(l, plan.choices.back());
  }
  const double part = plan.budget.value / static_cast<double>(scores.layers.size());
  return lowest + static_cast<std::uint64_t>(part * static_cast<double>(highest - lowest));
}

/// Where all linears of a layer have one width it is the layer's.
void fold_widths(LayerPlan& layer) {
  std::uint64_t named = 0;
  for (const auto& [name, one] : layer.linears) named += one.weights;
  const int first = layer.linears.begin()->second.bits;
  const bool uniform = std::ranges::all_of(layer.linears, [&](const auto& one) { return one.second.bits == first; });
  if (!uniform || named != layer.weights) return;
  layer.bits = first;
  layer.linears.clear();
}

}  // namespace

void give_linears(const LayerScores& scores, const Ledger& ledger, BitPlan& plan) {
  const std::vector<int>& choices = plan.choices;
  std::vector<Linear> linears;
  std::uint64_t spent = 0;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    spent += ledger.cost(l, choices.front());
    for (const auto& [name, share] : scores.layers[l].linears) linears.push_back({l, name, share});
  }
  const std::uint64_t limit = limit_of(scores, ledger, plan);
  const auto price = [&](const Linear& one) {
    return ledger.cost_of(one.share.weights, choices[one.choice + 1]) -
           ledger.cost_of(one.share.weights, choices[one.choice]);
  };
  const auto worth = [&](const Linear& one) {
    return one.share.kl_share *
           (left_at(choices[one.choice], choices.front()) - left_at(choices[one.choice + 1], choices.front())) /
           static_cast<double>(price(one));
  };
  while (true) {
    Linear* best = nullptr;
    for (Linear& one : linears)
      if (one.choice + 1 < choices.size() && one.share.kl_share > 0 && spent + price(one) <= limit &&
          (!best || worth(one) > worth(*best)))
        best = &one;
    if (!best) break;
    spent += price(*best);
    ++best->choice;
  }
  for (const Linear& one : linears)
    if (one.choice > 0) plan.layers[one.layer].linears[one.name] = {choices[one.choice], one.share.weights};
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    LayerPlan& layer = plan.layers[l];
    layer.reason = fmt::format("share of KL {:.4g}; {} of {} linears raised", scores.layers[l].kl_share(),
                               layer.linears.size(), scores.layers[l].linears.size());
    if (!layer.linears.empty()) fold_widths(layer);
  }
}

}  // namespace lieq::allocate
