#include "lieq/allocate/grid.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"

namespace lieq::allocate {
namespace {

constexpr std::uint64_t kMostNumbers = 1 << 20;

using Key = std::pair<std::string, std::vector<int>>;  // method, width of each layer

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<BitPlan> plan_of(std::uint64_t top, const RankedScores& ranked, AllocateOptions options) {
  options.budget = {Budget::Kind::kTop, static_cast<double>(top)};
  options.ranking = ranked.criterion.ranking;
  options.seed = ranked.criterion.seed;
  LIEQ_ASSIGN(auto uniform, allocate_uniform(*ranked.scores, options));
  if (uniform) return std::move(*uniform);
  return allocate(*ranked.scores, options);
}

GridRun run_of(const std::string& method, BitPlan plan) {
  GridRun run{method, std::move(plan), {}};
  for (std::size_t l = 0; l < run.plan.layers.size(); ++l)
    if (run.plan.layers[l].bits == run.plan.choices.back()) run.layers.push_back(l);
  return run;
}

Key key_of(const GridRun& run) {
  Key key{run.method, {}};
  for (const LayerPlan& layer : run.plan.layers) key.second.push_back(layer.bits);
  return key;
}

/// Sorted by method and widths, neighbours agree in as many first layers as can be.
void sort_runs(Grid& grid) {
  std::vector<std::size_t> order(grid.runs.size()), place(grid.runs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t r) { return key_of(grid.runs[r]); });
  std::vector<GridRun> sorted;
  for (std::size_t i = 0; i < order.size(); ++i) {
    sorted.push_back(std::move(grid.runs[order[i]]));
    place[order[i]] = i;
  }
  grid.runs = std::move(sorted);
  for (GridCell& cell : grid.cells) cell.run = place[cell.run];
}

}  // namespace

Result<std::vector<std::uint64_t>> numbers_in(std::string_view text, std::uint64_t most, const std::string& place) {
  const auto invalid = [&](std::string_view part, std::string_view expected) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: found {}, expected {}", place, in_quotes(part), expected));
  };
  std::set<std::uint64_t> numbers;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    const std::string_view part = text.substr(start, comma - start);
    start = comma + 1;
    const std::size_t dots = part.find("..");
    const auto first = number_in(part.substr(0, dots));
    const auto last = dots == std::string_view::npos ? first : number_in(part.substr(dots + 2));
    if (!first || !last) return invalid(part, "numbers and ranges such as 1,2,4 or 1..16");
    if (*last < *first) return invalid(part, "a range that rises");
    if (*first > most || (first == last && *last > most))
      return invalid(part, fmt::format("at most {}, the layers of the model", most));
    // By differences: the last one may be the largest number there is.
    const std::uint64_t count = std::min(*last, most) - *first;
    if (count > kMostNumbers) return invalid(part, fmt::format("at most {} numbers", kMostNumbers));
    for (std::uint64_t i = 0; i <= count; ++i) numbers.insert(*first + i);
  }
  return std::vector(numbers.begin(), numbers.end());
}

Result<Criterion> criterion_of(std::string_view text, std::uint64_t seed) {
  Criterion criterion{std::string(text), Ranking::kScore, "", seed};
  if (text == "geometry" || text == "lieq") {
    criterion.score = text;
    return criterion;
  }
  constexpr std::string_view kSeeded = "random:";
  if (text.starts_with(kSeeded)) {
    const auto own = number_in(text.substr(kSeeded.size()));
    if (own) return Criterion{std::string(text), Ranking::kRandom, "", *own};
  }
  if (text == "kl") text = name(Ranking::kMeasured);
  std::string known = "geometry, lieq, kl, random:SEED";
  for (const Ranking ranking : kRankings) {
    if (ranking == Ranking::kScore || ranking == Ranking::kExact) continue;
    known += fmt::format(", {}", name(ranking));
    if (name(ranking) != text) continue;
    criterion.ranking = ranking;
    if (ranking == Ranking::kMeasured) criterion.name = "kl";  // one name for one thing
    return criterion;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--scores: found {}, expected one of {}", in_quotes(criterion.name), known));
}

Result<Grid> plan_grid(std::span<const std::uint64_t> tops, std::span<const std::string> methods,
                       std::span<const RankedScores> rankings, const AllocateOptions& options) {
  Grid grid;
  std::map<Key, std::size_t> known;
  for (const std::string& method : methods)
    for (const RankedScores& ranked : rankings)
      for (const std::uint64_t top : tops) {
        LIEQ_ASSIGN(BitPlan plan, plan_of(top, ranked, options));
        GridRun run = run_of(method, std::move(plan));
        const auto [found, is_new] = known.emplace(key_of(run), grid.runs.size());
        if (is_new) grid.runs.push_back(std::move(run));
        grid.cells.push_back({top, method, ranked.criterion.name, found->second});
      }
  sort_runs(grid);
  return grid;
}

std::size_t common_layers(const BitPlan& a, const BitPlan& b) {
  const auto differ = std::ranges::mismatch(a.layers, b.layers, {}, &LayerPlan::bits, &LayerPlan::bits);
  return static_cast<std::size_t>(differ.in1 - a.layers.begin());
}

}  // namespace lieq::allocate
