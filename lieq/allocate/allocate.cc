#include "lieq/allocate/allocate.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/exact.h"
#include "lieq/allocate/ledger.h"
#include "lieq/allocate/linears.h"
#include "lieq/base/check.h"
#include "lieq/base/message.h"

namespace lieq::allocate {
namespace {

using Kind = Budget::Kind;

Unexpected invalid(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

Result<std::vector<int>> check_choices(const AllocateOptions& options) {
  std::vector<int> choices = options.choices;
  std::ranges::sort(choices);
  const bool distinct = std::ranges::adjacent_find(choices) == choices.end();
  if (choices.empty() || !distinct || !std::ranges::all_of(choices, is_width))
    return invalid(fmt::format("choices: found {}, expected different widths out of 2, 3, 4, 8 and 16 bits",
                               fmt::join(options.choices, ",")));
  return choices;
}

Result<void> check_options(const LayerScores& scores, const AllocateOptions& options) {
  const double value = options.budget.value;
  if (!std::isfinite(value) || value < 0) return invalid(fmt::format("budget: found {}, expected at least 0", value));
  if (options.group_size < 1 || options.group_size > kMostGroupSize)
    return invalid(fmt::format("group size: found {}, expected 1 to {}", options.group_size, kMostGroupSize));
  if (options.k_blocks && !std::ranges::all_of(options.choices, [](int bits) { return bits >= 2 && bits <= 4; }))
    return invalid(fmt::format("choices: found {}, expected 2, 3 and 4 bits, which K blocks have",
                               fmt::join(options.choices, ",")));
  if (!(options.rest_bits >= 0 && options.rest_bits <= 32))
    return invalid(fmt::format("width of the other weights: found {}, expected 0 to 32 bits", options.rest_bits));
  const auto layers = static_cast<double>(scores.layers.size());
  if (options.budget.kind == Kind::kTop && (value > layers || value != std::floor(value)))
    return invalid(fmt::format("top: found {}, expected a whole number of at most {} (num_hidden_layers of {})", value,
                               layers, printable(scores.model.name)));
  if (options.budget.kind == Kind::kTop && options.ranking == Ranking::kExact)
    return invalid("top: found with the exact ranking, which has no order; expected a budget in bits or bytes");
  if (options.unit != Unit::kLayer && options.ranking != Ranking::kKlShare)
    return invalid(fmt::format("widths of linears: found the ranking {}, expected {}, which knows of linears",
                               name(options.ranking), name(Ranking::kKlShare)));
  return {};
}

/// Words shared by all reasons of one greedy plan.
std::string rank_words(const Order& order, std::size_t rank, Ranking ranking) {
  const std::string start = fmt::format("rank {} of {} by {}", rank + 1, order.layers.size(), name(ranking));
  return order.values.empty() ? start : fmt::format("{} ({:.4g})", start, order.values[order.layers[rank]]);
}

void give_top(const Order& order, std::size_t top, Ranking ranking, BitPlan& plan) {
  for (std::size_t r = 0; r < order.layers.size(); ++r) {
    LayerPlan& layer = plan.layers[order.layers[r]];
    layer.bits = r < top ? plan.choices.back() : plan.choices.front();
    layer.reason = fmt::format("{}: {} the top {}", rank_words(order, r, ranking), r < top ? "among" : "below", top);
  }
}

/// The greedy closed form of allocate.h. All layers at the lowest width fit.
void give_greedily(const Order& order, const Ledger& ledger, Ranking ranking, BitPlan& plan) {
  const std::vector<int>& choices = plan.choices;
  std::uint64_t spent = ledger.cost_of_all(choices.front());
  std::optional<std::size_t> last;  // the rank the budget ends at
  for (std::size_t r = 0; r < order.layers.size(); ++r) {
    const std::size_t l = order.layers[r];
    LayerPlan& layer = plan.layers[l];
    const std::uint64_t others = spent - ledger.cost(l, choices.front());
    std::size_t c = 0;
    while (!last && c + 1 < choices.size() && others + ledger.cost(l, choices[c + 1]) <= ledger.limit()) ++c;
    layer.bits = choices[c];
    spent = others + ledger.cost(l, layer.bits);
    layer.reason = rank_words(order, r, ranking) + (c > 0 ? ": raised" : ": stays");
    if (last) {
      layer.reason += fmt::format("; the budget ends at rank {}", *last + 1);
    } else if (c + 1 < choices.size()) {
      layer.reason += fmt::format("; {} bits would need {}, the budget is {}", choices[c + 1],
                                  ledger.words(others + ledger.cost(l, choices[c + 1])), ledger.asked());
      last = r;
    }
  }
}

Result<void> give_exactly(const LayerScores& scores, const Ledger& ledger, const std::string& place, BitPlan& plan) {
  LIEQ_ASSIGN(const auto values, sensitivities(scores, plan.choices, place));
  std::vector<std::vector<std::uint64_t>> costs;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    costs.emplace_back();
    for (const int bits : plan.choices) costs.back().push_back(ledger.cost(l, bits));
  }
  LIEQ_ASSIGN(const auto chosen, least_total(values, costs, ledger.limit()));
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    plan.layers[l].bits = plan.choices[chosen[l]];
    plan.layers[l].reason = fmt::format("least total sensitivity within the budget: {:.4g} here, {:.4g} at {} bits",
                                        values[l][chosen[l]], values[l][0], plan.choices.front());
  }
  return {};
}

Result<void> check_reachable(const Ledger& ledger, const BitPlan& plan) {
  const std::uint64_t least = ledger.cost_of_all(plan.choices.front());
  if (least <= ledger.limit()) return {};
  const std::string rest =
      plan.budget.kind == Kind::kBytes ? fmt::format(", all other weights at {}", plan.rest_bits) : "";
  return invalid(fmt::format("budget: found {}, expected at least {} (every layer at {} bits{})", ledger.asked(),
                             ledger.words(least), plan.choices.front(), rest));
}

/// Whether not one weight could be raised above the lowest width.
bool leaves_nothing(const Ledger& ledger, const BitPlan& plan) {
  if (plan.choices.size() == 1) return true;
  if (plan.budget.kind == Kind::kTop) return plan.budget.value == 0;
  const std::uint64_t raised = ledger.cost_of(1, plan.choices[1]) - ledger.cost_of(1, plan.choices[0]);
  return ledger.cost_of_all(plan.choices[0]) + raised > ledger.limit();
}

}  // namespace

std::string_view name(Unit unit) {
  switch (unit) {
    case Unit::kLayer: return "layer";
    case Unit::kFused: return "fused";
    case Unit::kLinear: return "linear";
  }
  return "?";
}

Ranking ranking_for(Unit unit) { return unit == Unit::kLayer ? Ranking::kScore : Ranking::kKlShare; }

Result<BitPlan> allocate(const LayerScores& scores, const AllocateOptions& options) {
  LIEQ_CHECK(!scores.layers.empty());
  LIEQ_ASSIGN(const std::vector<int> choices, check_choices(options));
  LIEQ_TRY(check_options(scores, options));
  BitPlan plan;
  plan.model = scores.model;
  plan.ranking = name(options.ranking);
  plan.budget = options.budget;
  plan.choices = choices;
  plan.group_size = options.group_size;
  plan.k_blocks = options.k_blocks;
  plan.rest_bits = options.rest_bits;
  for (const LayerScore& layer : scores.layers) plan.layers.push_back({choices.front(), layer.weights, ""});

  const Ledger ledger(scores, options);
  LIEQ_TRY(check_reachable(ledger, plan));
  if (options.ranking == Ranking::kExact) {
    LIEQ_TRY(give_exactly(scores, ledger, options.place, plan));
    return plan;
  }
  LIEQ_ASSIGN(const Order order, order_layers(scores, options.ranking, choices, options.seed, options.place));
  if (options.unit != Unit::kLayer) {
    give_linears(scores, options.unit, ledger, plan);
  } else if (options.budget.kind == Kind::kTop) {
    give_top(order, static_cast<std::size_t>(options.budget.value), options.ranking, plan);
  } else {
    give_greedily(order, ledger, options.ranking, plan);
  }
  return plan;
}

Result<std::optional<BitPlan>> allocate_uniform(const LayerScores& sizes, const AllocateOptions& options) {
  if (options.budget.kind == Kind::kTop && options.ranking == Ranking::kExact) return std::nullopt;  // refused later
  AllocateOptions any = options;
  any.ranking = Ranking::kDepth;  // needs no scores
  any.unit = Unit::kLayer;
  LIEQ_ASSIGN(BitPlan plan, allocate(sizes, any));
  const auto all = [](const auto& list, auto field, auto value) {
    return std::ranges::all_of(list, [&](const auto& one) { return one.*field == value; });
  };
  // Where no layer could be raised, a smaller one further down the order might have been, or a linear.
  const bool same_size = all(plan.layers, &LayerPlan::weights, plan.layers.front().weights);
  const bool lowest =
      all(plan.layers, &LayerPlan::bits, plan.choices.front()) &&
      (leaves_nothing(Ledger(sizes, options), plan) || (options.unit == Unit::kLayer && same_size));
  if (!lowest && !all(plan.layers, &LayerPlan::bits, plan.choices.back())) return std::nullopt;
  plan.ranking = name(options.ranking);
  for (LayerPlan& layer : plan.layers) layer.reason = "as all layers: the budget leaves no choice";
  return plan;
}

int width_nearest(const LayerScores& sizes, const AllocateOptions& options) {
  const auto [lowest, highest] = std::ranges::minmax(options.choices);
  const Ledger ledger(sizes, options);
  const auto limit = static_cast<double>(ledger.limit_between(lowest, highest));
  const auto distance = [&](int bits) { return std::abs(static_cast<double>(ledger.cost_of_all(bits)) - limit); };
  int nearest = lowest;
  for (const int bits : {2, 3, 4, 8})
    if (bits > lowest && bits <= highest && distance(bits) < distance(nearest)) nearest = bits;
  return nearest;
}

}  // namespace lieq::allocate
