#pragma once
/// What a quantisation run is asked for. Every step of the recipe can be switched off.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::quantize {

enum class Method { kRtn, kGptq, kAwq, kOmniQuant };

/// Which zero points a group may have. Symmetric: 2^(bits-1). Skewed: that or one less, the side with more room follows
/// the longer tail (exact in Q2_0, Q4_0 and GPTQ). Asymmetric: every integer code. Half: every half-integer from 1/2 to
/// 2^bits - 3/2; those above 2^(bits-1) are stored mirrored, with a negative scale.
/// K: the K blocks of GGUF, Q2_K, Q3_K or Q4_K by the width, whose scales and minima are small integers times two
/// numbers of each 256 weights (pack/k_blocks.h). Their groups are their own: Options::group_size means nothing.
enum class Grid { kSym, kSkew, kAsym, kHalf, kK };

/// How scale and zero point of a group are chosen.
enum class Range {
  kMinMax,  ///< from the extremes of the group; 0 lies inside. The classic, hopeless at 2 bits
  kSearch,  ///< the candidate with the least error, refined by least squares
};

/// The order in which GPTQ takes columns.
enum class ActOrder {
  kNone,     ///< as stored
  kStatic,   ///< by falling diag(H); groups and grids stay those of the stored order
  kDynamic,  ///< by falling diag(H); groups are formed in that order, so g_idx is needed
};

enum class OnSingular { kError, kRtn };

struct Options {
  Method method = Method::kGptq;
  Grid grid = Grid::kHalf;
  std::size_t group_size = 64;  ///< inputs that share a scale; 0: the whole row
  Range range = Range::kSearch;
  double damping = 0.01;  ///< added to diag(H), as a fraction of its mean
  ActOrder act_order = ActOrder::kNone;
  OnSingular on_singular = OnSingular::kError;

  bool corrected_target = true;  ///< fit to the output of the unquantised model, not to that of the quantised inputs
  /// How far: 1 is the least-squares answer, which follows each layer's errors too closely. SmolLM2 at 2.35 bits, 32 x
  /// 1024 tokens: perplexity 4.3 times the original's at 0, 2.1 times from 0.25 to 0.5, 2.5 times at 1
  /// (docs/quality.md).
  double correction = 0.4;
  double residual_weight = 1;  ///< share of the residual stream's error in the target of o_proj and down_proj
  std::size_t sweeps = 4;      ///< rounds of group descent and joint scale refit after GPTQ; 0: none
  bool refit_scales = true;    ///< joint least squares over the scales of a row in each sweep
  bool refit_gains = true;     ///< least squares per input channel, folded into the norms
  bool inner_gains = false;    ///< the same for o_proj and down_proj, folded into the rows of v_proj and up_proj

  std::optional<Grid> compare_grid;  ///< also report the loss on this grid, in every compare_every-th layer (GPTQ only)
  std::size_t compare_every = 15;

  // AWQ scales the inputs of q, k, v and of gate, up through the norms, those of down through the rows of up, and those
  // of o through the rows of v; the last only without grouped-query attention, where query heads share rows of v.
  bool awq_clip = true;  ///< before rounding from a group's extremes (Range::kMinMax), also search a clipping
  bool awq_duo = false;  ///< AWQ: divide the scales by the weights' own size
  Method awq_then = Method::kGptq;  ///< what quantises the scaled weights: kRtn or kGptq

  std::size_t clip_epochs = 10;  ///< OmniQuant: passes over the calibration text for each layer (learnt_clipping.h)
};

[[nodiscard]] std::string_view name(Method method);
[[nodiscard]] std::string_view name(Grid grid);
/// Errors: kInvalidArgument listing the names there are.
[[nodiscard]] Result<Method> method_from_name(std::string_view name);
/// "k", "q2_k", "q3_k" and "q4_k" are one grid: which block type a layer gets follows from its width.
[[nodiscard]] Result<Grid> grid_from_name(std::string_view name);
/// The width of layers that are not asked to be wider, where a grid's name says it: 2 for "q2_k".
[[nodiscard]] std::optional<unsigned> width_of_grid(std::string_view name);

/// For records and fingerprints of runs: everything that decides the bytes of the result.
[[nodiscard]] Json to_json(const Options& options);

/// Checks one linear of [rows, cols] against the options. Errors: kInvalidArgument naming `place`, and for a grid that
/// cannot hold its rows one that can.
[[nodiscard]] Result<void> check_options(const Options& options, unsigned bits, std::size_t cols,
                                         const std::string& place);

}  // namespace lieq::quantize
