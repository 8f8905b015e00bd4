#include "lieq/quantize/k_fit.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lieq/kernels/buffer.h"
#include "lieq/quantize/k_grid.h"
#include "lieq/quantize/k_lane_copy.h"
#include "lieq/quantize/lane_copy.h"

namespace lieq::quantize {
namespace {

using pack::kBlockWeights;

/// Feedback over the rows of one tile, block after block.
class BlockFeedback {
 public:
  BlockFeedback(MatrixView<const float> weight, const Quadratic& quadratic, KFitted& fitted)
      : weight_(weight), quadratic_(quadratic), fitted_(fitted), search_(fitted.form) {}

  void run(std::size_t first, std::size_t count) {
    errors_ = error_buffer_.matrix(count, fitted_.cols);
    for (std::size_t b = 0; b < fitted_.blocks(); ++b) {
      const std::size_t begin = b * kBlockWeights;
      const MatrixView<float> felt = felt_buffer_.matrix(count, kBlockWeights);
      if (begin > 0) multiply(errors_.columns(0, begin), quadratic_.factors(), 0, begin, felt);
      for (std::size_t lane = 0; lane < count; lane += kLanes) {
        load_target(felt, first, lane, count, begin);
        search_.choose(quadratic_.factor(begin, kBlockWeights), target_.data(), block_);
        const std::size_t rows = std::min(kLanes, count - lane);
        store_block(block_, first + lane, rows, b, fitted_);
        for (std::size_t l = 0; l < rows; ++l)
          for (std::size_t j = begin; j < begin + kBlockWeights; ++j)
            errors_(lane + l, j) = weight_(first + lane + l, j) - fitted_.weight(first + lane + l, j);
      }
    }
  }

 private:
  /// target_ = what 16 rows of the block had best become, given the errors of all columns before.
  void load_target(MatrixView<const float> felt, std::size_t first, std::size_t lane, std::size_t count,
                   std::size_t begin) {
    target_.assign(kBlockWeights * kLanes, 0);
    if (begin > 0) {
      lanes_.resize(kBlockWeights * kLanes);
      to_lanes(felt, lane, lanes_.data());
      solve_factor(quadratic_.factor(begin, kBlockWeights), lanes_.data(), target_.data());
    }
    for (std::size_t l = 0; l < std::min(kLanes, count - lane); ++l)
      for (std::size_t k = 0; k < kBlockWeights; ++k)
        target_[k * kLanes + l] += weight_(first + lane + l, begin + k);
  }

  MatrixView<const float> weight_;
  const Quadratic& quadratic_;
  KFitted& fitted_;
  BlockSearch search_;
  LaneBlock block_;
  MatrixView<float> errors_;  // W - Q of the columns done, [count, cols]
  kernels::Buffer<float> error_buffer_, felt_buffer_;
  std::vector<float> target_, lanes_;
};

}  // namespace

KFitted k_rtn(Threads& threads, MatrixView<const float> weight, const pack::KForm& form,
              std::span<const float> importance) {
  KFitted fitted(form, weight.rows(), weight.cols());
  LIEQ_CHECK(importance.empty() || importance.size() == weight.cols());
  std::vector<float> diagonal(weight.cols(), 1.0F);
  for (std::size_t j = 0; j < importance.size(); ++j) diagonal[j] = std::sqrt(importance[j]);
  threads.for_each((fitted.rows + kLanes - 1) / kLanes, [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * kLanes, count = std::min(kLanes, fitted.rows - first);
    BlockSearch search(form);
    LaneBlock block;
    std::vector<float> target(kBlockWeights * kLanes);
    for (std::size_t b = 0; b < fitted.blocks(); ++b) {
      const std::size_t begin = b * kBlockWeights;
      to_lanes(weight.columns(begin, kBlockWeights), first, target.data());
      search.choose({kBlockWeights, nullptr, 0, diagonal.data() + begin}, target.data(), block);
      store_block(block, first, count, b, fitted);
    }
  });
  return fitted;
}

KFitted k_gptq(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic, const pack::KForm& form,
               std::size_t sweeps) {
  LIEQ_CHECK(weight.cols() == quadratic.size());
  std::vector<float> without_dead;
  weight = without_dead_columns(weight, quadratic, without_dead);
  KFitted fitted(form, weight.rows(), weight.cols());
  threads.for_each((fitted.rows + kFitRows - 1) / kFitRows, [&](std::size_t tile, std::size_t) {
    BlockFeedback feedback(weight, quadratic, fitted);
    const std::size_t first = tile * kFitRows;
    feedback.run(first, std::min(kFitRows, fitted.rows - first));
  });
  k_descend(threads, weight, quadratic, sweeps, fitted);
  return fitted;
}

}  // namespace lieq::quantize
