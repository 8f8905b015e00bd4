#include "lieq/quantize/awq.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/elementwise.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kRatios = 20;
constexpr std::size_t kClipSteps = 20;
constexpr float kLeastClip = 0.5F;

/// Mean over all rows of |w| / (largest of the row's group).
std::vector<double> relative_size(std::span<const MatrixView<const float>> weights, std::size_t group_size) {
  std::vector<double> mean(weights.front().cols());
  std::size_t rows = 0;
  for (const MatrixView<const float>& w : weights) {
    for (std::size_t i = 0; i < w.rows(); ++i) {
      for (std::size_t first = 0; first < w.cols(); first += group_size) {
        float largest = 0;
        for (std::size_t j = first; j < first + group_size; ++j) largest = std::max(largest, std::fabs(w(i, j)));
        for (std::size_t j = first; j < first + group_size; ++j)
          mean[j] += static_cast<double>(std::fabs(w(i, j))) / (static_cast<double>(largest) + 1e-6);
      }
    }
    rows += w.rows();
  }
  for (double& value : mean) value /= static_cast<double>(rows);
  return mean;
}

std::vector<float> candidate(std::span<const float> magnitude, const std::vector<double>& size, double ratio) {
  std::vector<double> scales(magnitude.size());
  for (std::size_t j = 0; j < scales.size(); ++j) {
    scales[j] = std::pow(static_cast<double>(magnitude[j]), ratio);
    if (!size.empty()) scales[j] /= std::pow(size[j], 1 - ratio) + 1e-4;
    scales[j] = std::max(scales[j], 1e-4);
  }
  const double middle = std::sqrt(*std::ranges::max_element(scales) * *std::ranges::min_element(scales));
  std::vector<float> result(scales.size());
  for (std::size_t j = 0; j < scales.size(); ++j) result[j] = static_cast<float>(scales[j] / middle);
  return result;
}

/// tr(E H Eᵀ) of one linear rounded after scaling.
double scaled_loss(Threads& threads, MatrixView<const float> weight, const std::vector<float>& scales,
                   MatrixView<const float> hessian, const FitRules& rules) {
  const std::size_t rows = weight.rows(), cols = weight.cols();
  std::vector<float> scaled(rows * cols);
  const MatrixView<float> w(scaled.data(), rows, cols);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) w(i, j) = weight(i, j) * scales[j];
  const Fitted fitted = rtn(threads, w, rules);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) w(i, j) = weight(i, j) - fitted.weight(i, j) / scales[j];
  return quadratic_energy(threads, w, hessian);
}

}  // namespace

AwqScales awq_scales(Threads& threads, std::span<const MatrixView<const float>> weights,
                     std::span<const float> magnitude, MatrixView<const float> hessian, const FitRules& rules,
                     bool duo) {
  const std::vector<double> size = duo ? relative_size(weights, rules.group_size) : std::vector<double>();
  AwqScales result;
  for (std::size_t k = 0; k < kRatios; ++k) {
    const std::vector<float> scales = candidate(magnitude, size, static_cast<double>(k) / kRatios);
    double loss = 0;
    for (const MatrixView<const float>& w : weights) loss += scaled_loss(threads, w, scales, hessian, rules);
    result.losses.push_back(loss);
    if (k == 0 || loss < result.losses[result.best]) {
      result.best = k;
      result.scales = scales;
    }
  }
  return result;
}

void awq_clip(Threads& threads, MatrixView<float> weight, MatrixView<const float> hessian, const FitRules& rules) {
  const std::size_t width = rules.group_size;
  threads.for_each((weight.rows() + kLanes - 1) / kLanes, [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * kLanes, count = std::min(kLanes, weight.rows() - first);
    Threads alone(1);
    std::vector<float> clipped(count * width), error(width), product(width);
    const MatrixView<float> c(clipped.data(), count, width);
    for (std::size_t begin = 0; begin < weight.cols(); begin += width) {
      std::vector<float> largest(count), best_limit(count);
      std::vector<double> best(count, std::numeric_limits<double>::infinity());
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < width; ++j)
          largest[i] = std::max(largest[i], std::fabs(weight(first + i, begin + j)));
      for (std::size_t step = 0; step < kClipSteps; ++step) {
        const float shrink = 1 - (1 - kLeastClip) * static_cast<float>(step) / kClipSteps;
        for (std::size_t i = 0; i < count; ++i)
          for (std::size_t j = 0; j < width; ++j)
            c(i, j) = std::clamp(weight(first + i, begin + j), -shrink * largest[i], shrink * largest[i]);
        const Fitted fitted = rtn(alone, c, rules);
        for (std::size_t i = 0; i < count; ++i) {
          for (std::size_t j = 0; j < width; ++j) error[j] = weight(first + i, begin + j) - fitted.weight(i, j);
          double loss = 0;
          for (std::size_t j = 0; j < width; ++j)
            loss += static_cast<double>(error[j] * kernels::dot(&hessian(begin + j, begin), error.data(), width));
          if (loss < best[i]) {
            best[i] = loss;
            best_limit[i] = shrink * largest[i];
          }
        }
      }
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < width; ++j) {
          float& w = weight(first + i, begin + j);
          w = std::clamp(w, -best_limit[i], best_limit[i]);
        }
    }
  });
}

}  // namespace lieq::quantize
