#include "lieq/cli/budget.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lieq::cli {

void add_budget_options(OptionSet& app, BudgetOptions& options) {
  app.add("--bits", options.bits, "Mean code bits per weight of the layers: the paper's number, without scales");
  app.add("--top", options.top, "Give this many layers the highest width");
  app.add("--true-bits", options.true_bits, "Mean bits per weight of the layers with scales and zero points");
  app.add("--size", options.size, "Bytes of the whole model, e.g. 60MiB").bytes();
  app.add("--choices", options.choices, "Widths there are: 2,4 or 2,3,4 (also 8)").comma_separated().show_default();
}

void add_ranking_options(OptionSet& app, BudgetOptions& options) {
  std::vector<std::string> rankings, units;
  for (const allocate::Ranking ranking : allocate::kRankings) rankings.emplace_back(allocate::name(ranking));
  for (const allocate::Unit unit : allocate::kUnits) units.emplace_back(allocate::name(unit));
  app.add("--rank", options.ranking,
          fmt::format("What orders the layers: {} (default: score; kl-share with --per fused and linear)",
                      fmt::join(rankings, ", ")))
      .one_of(rankings);
  app.add("--per", options.unit,
          "What gets a width of its own: layer, which all engines take; fused (q, k, v; o; gate, up; down), which those "
          "take that fuse linears; or linear (default: layer; of quantize with --bits, --true-bits or --size: fused)")
      .one_of(units);
}

std::optional<allocate::Ranking> ranking_of(const BudgetOptions& options) {
  for (const allocate::Ranking ranking : allocate::kRankings)
    if (allocate::name(ranking) == options.ranking) return ranking;
  return std::nullopt;
}

std::optional<allocate::Unit> unit_of(const BudgetOptions& options) {
  for (const allocate::Unit unit : allocate::kUnits)
    if (allocate::name(unit) == options.unit) return unit;
  return std::nullopt;
}

Result<std::optional<Budget>> budget_of(const BudgetOptions& options) {
  using Kind = Budget::Kind;
  std::vector<Budget> given;
  if (options.top) given.push_back({Kind::kTop, static_cast<double>(*options.top)});
  if (options.bits) given.push_back({Kind::kCodeBits, *options.bits});
  if (options.true_bits) given.push_back({Kind::kTrueBits, *options.true_bits});
  if (options.size) given.push_back({Kind::kBytes, static_cast<double>(*options.size)});
  if (given.size() > 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("budget: found {}, expected one of --bits, --top, --true-bits and --size", given.size()));
  return given.empty() ? std::nullopt : std::optional(given.front());
}

}  // namespace lieq::cli
