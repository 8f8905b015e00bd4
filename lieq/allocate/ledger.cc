#include "lieq/allocate/ledger.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/check.h"

namespace lieq::allocate {
namespace {

using Kind = Budget::Kind;

constexpr long double kMost = 0x1p62L;
/// Forgives the rounding of the budget's decimals and of the product with the weights.
constexpr long double kSlack = 1 + 1e-12L;

std::string_view unit(Kind kind) {
  switch (kind) {
    case Kind::kTop: return "layers";
    case Kind::kCodeBits: return "code bits";
    case Kind::kTrueBits: return "true bits";
    case Kind::kBytes: return "bytes";
  }
  LIEQ_CHECK(false);
}

}  // namespace

Ledger::Ledger(const LayerScores& scores, const AllocateOptions& options)
    : budget_(options.budget), group_size_(options.group_size), k_blocks_(options.k_blocks) {
  const Budget& budget = budget_;
  for (const LayerScore& layer : scores.layers) {
    weights_.push_back(layer.weights);
    total_ += layer.weights;
  }
  rest_ = options.rest_bits * static_cast<double>(scores.model.parameters - total_);
  const auto group = static_cast<long double>(group_size_);
  long double limit = kMost;
  if (budget.kind == Kind::kBytes) {
    limit = (static_cast<long double>(budget.value) * 8 * kSlack - static_cast<long double>(rest_)) * group;
  } else if (budget.kind != Kind::kTop) {
    limit = static_cast<long double>(budget.value) * static_cast<long double>(total_) * group * kSlack;
  }
  limit_ = static_cast<std::uint64_t>(std::clamp(std::floor(limit), 0.0L, kMost));
}

std::uint64_t Ledger::cost_of(std::uint64_t weights, int bits) const {
  const auto width = static_cast<std::uint64_t>(bits);
  const std::uint64_t overhead = budget_.kind == Kind::kCodeBits ? 0 : group_overhead(bits, k_blocks_);
  return weights * (width * group_size_ + overhead);
}

std::uint64_t Ledger::limit_between(int lowest, int highest) const {
  if (budget_.kind != Kind::kTop) return limit_;
  const double part = budget_.value / static_cast<double>(weights_.size());
  const std::uint64_t least = cost_of_all(lowest);
  return least + static_cast<std::uint64_t>(part * static_cast<double>(cost_of_all(highest) - least));
}

std::string Ledger::words(std::uint64_t cost) const {
  const double bits = static_cast<double>(cost) / static_cast<double>(group_size_);
  if (budget_.kind == Kind::kBytes) return fmt::format("{:.0f} bytes", std::ceil((bits + rest_) / 8));
  const double mean = bits / static_cast<double>(total_);
  return fmt::format("{:.6g} {}", std::ceil(mean * 1e4 - 1e-6) / 1e4, unit(budget_.kind));
}

std::string Ledger::asked() const {
  return budget_.kind == Kind::kBytes ? fmt::format("{:.0f} bytes", budget_.value)
                                      : fmt::format("{} {}", budget_.value, unit(budget_.kind));
}

}  // namespace lieq::allocate
