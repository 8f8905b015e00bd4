#include "lieq/quantize/quadratic.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/elementwise.h"
#include "lieq/kernels/gemm.h"
#include "lieq/linalg/cholesky.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kSolveBlock = 64;
constexpr std::size_t kSolveRows = 48;

/// Factors the block of `hessian` at [first, first + n) as Lᵀ D² L, by the Cholesky factor of the block in reverse
/// order:
/// H = R Rᵀ with R = Lᵀ D upper triangular.
Result<std::vector<double>> reversed_factor(Threads& threads, MatrixView<const float> hessian, std::size_t first,
                                            std::size_t n) {
  std::vector<double> reversed(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      reversed[i * n + j] = static_cast<double>(hessian(first + n - 1 - i, first + n - 1 - j));
  LIEQ_TRY(linalg::cholesky(threads, {reversed.data(), n, n}));
  return reversed;
}

/// lower: with its transpose above the diagonal.
void store_factor(const std::vector<double>& reversed, std::size_t n, std::vector<float>& lower,
                  std::vector<float>& diagonal) {
  lower.assign(n * n, 0);
  diagonal.resize(n);
  for (std::size_t k = 0; k < n; ++k) {
    const double pivot = reversed[(n - 1 - k) * n + (n - 1 - k)];
    diagonal[k] = static_cast<float>(pivot);
    // R[j][k] for j < k lies at row n-1-j, column n-1-k of the reversed factor.
    for (std::size_t j = 0; j < k; ++j)
      lower[j * n + k] = lower[k * n + j] = static_cast<float>(reversed[(n - 1 - j) * n + (n - 1 - k)] / pivot);
    lower[k * n + k] = 1;
  }
}

}  // namespace

void Quadratic::add_damping(double damping) {
  const std::size_t n = size();
  double sum = 0;
  std::size_t live = 0;
  for (std::size_t j = 0; j < n; ++j) {
    dead_[j] = !(hessian_[j * n + j] > 0);
    if (!dead_[j]) {
      sum += static_cast<double>(hessian_[j * n + j]);
      ++live;
    }
  }
  const double mean = live == 0 ? 1 : sum / static_cast<double>(live);
  for (std::size_t j = 0; j < n; ++j) {
    const double own = dead_[j] ? mean : static_cast<double>(hessian_[j * n + j]);
    hessian_[j * n + j] = static_cast<float>(own + damping * mean);
  }
}

Result<Quadratic> Quadratic::create(Threads& threads, std::vector<float> hessian, double damping) {
  const auto n = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(hessian.size()))));
  LIEQ_CHECK(n * n == hessian.size());
  for (const float value : hessian)
    if (!std::isfinite(value))
      return fail(ErrorCode::kNumerical, "Hessian: found NaN or infinity, expected finite values");
  Quadratic q;
  q.hessian_ = std::move(hessian);
  q.diagonal_.resize(n);
  q.dead_.resize(n);
  q.add_damping(damping);
  LIEQ_ASSIGN(const std::vector<double> reversed, reversed_factor(threads, q.hessian(), 0, n));
  store_factor(reversed, n, q.factors_, q.diagonal_);
  return q;
}

Factor Quadratic::factor(std::size_t first, std::size_t count) const {
  return {count, factors_.data() + first * size() + first, size(), diagonal_.data() + first};
}

void Quadratic::solve(Threads& threads, MatrixView<float> b) const {
  const std::size_t n = size();
  LIEQ_CHECK(b.cols() == n);
  const MatrixView<const float> l = factors();
  threads.for_each((b.rows() + kSolveRows - 1) / kSolveRows, [&](std::size_t tile, std::size_t) {
    static thread_local kernels::Buffer<float> negated, products;
    const std::size_t count = std::min(kSolveRows, b.rows() - tile * kSolveRows);
    const MatrixView<float> x = b.rows(tile * kSolveRows, count);
    const MatrixView<float> minus = negated.matrix(count, n);
    // Y L = B, from the last columns back; `minus` holds -Y.
    for (std::size_t end = n; end > 0;) {
      const std::size_t first = (end - 1) / kSolveBlock * kSolveBlock, width = end - first;
      const MatrixView<float> block = x.columns(first, width);
      if (end < n) kernels::gemm_nn_add(minus.columns(end, n - end), l.rows(end, n - end).columns(first, width), block);
      for (std::size_t i = 0; i < count; ++i) {
        float* y = x.row(i).data();
        for (std::size_t k = end; k-- > first;) add_scaled(y + first, -y[k], &l(k, first), k - first);
        for (std::size_t k = first; k < end; ++k) minus(i, k) = -y[k];
      }
      end = first;
    }
    // X Lᵀ = Y / D².
    for (std::size_t first = 0; first < n; first += kSolveBlock) {
      const std::size_t width = std::min(kSolveBlock, n - first);
      const MatrixView<float> settled = products.matrix(count, width);
      if (first > 0) multiply(x.columns(0, first), l, 0, first, settled);
      for (std::size_t i = 0; i < count; ++i) {
        float* y = x.row(i).data();
        for (std::size_t k = first; k < first + width; ++k) {
          const float others = kernels::dot(&l(k, first), y + first, k - first);
          y[k] = y[k] / (diagonal_[k] * diagonal_[k]) - (first > 0 ? settled(i, k - first) : 0) - others;
        }
      }
    }
  });
}

void multiply(MatrixView<const float> x, MatrixView<const float> H, std::size_t first, std::size_t column,
              MatrixView<float> y) {
  for (std::size_t i = 0; i < y.rows(); ++i) std::ranges::fill(y.row(i), 0.0F);
  kernels::gemm_nn_add(x, H.rows(first, x.cols()).columns(column, y.cols()), y);
}

Blocks::Blocks(Threads& threads, const Quadratic& quadratic, std::size_t group_size) {
  const std::size_t n = quadratic.size();
  for (std::size_t group = 0; group < n; group += group_size) {
    for (std::size_t first = 0; first < group_size; first += kLargestBlock) {
      Block& block = blocks_.emplace_back();
      block.first = group + first;
      block.diagonal.resize(std::min(kLargestBlock, group_size - first));
    }
  }
  threads.for_each(blocks_.size(), [&](std::size_t b, std::size_t) {
    Block& block = blocks_[b];
    const std::size_t width = block.diagonal.size();
    Threads alone(1);
    const auto reversed = reversed_factor(alone, quadratic.hessian(), block.first, width);
    LIEQ_CHECK(reversed.has_value());  // a block of a matrix that has a factor has one
    store_factor(*reversed, width, block.lower, block.diagonal);
    // Row r of the inverse: Y L = unit row, then X Lᵀ = Y / D².
    block.inverse.assign(width * width, 0);
    std::vector<double> x(width);
    for (std::size_t r = 0; r < width; ++r) {
      std::fill(x.begin(), x.end(), 0.0);
      x[r] = 1;
      const auto l = [&](std::size_t k, std::size_t j) { return static_cast<double>(block.lower[k * width + j]); };
      for (std::size_t k = r + 1; k-- > 0;)
        for (std::size_t j = 0; j < k; ++j) x[j] -= x[k] * l(k, j);
      for (std::size_t k = 0; k < width; ++k) {
        const auto pivot = static_cast<double>(block.diagonal[k]);
        x[k] /= pivot * pivot;
        for (std::size_t j = 0; j < k; ++j) x[k] -= l(k, j) * x[j];
      }
      for (std::size_t j = 0; j < width; ++j) block.inverse[r * width + j] = static_cast<float>(x[j]);
    }
  });
}

Factor Blocks::factor(std::size_t b) const {
  const Block& block = blocks_[b];
  return {width(b), block.lower.data(), width(b), block.diagonal.data()};
}

}  // namespace lieq::quantize
