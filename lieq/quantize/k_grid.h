#pragma once
/// Scales, minima and codes of K blocks: which fit a target best. Works on one block of 16 rows at once (lanes.h).

#include <cstddef>
#include <vector>

#include "lieq/pack/k_blocks.h"
#include "lieq/quantize/k_units.h"
#include "lieq/quantize/lanes.h"

namespace lieq::quantize {

/// One block in 16 rows. Integers are kept as floats.
struct LaneBlock {
  Units units[kLanes];
  float scales[pack::kMostSubBlocks][kLanes], minima[pack::kMostSubBlocks][kLanes];
  std::vector<float> codes;  ///< [256, 16]

  /// The steps and minima that integers stand for, as decoders compute them. scale, minimum: [16]
  [[nodiscard]] LaneSteps steps(const pack::KForm& form, const float* scale, const float* minimum) const;
  /// The weights of a sub-block. target: [sub_size, 16].
  void values(const pack::KForm& form, std::size_t sub, float* target) const;
  /// c and e of UnitProducts: [256, 16] each; minima_direction: nullptr where they are not wanted.
  void directions(const pack::KForm& form, float* scale_direction, float* minima_direction) const;
  /// Takes one row from another block.
  void take_row(const LaneBlock& other, std::size_t lane);
};

/// Owns the scratch of the search; one for each thread.
class BlockSearch {
 public:
  explicit BlockSearch(const pack::KForm& form) : form_(form) {}

  /// Chooses a whole block. Sub-blocks are taken in order, each with the errors of those before it fed back: first on
  /// real steps and minima; then d and dmin are the pair that costs least when those are rounded to its multiples; then
  /// again on the multiples, trying the neighbours of each; and again with d and dmin refitted to what came out.
  /// factor: of the block's 256 columns; target: [256, 16].
  void choose(const Factor& factor, const float* target, LaneBlock& block);

  /// Tries to better one sub-block while d and dmin stay: scales and minima up to `reach` steps from the present ones,
  /// and those that least squares asks for, each with new codes. factor: of the sub-block's columns; target:
  /// [sub_size, 16]. Returns whether any row changed.
  bool improve(const Factor& factor, const float* target, int reach, std::size_t sub, LaneBlock& block);

 private:
  /// The best found for a sub-block so far.
  struct Best {
    LaneSteps steps;
    float scale[kLanes], minimum[kLanes];  // the integers of `steps`, once those are multiples
    float loss[kLanes];
    LaneMoments moments;
    std::vector<float> codes;              // [sub_size, 16]
  };

  void prepare(const Factor& factor, const float* target);
  void try_steps(const Factor& factor, const float* target, const LaneSteps& steps);
  void try_multiples(const Factor& factor, const float* target, const float* scale, const float* minimum,
                     const LaneBlock& block);
  [[nodiscard]] LaneSteps refit(const LaneSteps& steps, const LaneMoments& moments) const;
  void round_to_multiples(const LaneSteps& steps, const LaneBlock& block, float* scale, float* minimum) const;
  void search_real(const Factor& factor, const float* target);
  void search_multiples(const Factor& factor, const float* target, int reach, const LaneBlock& block);
  void keep_wishes(std::size_t sub);
  void choose_multiples(const Factor& factor, const float* target, LaneBlock& block, float* loss);
  void refit_units(const Factor& factor, LaneBlock& block);
  template <class Choose>
  void in_order(const Factor& factor, const float* target, const Choose& choose);

  pack::KForm form_;
  // Of the sub-block at hand: images of the target [sub_size, 16] and of ones [sub_size], their products, the last
  // trial.
  std::vector<float> product_, ones_, codes_;
  float ones_square_ = 0, ones_cross_[kLanes] = {}, loss_[kLanes] = {};
  LaneMoments moments_ = {};
  Best best_;
  LaneSteps real_[pack::kMostSubBlocks];                        // before rounding to multiples
  SubBlockWish wishes_[kLanes][pack::kMostSubBlocks];
  LaneBlock other_;                                             // the block with other d and dmin
  std::vector<float> errors_, felt_, shifted_;                  // [256, 16], [sub_size, 16], [sub_size, 16]
  std::vector<float> direction_, target_image_, scale_image_, minima_image_;  // [256, 16]
};

}  // namespace lieq::quantize
