#include "lieq/quantize/options.h"

#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "lieq/pack/k_blocks.h"

namespace lieq::quantize {
namespace {

constexpr std::array<std::pair<std::string_view, Method>, 4> kMethods{
    {{"rtn", Method::kRtn}, {"gptq", Method::kGptq}, {"awq", Method::kAwq}, {"omniquant", Method::kOmniQuant}}};
constexpr std::array<std::pair<std::string_view, Grid>, 8> kGrids{{{"sym", Grid::kSym},
                                                                   {"skew", Grid::kSkew},
                                                                   {"asym", Grid::kAsym},
                                                                   {"half", Grid::kHalf},
                                                                   {"k", Grid::kK},
                                                                   {"q2_k", Grid::kK},
                                                                   {"q3_k", Grid::kK},
                                                                   {"q4_k", Grid::kK}}};

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) {
  for (const auto& [name, one] : table)
    if (one == value) return name;
  return "?";
}

template <class Value, class Table>
Result<Value> value_in(const Table& table, std::string_view what, std::string_view name) {
  std::string known;
  for (const auto& [one, value] : table) {
    if (one == name) return value;
    known += (known.empty() ? "" : ", ") + std::string(one);
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: found '{}', expected one of {}", what, name, known));
}

}  // namespace

std::string_view name(Method method) { return name_in(kMethods, method); }
std::string_view name(Grid grid) { return name_in(kGrids, grid); }
Result<Method> method_from_name(std::string_view name) { return value_in<Method>(kMethods, "method", name); }
Result<Grid> grid_from_name(std::string_view name) { return value_in<Grid>(kGrids, "grid", name); }

std::optional<unsigned> width_of_grid(std::string_view name) {
  if (name == "q2_k") return 2;
  if (name == "q3_k") return 3;
  if (name == "q4_k") return 4;
  return std::nullopt;
}

Json to_json(const Options& q) {
  Json json = {{"method", name(q.method)},
               {"grid", name(q.grid)},
               {"group_size", q.group_size},
               {"range", q.range == Range::kSearch ? "search" : "minmax"},
               {"damping", q.damping},
               {"act_order", static_cast<int>(q.act_order)},
               {"on_singular", static_cast<int>(q.on_singular)},
               {"corrected_target", q.corrected_target},
               {"correction", q.correction},
               {"residual_weight", q.residual_weight},
               {"sweeps", q.sweeps},
               {"refit_scales", q.refit_scales},
               {"refit_gains", q.refit_gains},
               {"awq_clip", q.awq_clip},
               {"awq_duo", q.awq_duo},
               {"awq_then", name(q.awq_then)}};
  if (q.method == Method::kOmniQuant) json["clip_epochs"] = q.clip_epochs;
  return json;
}

namespace {

/// What a K grid asks for. Returns what is wrong, or nothing.
std::optional<std::string> k_grid_problem(const Options& options, unsigned bits, std::size_t cols) {
  if (cols % pack::kBlockWeights != 0) {
    std::size_t group = 64;
    while (cols % group != 0) group /= 2;
    return fmt::format("grid k: found {} inputs, expected a multiple of {}; grid half or skew with group_size {} fits",
                       cols, pack::kBlockWeights, group);
  }
  if (bits > 4) return fmt::format("grid k: found {} bits, expected 2, 3 or 4 (Q2_K, Q3_K, Q4_K)", bits);
  if (options.act_order != ActOrder::kNone) return "grid k: found an act_order, expected none: inputs stay in order";
  if (options.method == Method::kAwq || options.method == Method::kOmniQuant)
    return fmt::format("grid k: found method {}, expected gptq or rtn", name(options.method));
  if (options.range != Range::kSearch) return "grid k: found range minmax, expected search";
  return std::nullopt;
}

}  // namespace

Result<void> check_options(const Options& options, unsigned bits, std::size_t cols, const std::string& place) {
  const auto invalid = [&](std::string message) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", place, message));
  };
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    return invalid(fmt::format("bits: found {}, expected 2, 3, 4 or 8", bits));
  if (options.grid == Grid::kK)
    if (const auto problem = k_grid_problem(options, bits, cols)) return invalid(*problem);
  if (options.method == Method::kOmniQuant && options.grid != Grid::kAsym)
    return invalid(fmt::format("method omniquant: found grid {}, expected asym", name(options.grid)));
  if (options.method == Method::kOmniQuant && options.act_order != ActOrder::kNone)
    return invalid("method omniquant: found an act_order, expected none");
  if (options.compare_grid == Grid::kK) return invalid("compare_grid: found k, expected a grid of groups");
  if (options.grid != Grid::kK && options.group_size != 0 && cols % options.group_size != 0)
    return invalid(fmt::format("group_size: found {}, expected a divisor of its {} inputs", options.group_size, cols));
  if (!(options.damping >= 0) || !std::isfinite(options.damping))
    return invalid(fmt::format("damping: found {}, expected 0 or more", options.damping));
  if (options.compare_every == 0) return invalid("compare_every: found 0, expected at least 1");
  if (!(options.correction >= 0 && options.correction <= 1))
    return invalid(fmt::format("correction: found {}, expected 0 to 1", options.correction));
  if (!std::isfinite(options.residual_weight))
    return invalid(fmt::format("residual_weight: found {}, expected a finite number", options.residual_weight));
  return {};
}

}  // namespace lieq::quantize
