#pragma once
/// Scales, minima and codes of K blocks: which fit a target best. Works on one block of 16 rows at once (lanes.h).

#include <cstddef>
#include <vector>

#include "lieq/pack/k_blocks.h"
#include "lieq/quantize/lanes.h"

namespace lieq::quantize {

/// One block in 16 rows. Integers are kept as floats.
struct LaneBlock {
  float d[kLanes], dmin[kLanes];                        ///< half-precision numbers
  float scales[pack::kMostSubBlocks][kLanes], minima[pack::kMostSubBlocks][kLanes];
  std::vector<float> codes;                             ///< [256, 16]

  /// Steps and minima of a sub-block, as decoders compute them.
  [[nodiscard]] LaneSteps steps(const pack::KForm& form, std::size_t sub) const;
  /// The weights of a sub-block. target: [sub_size, 16].
  void values(const pack::KForm& form, std::size_t sub, float* target) const;
};

/// Owns the scratch of the search; one for each thread.
class BlockSearch {
 public:
  explicit BlockSearch(const pack::KForm& form) : form_(form) {}

  /// Chooses a whole block. Sub-blocks are taken in order, each with the errors of those before it fed back: first on
  /// real steps and minima; then d and dmin are the pair that costs least when those are rounded to its multiples; then
  /// again on the multiples, trying the neighbours of each.
  /// factor: of the block's 256 columns; target: [256, 16].
  void choose(const Factor& factor, const float* target, LaneBlock& block);

  /// Tries to better one sub-block while d and dmin stay: scales and minima up to `reach` steps from the present ones,
  /// and those that least squares asks for, each with new codes. factor: of the sub-block's columns; target:
  /// [sub_size, 16]. Returns whether any row changed.
  bool improve(const Factor& factor, const float* target, int reach, std::size_t sub, LaneBlock& block);

 private:
  struct Best {
    LaneSteps steps;                       // real, or the multiples below
    float scale[kLanes], minimum[kLanes];  // integers
    float loss[kLanes];
    LaneMoments moments;
    std::vector<float> codes;              // [sub_size, 16]
  };
  struct Wish {
    LaneSteps steps;
    LaneMoments moments;
    float ones_square;
  };

  void prepare(const Factor& factor, const float* target);
  void begin(Best& best) const;
  void try_steps(const Factor& factor, const float* target, const LaneSteps& steps, Best& best);
  void try_multiples(const Factor& factor, const float* target, const float* scale, const float* minimum,
                     const LaneBlock& block, Best& best);
  [[nodiscard]] LaneSteps refit(const LaneSteps& steps, const LaneMoments& moments) const;
  void search_real(const Factor& factor, const float* target, Best& best);
  void search_multiples(const Factor& factor, const float* target, int reach, const LaneBlock& block, Best& best);
  void choose_units(LaneBlock& block) const;
  void round_to_multiples(const LaneSteps& steps, const LaneBlock& block, float* scale, float* minimum) const;
  template <class Choose>
  void in_order(const Factor& factor, const float* target, const Choose& choose);

  pack::KForm form_;
  std::vector<float> product_, ones_, codes_;      // of the sub-block at hand
  std::vector<float> errors_, felt_, shifted_;     // [256, 16], [sub_size, 16], [sub_size, 16]
  float ones_square_ = 0, ones_cross_[kLanes] = {};
  float loss_[kLanes] = {};
  LaneMoments moments_ = {};                       // of the last trial
  Wish wishes_[pack::kMostSubBlocks];              // what each sub-block would have on real numbers
  Best best_;
};

}  // namespace lieq::quantize
