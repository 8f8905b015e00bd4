#pragma once
/// The budget options that allocate and quantize share.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lieq/allocate/allocate.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/result.h"
#include "lieq/cli/options.h"

namespace lieq::cli {

struct BudgetOptions {
  std::optional<double> bits, true_bits;
  std::optional<std::uint64_t> top, size;
  std::vector<int> choices = {2, 4};
  std::string ranking, unit;  ///< empty: not given
};

/// Registers --rank and --per.
void add_ranking_options(OptionSet& app, BudgetOptions& options);

/// What they say, if anything.
[[nodiscard]] std::optional<allocate::Ranking> ranking_of(const BudgetOptions& options);
[[nodiscard]] std::optional<allocate::Unit> unit_of(const BudgetOptions& options);

/// Registers --top, --bits, --true-bits, --size and --choices.
void add_budget_options(OptionSet& app, BudgetOptions& options);

/// nullopt when none was given. Errors: kInvalidArgument when several were.
[[nodiscard]] Result<std::optional<Budget>> budget_of(const BudgetOptions& options);

}  // namespace lieq::cli
