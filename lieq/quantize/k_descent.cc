#include <algorithm>
#include <vector>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/gemm.h"
#include "lieq/quantize/k_fit.h"
#include "lieq/quantize/k_grid.h"
#include "lieq/quantize/k_lane_copy.h"
#include "lieq/quantize/lane_copy.h"

namespace lieq::quantize {
namespace {

using pack::kBlockWeights;

constexpr int kVisits = 3;  // times that a block's sub-blocks are gone through before the other blocks hear of it

/// Descent over the rows of one tile, which share nothing with other rows.
class TileDescent {
 public:
  TileDescent(MatrixView<const float> weight, const Quadratic& quadratic, const Blocks& sub_blocks, KFitted& fitted,
              std::size_t first, std::size_t count)
      : weight_(weight), quadratic_(quadratic), sub_blocks_(sub_blocks), form_(fitted.form), fitted_(fitted),
        first_(first), count_(count), search_(fitted.form) {
    gradient_ = gradient_buffer_.matrix(count, fitted.cols);
    own_hessian_.resize(kBlockWeights * kBlockWeights);
    for (std::vector<float>* lanes : {&slope_, &values_, &before_, &scaled_, &minima_, &scaled_image_, &minima_image_})
      lanes->resize(kBlockWeights * kLanes);
  }

  /// Every block once.
  void sweep(int reach) {
    load_gradient();
    for (std::size_t b = 0; b < fitted_.blocks(); ++b) {
      const std::size_t begin = b * kBlockWeights;
      for (std::size_t k = 0; k < kBlockWeights; ++k)
        std::copy_n(&quadratic_.hessian()(begin + k, begin), kBlockWeights, &own_hessian_[k * kBlockWeights]);
      const MatrixView<float> change = change_buffer_.matrix(count_, kBlockWeights);  // old values less new ones
      bool changed = false;
      for (std::size_t lane = 0; lane < count_; lane += kLanes) changed |= visit(b, lane, reach, change);
      if (changed)
        kernels::gemm_nn_add(change, quadratic_.hessian().rows(begin, kBlockWeights), gradient_);
    }
  }

 private:
  /// gradient_ = (W - Q) H, anew once a round: sums of many small changes would drift.
  void load_gradient() {
    const MatrixView<float> errors = error_buffer_.matrix(count_, fitted_.cols);
    for (std::size_t i = 0; i < count_; ++i)
      for (std::size_t j = 0; j < fitted_.cols; ++j)
        errors(i, j) = weight_(first_ + i, j) - fitted_.weight(first_ + i, j);
    multiply(errors, quadratic_.hessian(), 0, 0, gradient_);
  }

  /// Betters 16 rows of block b. Returns whether anything changed; fills their rows of `change`.
  bool visit(std::size_t b, std::size_t lane, int reach, MatrixView<float> change) {
    const std::size_t rows = std::min(kLanes, count_ - lane);
    load_block(fitted_, first_ + lane, rows, b, block_);
    to_lanes(gradient_.columns(b * kBlockWeights, kBlockWeights), lane, slope_.data());
    load_values();
    before_ = values_;
    bool changed = false;
    for (int round = 0; round < kVisits; ++round) {
      bool better = false;
      for (std::size_t sub = 0; sub < form_.sub_blocks(); ++sub) better |= improve(b, sub, round == 0 ? reach : 1);
      better |= refit_units();
      if (!better) break;
      changed = true;
    }
    for (std::size_t l = 0; l < rows; ++l)
      for (std::size_t k = 0; k < kBlockWeights; ++k)
        change(lane + l, k) = before_[k * kLanes + l] - values_[k * kLanes + l];
    if (changed) store_block(block_, first_ + lane, rows, b, fitted_);
    return changed;
  }

  void load_values() {
    for (std::size_t sub = 0; sub < form_.sub_blocks(); ++sub)
      block_.values(form_, sub, values_.data() + sub * form_.sub_size * kLanes);
  }

  bool improve(std::size_t b, std::size_t sub, int reach) {
    const std::size_t size = form_.sub_size, begin = sub * size, at = b * form_.sub_blocks() + sub;
    float* const values = values_.data() + begin * kLanes;
    // The sub-block's best real values while the rest stays: q + (E H)_s (H_ss)⁻¹.
    wish_.assign(values, values + size * kLanes);
    add_product(sub_blocks_.inverse(at).data(), size, size, size, slope_.data() + begin * kLanes, wish_.data());
    if (!search_.improve(sub_blocks_.factor(at), wish_.data(), reach, sub, block_)) return false;
    step_.assign(values, values + size * kLanes);
    block_.values(form_, sub, values);
    for (std::size_t k = 0; k < size * kLanes; ++k) step_[k] -= values[k];
    add_product(own_hessian_.data() + begin, kBlockWeights, kBlockWeights, size, step_.data(), slope_.data());
    return true;
  }

  /// d and dmin by least squares, codes and integers as they are. Those of all blocks of a row at once would gain less
  /// than 1 % for the cost of a round and a half; a further round gains 6 %.
  bool refit_units() {
    const bool minima = form_.has_minima();
    block_.directions(form_, scaled_.data(), minima_.data());
    std::fill(scaled_image_.begin(), scaled_image_.end(), 0.0F);
    add_product(own_hessian_.data(), kBlockWeights, kBlockWeights, kBlockWeights, scaled_.data(), scaled_image_.data());
    std::fill(minima_image_.begin(), minima_image_.end(), 0.0F);
    if (minima)
      add_product(own_hessian_.data(), kBlockWeights, kBlockWeights, kBlockWeights, minima_.data(),
                  minima_image_.data());
    bool changed = false;
    for (std::size_t l = 0; l < kLanes; ++l) changed |= step_units(l);
    if (changed) load_values();
    return changed;
  }

  /// The target's products follow from the slope: t = q + error.
  bool step_units(std::size_t l) {
    UnitProducts p;
    for (std::size_t k = l; k < kBlockWeights * kLanes; k += kLanes) {
      const auto c = static_cast<double>(scaled_[k]), e = static_cast<double>(minima_[k]);
      p.cc += c * static_cast<double>(scaled_image_[k]);
      p.ce += e * static_cast<double>(scaled_image_[k]);
      p.ee += e * static_cast<double>(minima_image_[k]);
      p.ct += c * static_cast<double>(slope_[k]);
      p.et += e * static_cast<double>(slope_[k]);
    }
    const Units present = block_.units[l];
    const auto d = static_cast<double>(present.d), dmin = static_cast<double>(present.dmin);
    p.ct += d * p.cc + dmin * p.ce;
    p.et += d * p.ce + dmin * p.ee;
    const Units units = fit_units(p, present);
    if (!(p.loss(units) < p.loss(present))) return false;
    block_.units[l] = units;
    const float d_step = units.d - present.d, dmin_step = units.dmin - present.dmin;
    for (std::size_t k = l; k < kBlockWeights * kLanes; k += kLanes)
      slope_[k] -= d_step * scaled_image_[k] + dmin_step * minima_image_[k];
    return true;
  }

  MatrixView<const float> weight_;
  const Quadratic& quadratic_;
  const Blocks& sub_blocks_;
  const pack::KForm& form_;
  KFitted& fitted_;
  std::size_t first_, count_;
  BlockSearch search_;
  LaneBlock block_;
  MatrixView<float> gradient_;  // (W - Q) H, [count, cols]
  kernels::Buffer<float> gradient_buffer_, error_buffer_, change_buffer_;
  std::vector<float> own_hessian_;                       // of the block at hand, [256, 256]
  std::vector<float> slope_, values_, before_;           // E H, Q now and as it was, [256, 16]
  std::vector<float> scaled_, minima_, scaled_image_, minima_image_;  // [256, 16]
  std::vector<float> wish_, step_;                       // [sub_size, 16]
};

}  // namespace

void k_descend(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic, std::size_t sweeps,
               KFitted& fitted) {
  if (sweeps == 0) return;
  const Blocks sub_blocks(threads, quadratic, fitted.form.sub_size);
  threads.for_each((fitted.rows + kFitRows - 1) / kFitRows, [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * kFitRows;
    TileDescent descent(weight, quadratic, sub_blocks, fitted, first, std::min(kFitRows, fitted.rows - first));
    for (std::size_t round = 0; round < sweeps; ++round)
      descent.sweep(round == 0 ? 2 : 1);  // later rounds move integers by little
  });
}

}  // namespace lieq::quantize
