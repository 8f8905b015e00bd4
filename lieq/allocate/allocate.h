#pragma once
/// LayerScores and a budget -> BitPlan: which layers get how many bits. Pure functions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/allocate/ranking.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"

namespace lieq::allocate {

/// What gets a width of its own.
enum class Unit {
  kLayer,   ///< the paper's: uniform inside a layer
  kFused,   ///< what engines fuse into one matrix: q, k and v; gate and up; o and down alone
  kLinear,  ///< each linear, or those that lie in one tensor
};
inline constexpr Unit kUnits[] = {Unit::kLayer, Unit::kFused, Unit::kLinear};
/// "layer", "fused", "linear". All but the first need LayerScore::linears.
[[nodiscard]] std::string_view name(Unit unit);
/// What orders a unit where nothing else is asked for: layers their score, linears what they add to KL.
[[nodiscard]] Ranking ranking_for(Unit unit);

struct AllocateOptions {
  Budget budget;
  std::vector<int> choices = {2, 4};  ///< widths a layer may get, in any order
  Ranking ranking = Ranking::kScore;
  Unit unit = Unit::kLayer;       ///< another: with Ranking::kKlShare alone
  std::uint64_t group_size = 64;  ///< weights that share a scale and a zero point: part of true bits and bytes
  bool k_blocks = false;          ///< as BitPlan::k_blocks: group_size is kKBlockSize, widths are 2, 3 and 4
  double rest_bits = 16;          ///< width of embeddings, norms and head: part of bytes
  std::uint64_t seed = 42;        ///< of Ranking::kRandom
  std::string place = "scores";   ///< opens messages about the scores: their file name
};

/// Chooses one width per layer within the budget.
///
/// Greedy (all rankings but kExact): every layer starts at the lowest width; in the order of the ranking each layer is
/// raised to the highest width that still fits, and the first layer that cannot have the highest of all is the last one
/// raised. For two widths this is the paper's rule (Eq. 11): the largest m whose top m layers fit. For more it is the
/// closed form for layers of n weights each: with B bits to spend above all-lowest and widths b_0 < ... < b_k, the
/// first m = floor(B / (n (b_k - b_0))) layers get b_k, the next one the highest width that what is left pays for, the
/// others b_0. That maximises sum_l s_l b_l, every bit of a layer being worth the same, up to the one layer in between.
/// Budget::kTop instead gives the highest width to the first `value` layers whatever it costs.
///
/// Exact (kExact): least sum of the measured sensitivities within the budget, by dynamic programming (exact.h).
///
/// Unit::kFused and kLinear: all linears start at the lowest width; whichever rise of one, or of a fused set, buys the
/// most KL for its bits is taken as long as one fits. Every bit is taken to leave a quarter of the KL share, as uniform
/// rounding does; shares are taken for what they can be expected to be, noise being known (steady_shares.h).
/// Budget::kTop then pays for as many bits as that many layers of mean size cost.
///
/// The plan never exceeds the budget, and raising the next layer of the ranking by one more width would (its reason
/// names the budget that step needs). Same input, same plan. Cost: O(L log L) greedy.
/// Errors: kInvalidArgument: a budget below all layers at the lowest width, naming the least one that works; more top
/// layers than layers; widths that are none; a ranking by something the scores lack.
/// Source: LieQ, arXiv:2508.03332, Eq. 11-12 and the greedy allocation after them; the paper leaves {2, 3, 4} open.
[[nodiscard]] Result<BitPlan> allocate(const LayerScores& scores, const AllocateOptions& options);

/// The plan where the budget leaves no choice: all layers at the lowest width or all at the highest, whatever ranks
/// them, so that nothing has to be diagnosed. nullopt where layers would compete. Of `sizes` only model and
/// layers[].weights are read. Errors: as allocate().
[[nodiscard]] Result<std::optional<BitPlan>> allocate_uniform(const LayerScores& sizes, const AllocateOptions& options);

/// The width, of 2, 3, 4 and 8 bits from the lowest choice to the highest, at which all layers together cost what is
/// nearest to the budget; of two that are as near the lower: what a draft has that is to tell where the bits should go.
/// Of `sizes` as above.
[[nodiscard]] int width_nearest(const LayerScores& sizes, const AllocateOptions& options);

}  // namespace lieq::allocate
