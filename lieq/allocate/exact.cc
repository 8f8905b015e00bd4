#include "lieq/allocate/exact.h"

#include <algorithm>
#include <tuple>

#include "lieq/base/check.h"

namespace lieq::allocate {
namespace {

constexpr std::size_t kMostPlans = std::size_t{1} << 20;

/// A choice for the layers so far.
struct Plan {
  std::uint64_t cost = 0;
  double value = 0;
  std::size_t parent = 0, option = 0;  ///< index in the previous layer's front; option of this layer
};

/// Drops plans that cost at least as much as another and are no better.
void keep_front(std::vector<Plan>& plans) {
  std::ranges::sort(plans, {}, [](const Plan& p) { return std::tuple(p.cost, p.value, p.option, p.parent); });
  std::size_t kept = 0;
  for (const Plan& plan : plans) {
    if (kept == 0 || plan.value < plans[kept - 1].value) plans[kept++] = plan;
  }
  plans.resize(kept);
}

}  // namespace

Result<std::vector<std::size_t>> least_total(const std::vector<std::vector<double>>& values,
                                             const std::vector<std::vector<std::uint64_t>>& costs,
                                             std::uint64_t limit) {
  const std::size_t layers = values.size();
  LIEQ_CHECK(layers > 0 && costs.size() == layers);
  std::uint64_t cheapest_rest = 0;  // of the layers still to come
  for (const auto& of_layer : costs) cheapest_rest += std::ranges::min(of_layer);
  LIEQ_CHECK(cheapest_rest <= limit);

  std::vector<std::vector<Plan>> fronts = {{Plan{}}};
  for (std::size_t l = 0; l < layers; ++l) {
    cheapest_rest -= std::ranges::min(costs[l]);
    const std::vector<Plan>& before = fronts.back();
    std::vector<Plan> after;
    for (std::size_t p = 0; p < before.size(); ++p) {
      for (std::size_t option = 0; option < costs[l].size(); ++option) {
        const std::uint64_t cost = before[p].cost + costs[l][option];
        if (cost + cheapest_rest <= limit) after.push_back({cost, before[p].value + values[l][option], p, option});
      }
    }
    keep_front(after);
    if (after.size() > kMostPlans)
      return fail(ErrorCode::kUnsupported,
                  "exact allocation: layers of too many different sizes, expected sizes with a common "
                  "divisor; use another --rank");
    fronts.push_back(std::move(after));
  }
  // The front falls in value as it rises in cost: its last plan is the best.
  std::vector<std::size_t> chosen(layers);
  std::size_t at = fronts.back().size() - 1;
  for (std::size_t l = layers; l > 0; --l) {
    chosen[l - 1] = fronts[l][at].option;
    at = fronts[l][at].parent;
  }
  return chosen;
}

}  // namespace lieq::allocate
