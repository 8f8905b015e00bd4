#pragma once
/// The best plan for measured sensitivities, by dynamic programming (internal to allocate/).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::allocate {

/// Chooses one option per layer with the least total value at a total cost of at most `limit`.
/// values, costs: [layer][option]. The cheapest options of all layers fit together. Ties: the cheaper plan, then the
/// lower options of the later layers. Assumes, as a sum does, that the layers' losses do not interact.
/// Cost: O(L F O log F) for O options; F, the plans none of which is both dearer and worse than another, is at most the
/// number of distinct costs: about L (b_k - b_0) when all layers have the same size.
/// Errors: kUnsupported when F passes 2^20, which takes many layers of unrelated sizes.
[[nodiscard]] Result<std::vector<std::size_t>> least_total(const std::vector<std::vector<double>>& values,
                                                           const std::vector<std::vector<std::uint64_t>>& costs,
                                                           std::uint64_t limit);

}  // namespace lieq::allocate
