#include "lieq/allocate/linears.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lieq/allocate/steady_shares.h"

namespace lieq::allocate {
namespace {

/// Linears that get one width.
struct LinearSet {
  std::size_t layer;
  std::vector<std::string> names;
  std::vector<std::uint64_t> weights;  ///< of each
  double kl_share = 0;                 ///< of all
  std::size_t choice = 0;              ///< index of their width
};

/// What engines that fuse linears call the matrix that a linear becomes part of; of others, the linear itself.
std::string_view fused_name(std::string_view linear) {
  for (const std::string_view one : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"})
    if (linear == one) return "self_attn.qkv_proj";
  for (const std::string_view one : {"mlp.gate_proj", "mlp.up_proj"})
    if (linear == one) return "mlp.gate_up_proj";
  return linear;
}

/// Sets in the order of their first linears.
std::vector<LinearSet> sets_of(const LayerScores& scores, Unit unit) {
  std::vector<LinearSet> sets;
  const std::vector<std::map<std::string, double>> shares = steady_shares(scores);
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    std::map<std::string_view, std::size_t> of_name;
    for (const auto& [name, share] : scores.layers[l].linears) {
      const auto [at, is_new] = of_name.try_emplace(unit == Unit::kFused ? fused_name(name) : name, sets.size());
      if (is_new) sets.push_back({.layer = l, .names = {}, .weights = {}});
      LinearSet& set = sets[at->second];
      set.names.push_back(name);
      set.weights.push_back(share.weights);
      set.kl_share += shares[l].at(name);
    }
  }
  return sets;
}

/// What a width leaves of a share; the unit is that of the draft's width, which is one for all.
double left_at(int bits) { return std::pow(4.0, -bits); }

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

void give_linears(const LayerScores& scores, Unit unit, const Ledger& ledger, BitPlan& plan) {
  const std::vector<int>& choices = plan.choices;
  std::vector<LinearSet> sets = sets_of(scores, unit);
  std::uint64_t spent = ledger.cost_of_all(choices.front());
  const std::uint64_t limit = ledger.limit_between(choices.front(), choices.back());
  const auto price = [&](const LinearSet& set) {
    std::uint64_t sum = 0;
    for (const std::uint64_t weights : set.weights)
      sum += ledger.cost_of(weights, choices[set.choice + 1]) - ledger.cost_of(weights, choices[set.choice]);
    return sum;
  };
  const auto worth = [&](const LinearSet& set) {
    return set.kl_share * (left_at(choices[set.choice]) - left_at(choices[set.choice + 1])) /
           static_cast<double>(price(set));
  };
  while (true) {
    LinearSet* best = nullptr;
    for (LinearSet& set : sets)
      if (set.choice + 1 < choices.size() && set.kl_share > 0 && spent + price(set) <= limit &&
          (!best || worth(set) > worth(*best)))
        best = &set;
    if (!best) break;
    spent += price(*best);
    ++best->choice;
  }
  for (const LinearSet& set : sets)
    for (std::size_t k = 0; set.choice > 0 && k < set.names.size(); ++k)
      plan.layers[set.layer].linears[set.names[k]] = {choices[set.choice], set.weights[k]};
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    LayerPlan& layer = plan.layers[l];
    layer.reason = fmt::format("share of KL {:.4g}; {} of {} linears raised", scores.layers[l].kl_share(),
                               layer.linears.size(), scores.layers[l].linears.size());
    if (!layer.linears.empty()) fold_widths(layer);
  }
}

}  // namespace lieq::allocate
