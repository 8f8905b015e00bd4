#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "lieq/kernels/buffer.h"
#include "lieq/quantize/fit.h"
#include "lieq/quantize/lane_copy.h"

namespace lieq::quantize {
namespace {

/// Feedback over the rows of one tile. Works on columns in the order of `quadratic`.
class Feedback {
 public:
  Feedback(MatrixView<const float> weight, const Quadratic& quadratic, const FitRules& rules, Fitted& fitted)
      : weight_(weight), quadratic_(quadratic), rules_(rules), fitted_(fitted) {}

  /// Rows [first, first + count): chooses the grid of each group as it is reached.
  void run(std::size_t first, std::size_t count) {
    errors_ = error_buffer_.matrix(count, fitted_.cols);
    for (std::size_t g = 0; g < fitted_.groups(); ++g) {
      const std::size_t begin = g * fitted_.group_size;
      load_targets(first, count, begin, fitted_.group_size);
      for (std::size_t lane = 0; lane < count; lane += kLanes) choose_grid(first, lane, count, g);
      if (fitted_.group_size > Blocks::kLargestBlock) round_in_blocks(first, count, g);
    }
  }

  /// The same with grids chosen before: group[k] is the group of the k-th column in the order of `quadratic`.
  void run_with_grids(std::size_t first, std::size_t count, const std::vector<std::size_t>& group) {
    errors_ = error_buffer_.matrix(count, fitted_.cols);
    for (std::size_t begin = 0; begin < fitted_.cols; begin += Blocks::kLargestBlock) {
      const std::size_t width = std::min(Blocks::kLargestBlock, fitted_.cols - begin);
      load_targets(first, count, begin, width);
      for (std::size_t lane = 0; lane < count; lane += kLanes) round_block(first, lane, count, begin, width, group);
    }
  }

 private:
  /// targets_ = what columns [begin, begin + width) had best become, given the errors of all before them.
  void load_targets(std::size_t first, std::size_t count, std::size_t begin, std::size_t width) {
    targets_.resize((count + kLanes - 1) / kLanes * kLanes * width);
    const MatrixView<float> felt = felt_buffer_.matrix(count, width);
    if (begin > 0)
      multiply(errors_.columns(0, begin), quadratic_.factors(), 0, begin, felt);
    lanes_.resize(width * kLanes);
    for (std::size_t lane = 0; lane < count; lane += kLanes) {
      float* target = targets_.data() + lane * width;
      if (begin == 0) {
        std::fill_n(target, width * kLanes, 0.0F);
      } else {
        to_lanes(felt, lane, lanes_.data());
        solve_factor(quadratic_.factor(begin, width), lanes_.data(), target);
      }
      for (std::size_t l = 0; l < std::min(kLanes, count - lane); ++l)
        for (std::size_t k = 0; k < width; ++k) target[k * kLanes + l] += weight_(first + lane + l, begin + k);
    }
  }

  void choose_grid(std::size_t first, std::size_t lane, std::size_t count, std::size_t g) {
    const std::size_t width = fitted_.group_size, begin = g * width;
    const float* target = targets_.data() + lane * width;
    Factor factor = quadratic_.factor(begin, width);
    const bool whole = width <= Blocks::kLargestBlock;
    if (!whole) factor.lower = nullptr;  // the search would cost width² a candidate: weigh columns singly
    if (rules_.range == Range::kSearch) {
      search_grid(rules_.grid, factor, target, scratch_, fit_);
    } else {
      fit_.choice = min_max_grid(rules_.grid, rules_.convention, width, target);
      if (whole) {
        fit_.codes.resize(width * kLanes);
        nearest_plane(factor, {fit_.choice.scale, fit_.choice.zero, 0, rules_.grid.top()}, target, nullptr,
                      fit_.codes.data(), fit_.loss, nullptr);
      }
    }
    for (std::size_t l = 0; l < std::min(kLanes, count - lane); ++l) {
      const std::size_t at = (first + lane + l) * fitted_.groups() + g;
      fitted_.scales[at] = fit_.choice.scale[l];
      fitted_.zeros[at] = fit_.choice.zero[l];
    }
    if (whole) store_codes(first, lane, count, begin, width, fit_.codes.data());
  }

  void round_in_blocks(std::size_t first, std::size_t count, std::size_t g) {
    const std::vector<std::size_t> group(fitted_.cols, g);
    const std::size_t end = (g + 1) * fitted_.group_size;
    for (std::size_t begin = g * fitted_.group_size; begin < end; begin += Blocks::kLargestBlock) {
      const std::size_t width = std::min(Blocks::kLargestBlock, end - begin);
      load_targets(first, count, begin, width);
      for (std::size_t lane = 0; lane < count; lane += kLanes) round_block(first, lane, count, begin, width, group);
    }
  }

  void round_block(std::size_t first, std::size_t lane, std::size_t count, std::size_t begin, std::size_t width,
                   const std::vector<std::size_t>& group) {
    std::vector<float>& scale = grid_scales_;
    std::vector<float>& zero = grid_zeros_;
    scale.assign(width * kLanes, 1);
    zero.assign(width * kLanes, 0);
    for (std::size_t k = 0; k < width; ++k) {
      for (std::size_t l = 0; l < std::min(kLanes, count - lane); ++l) {
        const std::size_t at = (first + lane + l) * fitted_.groups() + group[begin + k];
        scale[k * kLanes + l] = fitted_.scales[at];
        zero[k * kLanes + l] = fitted_.zeros[at];
      }
    }
    fit_.codes.resize(width * kLanes);
    nearest_plane(quadratic_.factor(begin, width), {scale.data(), zero.data(), kLanes, rules_.grid.top()},
                  targets_.data() + lane * width, nullptr, fit_.codes.data(), fit_.loss, nullptr);
    for (std::size_t l = 0; l < std::min(kLanes, count - lane); ++l) {
      for (std::size_t k = 0; k < width; ++k) {
        const float code = fit_.codes[k * kLanes + l];
        fitted_.codes[(first + lane + l) * fitted_.cols + begin + k] = static_cast<std::uint8_t>(code);
        errors_(lane + l, begin + k) =
            weight_(first + lane + l, begin + k) - scale[k * kLanes + l] * (code - zero[k * kLanes + l]);
      }
    }
  }

  void store_codes(std::size_t first, std::size_t lane, std::size_t count, std::size_t begin, std::size_t width,
                   const float* codes) {
    for (std::size_t l = 0; l < std::min(kLanes, count - lane); ++l) {
      const float scale = fit_.choice.scale[l], zero = fit_.choice.zero[l];
      for (std::size_t k = 0; k < width; ++k) {
        const float code = codes[k * kLanes + l];
        fitted_.codes[(first + lane + l) * fitted_.cols + begin + k] = static_cast<std::uint8_t>(code);
        errors_(lane + l, begin + k) = weight_(first + lane + l, begin + k) - scale * (code - zero);
      }
    }
  }

  MatrixView<const float> weight_;
  const Quadratic& quadratic_;
  const FitRules& rules_;
  Fitted& fitted_;
  MatrixView<float> errors_;  // W - Q of the columns done, [count, cols]
  kernels::Buffer<float> error_buffer_, felt_buffer_;
  std::vector<float> targets_, lanes_, grid_scales_, grid_zeros_;
  GridScratch scratch_;
  LaneFit fit_;
};

void feed_back(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic, const FitRules& rules,
               const std::vector<std::size_t>& group, Fitted& fitted) {
  threads.for_each((fitted.rows + kFitRows - 1) / kFitRows, [&](std::size_t tile, std::size_t) {
    Feedback feedback(weight, quadratic, rules, fitted);
    const std::size_t first = tile * kFitRows, count = std::min(kFitRows, fitted.rows - first);
    if (group.empty()) {
      feedback.run(first, count);
    } else {
      feedback.run_with_grids(first, count, group);
    }
  });
}

/// Columns by falling diagonal, equal ones as stored.
std::vector<std::size_t> falling_diagonal(const Quadratic& quadratic) {
  std::vector<std::size_t> order(quadratic.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const MatrixView<const float> h = quadratic.hessian();
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return h(a, a) > h(b, b); });
  return order;
}

/// The same problem with columns taken in another order.
struct Permuted {
  std::vector<float> weight;
  Quadratic quadratic;
};

Result<Permuted> permute(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic,
                         const std::vector<std::size_t>& order) {
  const std::size_t n = order.size();
  std::vector<float> hessian(n * n), columns(weight.rows() * n);
  threads.for_each(n, [&](std::size_t i, std::size_t) {
    for (std::size_t j = 0; j < n; ++j) hessian[i * n + j] = quadratic.hessian()(order[i], order[j]);
  });
  threads.for_each(weight.rows(), [&](std::size_t i, std::size_t) {
    for (std::size_t j = 0; j < n; ++j) columns[i * n + j] = weight(i, order[j]);
  });
  LIEQ_ASSIGN(Quadratic turned, Quadratic::create(threads, std::move(hessian), 0));  // already damped
  return Permuted{std::move(columns), std::move(turned)};
}

/// Codes back to stored column order.
void restore_order(const std::vector<std::size_t>& order, Fitted& fitted) {
  const std::vector<std::uint8_t> turned = fitted.codes;
  for (std::size_t i = 0; i < fitted.rows; ++i)
    for (std::size_t j = 0; j < fitted.cols; ++j)
      fitted.codes[i * fitted.cols + order[j]] = turned[i * fitted.cols + j];
}

Result<Fitted> gptq_static(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic,
                           const FitRules& rules) {
  // Grids as rounding to nearest would have them, with columns weighed by diag(H).
  Fitted fitted(weight.rows(), weight.cols(), rules.grid.bits, rules.group_size);
  std::vector<float> roots(quadratic.size());
  for (std::size_t j = 0; j < roots.size(); ++j) roots[j] = std::sqrt(quadratic.hessian()(j, j));
  threads.for_each((fitted.rows + kLanes - 1) / kLanes, [&](std::size_t tile, std::size_t) {
    GridScratch scratch;
    LaneFit fit;
    std::vector<float> target(fitted.group_size * kLanes);
    for (std::size_t g = 0; g < fitted.groups(); ++g) {
      const std::size_t begin = g * fitted.group_size;
      to_lanes(weight.columns(begin, fitted.group_size), tile * kLanes, target.data());
      if (rules.range == Range::kSearch) {
        search_grid(rules.grid, {fitted.group_size, nullptr, 0, roots.data() + begin}, target.data(), scratch, fit);
      } else {
        fit.choice = min_max_grid(rules.grid, rules.convention, fitted.group_size, target.data());
      }
      for (std::size_t l = 0; l < std::min(kLanes, fitted.rows - tile * kLanes); ++l) {
        fitted.scales[(tile * kLanes + l) * fitted.groups() + g] = fit.choice.scale[l];
        fitted.zeros[(tile * kLanes + l) * fitted.groups() + g] = fit.choice.zero[l];
      }
    }
  });
  const std::vector<std::size_t> order = falling_diagonal(quadratic);
  LIEQ_ASSIGN(const Permuted permuted, permute(threads, weight, quadratic, order));
  std::vector<std::size_t> group;
  for (const std::size_t j : order) group.push_back(j / fitted.group_size);
  feed_back(threads, {permuted.weight.data(), weight.rows(), weight.cols()}, permuted.quadratic, rules, group, fitted);
  restore_order(order, fitted);
  descend(threads, weight, quadratic, rules, fitted);
  return fitted;
}

Result<Fitted> gptq_dynamic(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic,
                            FitRules rules) {
  const std::vector<std::size_t> order = falling_diagonal(quadratic);
  LIEQ_ASSIGN(const Permuted permuted, permute(threads, weight, quadratic, order));
  rules.act_order = ActOrder::kNone;
  LIEQ_ASSIGN(Fitted fitted, gptq(threads, {permuted.weight.data(), weight.rows(), weight.cols()}, permuted.quadratic,
                                  rules));
  restore_order(order, fitted);
  fitted.g_idx.resize(fitted.cols);
  for (std::size_t k = 0; k < fitted.cols; ++k)
    fitted.g_idx[order[k]] = static_cast<std::int32_t>(k / fitted.group_size);
  return fitted;
}

}  // namespace

MatrixView<const float> without_dead_columns(MatrixView<const float> weight, const Quadratic& quadratic,
                                             std::vector<float>& copy) {
  for (std::size_t j = 0; j < weight.cols(); ++j) {
    if (!quadratic.is_dead(j)) continue;
    if (copy.empty())
      for (std::size_t i = 0; i < weight.rows(); ++i)
        copy.insert(copy.end(), weight.row(i).begin(), weight.row(i).end());
    for (std::size_t i = 0; i < weight.rows(); ++i) copy[i * weight.cols() + j] = 0;
  }
  return copy.empty() ? weight : MatrixView<const float>(copy.data(), weight.rows(), weight.cols());
}

Result<Fitted> gptq(Threads& threads, MatrixView<const float> weight, const Quadratic& quadratic,
                    const FitRules& rules) {
  LIEQ_CHECK(weight.cols() == quadratic.size());
  std::vector<float> without_dead;
  weight = without_dead_columns(weight, quadratic, without_dead);
  if (rules.act_order == ActOrder::kStatic) return gptq_static(threads, weight, quadratic, rules);
  if (rules.act_order == ActOrder::kDynamic) return gptq_dynamic(threads, weight, quadratic, rules);
  Fitted fitted(weight.rows(), weight.cols(), rules.grid.bits, rules.group_size);
  feed_back(threads, weight, quadratic, rules, {}, fitted);
  descend(threads, weight, quadratic, rules, fitted);
  return fitted;
}

}  // namespace lieq::quantize
