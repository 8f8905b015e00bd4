#include <algorithm>
#include <cmath>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/elementwise.h"
#include "lieq/kernels/gemm.h"
#include "lieq/quantize/fit.h"
#include "lieq/quantize/lane_copy.h"

namespace lieq::quantize {
namespace {

/// x of A x = b by Cholesky, in place of b; false when A is not positive definite. a: [n, n], its lower triangle is
/// used up. round(i, x) moves one unknown, from the last on, to a value that can be stored; those still to come make up
/// for it. Columns are subtracted from all that follow as soon as they are known: in that order neighbours do not wait
/// for each other, which counts where a wide row has hundreds of groups.
template <class Round>
bool solve_rounded(std::vector<double>& a, std::vector<double>& b, const Round& round) {
  const std::size_t n = b.size();
  std::vector<double> least(n), column(n);
  for (std::size_t j = 0; j < n; ++j) least[j] = 1e-9 * a[j * n + j];
  for (std::size_t j = 0; j < n; ++j) {
    if (!(a[j * n + j] > least[j])) return false;
    const double root = a[j * n + j] = std::sqrt(a[j * n + j]);
    for (std::size_t i = j + 1; i < n; ++i) column[i] = a[i * n + j] /= root;
    for (std::size_t i = j + 1; i < n; ++i) {
      double* row = &a[i * n];
      const double own = column[i];
      for (std::size_t k = j + 1; k <= i; ++k) row[k] -= own * column[k];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] = round(i, b[i] / a[i * n + i]);
  }
  return true;
}

/// What a step x changes a quadratic loss by: xᵀ A x - 2 bᵀ x, from the lower triangle of A.
double change_of_loss(const double* a, const double* b, const std::vector<double>& x) {
  const std::size_t n = x.size();
  double change = 0;
  for (std::size_t i = 0; i < n; ++i) {
    change += x[i] * (a[i * n + i] * x[i] - 2 * b[i]);
    for (std::size_t j = 0; j < i; ++j) change += 2 * x[i] * x[j] * a[i * n + j];
  }
  return change;
}

/// Descent over the rows of one tile, which share nothing with other rows.
class TileDescent {
 public:
  TileDescent(MatrixView<const float> weight, const Quadratic& quadratic, const Blocks& blocks, const FitRules& rules,
              Fitted& fitted, std::size_t first, std::size_t count)
      : weight_(weight), quadratic_(quadratic), blocks_(blocks), rules_(rules), fitted_(fitted), first_(first),
        count_(count) {
    gradient_ = gradient_buffer_.matrix(count, fitted.cols);
    shifted_ = shifted_buffer_.matrix(count, fitted.cols);
  }

  /// Scales of all groups of a row at once: with A[g][h] = c_g H c_hᵀ, c_g the codes less zero of group g alone, the
  /// step is A⁻¹ (c_g · E H).
  void refit_scales() {
    if (!gradient_is_current_) load_gradient();
    const std::size_t groups = fitted_.groups(), width = fitted_.group_size, cols = fitted_.cols;
    std::vector<double> normal(count_ * groups * groups), right(count_ * groups);
    const MatrixView<float> codes = shifted_;  // codes less zero points
    for (std::size_t i = 0; i < count_; ++i)
      for (std::size_t g = 0; g < groups; ++g) load_values(i, g * width, width, 1, &codes(i, g * width));
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t begin = g * width;
      const MatrixView<float> image = image_buffer_.matrix(count_, cols - begin);  // c_g H for the groups from g on
      for (std::size_t i = 0; i < count_; ++i) std::fill(image.row(i).begin(), image.row(i).end(), 0.0F);
      const MatrixView<const float> rows = quadratic_.hessian().rows(begin, width);
      kernels::gemm_nn_add(codes.columns(begin, width), rows.columns(begin, cols - begin), image);
      for (std::size_t i = 0; i < count_; ++i) {
        right[i * groups + g] = static_cast<double>(kernels::dot(&codes(i, begin), &gradient_(i, begin), width));
        for (std::size_t h = g; h < groups; ++h)
          normal[(i * groups + h) * groups + g] =
              static_cast<double>(kernels::dot(&codes(i, h * width), &image(i, (h - g) * width), width));
      }
    }
    for (std::size_t i = 0; i < count_; ++i) step_scales(i, &normal[i * groups * groups], &right[i * groups]);
    gradient_is_current_ = false;
  }

  /// Every block once: codes and, where a block is a whole group, its grid, zero points up to `reach` steps away.
  void sweep(int reach) {
    reach_ = reach;
    load_gradient();
    for (std::size_t b = 0; b < blocks_.count(); ++b) {
      const std::size_t begin = blocks_.first(b), width = blocks_.width(b);
      // The block's best real values while the rest stays: q + (E H)_B (H_BB)⁻¹.
      const MatrixView<float> wish = image_buffer_.matrix(count_, width);
      for (std::size_t i = 0; i < count_; ++i) load_values(i, begin, width, scale_of(i, begin), wish.row(i).data());
      kernels::gemm_nn_add(gradient_.columns(begin, width), blocks_.inverse(b), wish);
      const MatrixView<float> change = change_buffer_.matrix(count_, width);  // old values less new ones
      bool changed = false;
      for (std::size_t lane = 0; lane < count_; lane += kLanes) changed |= improve(b, lane, wish, change);
      if (changed)
        kernels::gemm_nn_add(change, quadratic_.hessian().rows(begin, width), gradient_);
    }
  }

 private:
  /// Where scale and zero point of column j of row i lie.
  [[nodiscard]] std::size_t group_at(std::size_t i, std::size_t j) const {
    return (first_ + i) * fitted_.groups() + j / fitted_.group_size;
  }
  [[nodiscard]] float scale_of(std::size_t i, std::size_t j) const { return fitted_.scales[group_at(i, j)]; }

  /// target[k] = scale · (code - zero) of columns [begin, begin + width) of row i, all of one group.
  void load_values(std::size_t i, std::size_t begin, std::size_t width, float scale, float* target) const {
    const float zero = fitted_.zeros[group_at(i, begin)];
    const std::uint8_t* codes = &fitted_.codes[(first_ + i) * fitted_.cols + begin];
    for (std::size_t k = 0; k < width; ++k) target[k] = scale * (static_cast<float>(codes[k]) - zero);
  }

  /// gradient_ = (W - Q) H, anew once a round: sums of many small changes would drift.
  void load_gradient() {
    const std::size_t width = fitted_.group_size;
    for (std::size_t i = 0; i < count_; ++i) {
      for (std::size_t begin = 0; begin < fitted_.cols; begin += width)
        load_values(i, begin, width, scale_of(i, begin), &shifted_(i, begin));
      for (std::size_t j = 0; j < fitted_.cols; ++j) shifted_(i, j) = weight_(first_ + i, j) - shifted_(i, j);
    }
    multiply(shifted_, quadratic_.hessian(), 0, 0, gradient_);
    gradient_is_current_ = true;
  }

  void step_scales(std::size_t i, const double* normal, const double* right) {
    const std::size_t groups = fitted_.groups();
    small_.assign(normal, normal + groups * groups);
    step_.assign(right, right + groups);
    for (std::size_t g = 0; g < groups; ++g)
      if (!(small_[g * groups + g] > 0))
        small_[g * groups + g] = 1;  // all codes at the zero point: any scale is as good
    float* scales = &fitted_.scales[(first_ + i) * groups];
    const bool solved = solve_rounded(small_, step_, [&](std::size_t g, double step) {
      const float wanted = scales[g] + static_cast<float>(step);
      // Codes that contradict each other ask for absurd scales: leave those to the next sweep.
      const float kept = wanted > 0.25F * scales[g] && wanted < 4 * scales[g] ? wanted : scales[g];
      const float stored = rules_.grid.half_scales ? f16_to_float(float_to_f16(kept)) : kept;
      return static_cast<double>(stored) - static_cast<double>(scales[g]);
    });
    if (!solved || !(change_of_loss(normal, right, step_) < 0)) return;
    for (std::size_t g = 0; g < groups; ++g) scales[g] += static_cast<float>(step_[g]);
  }

  /// Tries to better 16 rows of block b. Returns whether anything changed; fills their rows of `change`.
  bool improve(std::size_t b, std::size_t lane, MatrixView<const float> wish, MatrixView<float> change) {
    const std::size_t begin = blocks_.first(b), width = blocks_.width(b), rows = std::min(kLanes, count_ - lane);
    const Factor factor = blocks_.factor(b);
    target_.resize(width * kLanes);
    error_.resize(width * kLanes);
    image_.resize(width * kLanes);
    fit_.codes.assign(width * kLanes, 0);
    to_lanes(wish, lane, target_.data());
    std::fill_n(fit_.choice.scale, kLanes, 1.0F);
    std::fill_n(fit_.choice.zero, kLanes, 1.0F);
    error_ = target_;
    for (std::size_t l = 0; l < rows; ++l) {
      const std::size_t at = group_at(lane + l, begin);
      const float scale = fit_.choice.scale[l] = fitted_.scales[at];
      const float zero = fit_.choice.zero[l] = fitted_.zeros[at];
      const std::uint8_t* codes = &fitted_.codes[(first_ + lane + l) * fitted_.cols + begin];
      for (std::size_t k = 0; k < width; ++k) {
        const auto code = static_cast<float>(codes[k]);
        error_[k * kLanes + l] -= scale * (code - zero);
        fit_.codes[k * kLanes + l] = code;
      }
    }
    apply_factor(factor, error_.data(), image_.data());
    float present[kLanes] = {};
    for (std::size_t k = 0; k < width; ++k)
      for (std::size_t l = 0; l < kLanes; ++l) present[l] += image_[k * kLanes + l] * image_[k * kLanes + l];
    std::copy_n(present, kLanes, fit_.loss);
    if (width == fitted_.group_size && rules_.range == Range::kSearch) {
      improve_grid(rules_.grid, factor, target_.data(), reach_, scratch_, fit_);
    } else {
      improve_codes(factor);
    }
    return store(begin, width, lane, rows, present, change);
  }

  void improve_codes(const Factor& factor) {
    float loss[kLanes];
    codes_.resize(factor.n * kLanes);
    nearest_plane(factor, {fit_.choice.scale, fit_.choice.zero, 0, rules_.grid.top()}, target_.data(), nullptr,
                  codes_.data(), loss, nullptr);
    for (std::size_t l = 0; l < kLanes; ++l) {
      if (!(loss[l] < fit_.loss[l])) continue;
      fit_.loss[l] = loss[l];
      for (std::size_t k = 0; k < factor.n; ++k) fit_.codes[k * kLanes + l] = codes_[k * kLanes + l];
    }
  }

  bool store(std::size_t begin, std::size_t width, std::size_t lane, std::size_t rows, const float* present,
             MatrixView<float> change) {
    bool changed = false;
    for (std::size_t l = 0; l < rows; ++l) {
      const std::size_t i = lane + l;
      std::fill(change.row(i).begin(), change.row(i).end(), 0.0F);
      if (!(fit_.loss[l] < present[l])) continue;
      changed = true;
      load_values(i, begin, width, scale_of(i, begin), change.row(i).data());
      const std::size_t at = group_at(i, begin);
      const float scale = fitted_.scales[at] = fit_.choice.scale[l];
      const float zero = fitted_.zeros[at] = fit_.choice.zero[l];
      std::uint8_t* codes = &fitted_.codes[(first_ + i) * fitted_.cols + begin];
      for (std::size_t k = 0; k < width; ++k) {
        codes[k] = static_cast<std::uint8_t>(fit_.codes[k * kLanes + l]);
        change(i, k) -= scale * (fit_.codes[k * kLanes + l] - zero);
      }
    }
    return changed;
  }

  MatrixView<const float> weight_;
  const Quadratic& quadratic_;
  const Blocks& blocks_;
  const FitRules& rules_;
  Fitted& fitted_;
  std::size_t first_, count_;
  MatrixView<float> gradient_;  // (W - Q) H, [count, cols]
  bool gradient_is_current_ = false;
  int reach_ = 1;
  MatrixView<float> shifted_;   // scratch, [count, cols]
  kernels::Buffer<float> gradient_buffer_, shifted_buffer_, image_buffer_, change_buffer_;
  std::vector<float> target_, error_, image_, codes_;
  std::vector<double> small_, step_;
  GridScratch scratch_;
  LaneFit fit_;
};

}  // namespace

void descend(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic, const FitRules& rules,
             Fitted& fitted) {
  if (rules.sweeps == 0) return;
  LIEQ_CHECK(fitted.g_idx.empty());
  const Blocks blocks(threads, quadratic, fitted.group_size);
  threads.for_each((fitted.rows + kFitRows - 1) / kFitRows, [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * kFitRows;
    TileDescent descent(weight, quadratic, blocks, rules, fitted, first, std::min(kFitRows, fitted.rows - first));
    for (std::size_t round = 0; round < rules.sweeps; ++round) {
      if (rules.refit_scales) descent.refit_scales();
      descent.sweep(round == 0 && rules.grid.bits == 2 ? 2 : 1);  // later rounds move zero points by little
    }
    if (rules.refit_scales) descent.refit_scales();
  });
}

}  // namespace lieq::quantize
