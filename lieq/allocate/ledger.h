#pragma once
/// What widths cost against a budget, in whole numbers: so that a budget that is met exactly is met (internal to
/// allocate/).

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lieq/allocate/allocate.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"

namespace lieq::allocate {

/// Costs are in units of 1 / group_size bit: then scales and zero points, which a group shares, are whole numbers too.
/// All sums stay below 2^63: weights sum to at most 2^44 (layer_scores.h), times 4096 weights a group, times 32.
class Ledger {
 public:
  Ledger(const LayerScores& scores, const AllocateOptions& options);

  [[nodiscard]] std::uint64_t cost(std::size_t layer, int bits) const { return cost_of(weights_[layer], bits); }
  [[nodiscard]] std::uint64_t cost_of(std::uint64_t weights, int bits) const;
  /// Of all layers at one width.
  [[nodiscard]] std::uint64_t cost_of_all(int bits) const { return cost_of(total_, bits); }
  /// The most a plan may cost.
  [[nodiscard]] std::uint64_t limit() const { return limit_; }
  /// The same; for a number of top layers what so many of mean size cost at the highest width, and the others at the
  /// lowest.
  [[nodiscard]] std::uint64_t limit_between(int lowest, int highest) const;
  /// The budget in its own unit that allows `cost`, e.g. "2.0667 code bits"; rounded up, so that it works when typed
  /// in.
  [[nodiscard]] std::string words(std::uint64_t cost) const;
  /// The budget that was asked for, e.g. "2.05 code bits".
  [[nodiscard]] std::string asked() const;

 private:
  Budget budget_;
  std::vector<std::uint64_t> weights_;
  std::uint64_t total_ = 0, group_size_;
  bool k_blocks_;
  double rest_ = 0;  ///< bits of all other weights; counted in bytes only
  std::uint64_t limit_ = 0;
};

}  // namespace lieq::allocate
