#pragma once
/// A grid of plans, numbers of layers x methods x rankings, and which of them come to the same thing.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/allocate/allocate.h"
#include "lieq/base/result.h"

namespace lieq::allocate {

/// "1..16", "1,2,4", "0", "0..2,8": ascending, each number once. A range ends at `most` where it goes further.
/// Errors: kInvalidArgument naming `place`: no number, a range that falls, a number or a beginning above `most`.
[[nodiscard]] Result<std::vector<std::uint64_t>> numbers_in(std::string_view text, std::uint64_t most,
                                                            const std::string& place);

/// What may rank the layers of a cell.
struct Criterion {
  std::string name;  ///< as written: "geometry", "lieq", "kl", "random", "random:7", "depth", ...
  Ranking ranking = Ranking::kScore;
  std::string score;        ///< of kScore: "geometry" or "lieq"
  std::uint64_t seed = 42;  ///< of kRandom

  [[nodiscard]] bool needs_perplexity_drop() const { return score == "lieq" || ranking == Ranking::kPerplexityDrop; }
  [[nodiscard]] bool needs_sensitivity() const { return ranking == Ranking::kMeasured; }
  [[nodiscard]] bool needs_diagnosis() const { return ranking != Ranking::kRandom && ranking != Ranking::kDepth; }
};

/// "geometry" and "lieq" are the scores of lieq diagnose, "kl" is Ranking::kMeasured, "random:SEED" a further draw;
/// else a name of kRankings but "score" and "exact". Errors: kInvalidArgument listing them.
[[nodiscard]] Result<Criterion> criterion_of(std::string_view text, std::uint64_t seed);

/// A criterion with the scores it ranks by, which must outlive it.
struct RankedScores {
  Criterion criterion;
  const LayerScores* scores = nullptr;
};

struct GridCell {
  std::uint64_t top = 0;
  std::string method, scores;
  std::size_t run = 0;  ///< index into Grid::runs
};

/// A method and widths that one or more cells come to.
struct GridRun {
  std::string method;
  BitPlan plan;
  std::vector<std::uint64_t> layers;  ///< those of the highest width; all of them where there is one width only
};

struct Grid {
  std::vector<GridCell> cells;  ///< by method, then by ranking, then by number
  std::vector<GridRun> runs;    ///< neighbours share as many first layers as can be
};

/// choices: widths; `top` layers get the highest, the others the lowest. options: group size and rest_bits of the
/// plans; its other fields are not read. 0 and all layers need no scores. Errors: as allocate().
[[nodiscard]] Result<Grid> plan_grid(std::span<const std::uint64_t> tops, std::span<const std::string> methods,
                                     std::span<const RankedScores> rankings, const AllocateOptions& options);

/// Layers from the first on whose widths are the same.
[[nodiscard]] std::size_t common_layers(const BitPlan& a, const BitPlan& b);

}  // namespace lieq::allocate
