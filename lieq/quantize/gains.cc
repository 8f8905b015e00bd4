#include "lieq/quantize/gains.h"

#include <algorithm>

#include "lieq/kernels/buffer.h"
#include "lieq/linalg/cholesky.h"
#include "lieq/quantize/activations.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kGainTile = 48;
constexpr float kLargestGain = 2;

/// L Lᵀ x = b, in place of b.
void solve(MatrixView<const double> l, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= l(i, k) * b[k];
    b[i] /= l(i, i);
  }
  for (std::size_t i = n; i-- > 0;) {
    b[i] /= l(i, i);
    for (std::size_t k = 0; k < i; ++k) b[k] -= l(i, k) * b[i];
  }
}

std::size_t tiles_of(std::size_t rows) { return (rows + kGainTile - 1) / kGainTile; }

/// Σ_i Q[i][j] ((T - Q) H)[i][j] of each tile of rows, [tiles, cols]; of the rows `own` alone, which target holds.
std::vector<double> slopes(MatrixView<const float> target, Share own, MatrixView<const float> q,
                           MatrixView<const float> hessian, Threads& threads) {
  const std::size_t cols = q.cols(), first_tile = own.first / kGainTile;
  std::vector<double> parts(tiles_of(q.rows()) * cols);
  threads.for_each(tiles_of(own.count()), [&](std::size_t item, std::size_t) {
    static thread_local kernels::Buffer<float> errors, products;
    const std::size_t tile = first_tile + item;
    const std::size_t first = tile * kGainTile, count = std::min(kGainTile, own.last - first);
    const MatrixView<float> e = errors.matrix(count, cols), eh = products.matrix(count, cols);
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < cols; ++j) e(i, j) = target(first - own.first + i, j) - q(first + i, j);
    multiply(e, hessian, 0, 0, eh);
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < cols; ++j)
        parts[tile * cols + j] += static_cast<double>(q(first + i, j)) * static_cast<double>(eh(i, j));
  });
  return parts;
}

}  // namespace

Result<std::vector<float>> refit_gains(Threads& threads, std::span<const FittedLinear> linears,
                                       const Quadratic& quadratic, std::span<const std::size_t> channels,
                                       std::size_t count, const RowShares* shares) {
  const std::size_t in = quadratic.size();
  LIEQ_CHECK(channels.empty() ? count == in : channels.size() == in);
  const auto channel = [&](std::size_t j) { return channels.empty() ? j : channels[j]; };
  ProductSum squares(in, in);
  std::vector<double> slope(in);
  kernels::Buffer<float> values;
  for (std::size_t k = 0; k < linears.size(); ++k) {
    const FittedLinear& linear = linears[k];
    const std::size_t rows = std::visit([](const auto& fitted) { return fitted.rows; }, *linear.fitted);
    const MatrixView<float> q = values.matrix(rows, in);
    threads.for_each(q.rows(), [&](std::size_t i, std::size_t) { decode_row(*linear.fitted, i, q.row(i).data()); });
    squares.add_square(threads, q);
    std::vector<double> parts =
        slopes(linear.target, shares ? shares->own(k) : Share{0, rows}, q, quadratic.hessian(), threads);
    if (shares) shares->gather(k, parts, kGainTile);
    for (std::size_t tile = 0; tile < tiles_of(rows); ++tile)
      for (std::size_t j = 0; j < in; ++j) slope[j] += parts[tile * in + j];
  }
  const std::vector<float> square = squares.take_symmetric(threads);
  std::vector<double> normal(count * count), step(count);
  for (std::size_t i = 0; i < in; ++i) {
    step[channel(i)] += slope[i];
    for (std::size_t j = 0; j < in; ++j)
      normal[channel(i) * count + channel(j)] +=
          static_cast<double>(square[i * in + j]) * static_cast<double>(quadratic.hessian()(i, j));
  }
  for (std::size_t c = 0; c < count; ++c) {
    double& own = normal[c * count + c];
    own = own > 0 ? own * (1 + 1e-6) : 1;  // a channel whose weights are all 0 keeps its gain
  }
  LIEQ_TRY(linalg::cholesky(threads, {normal.data(), count, count}));
  solve({normal.data(), count, count}, step);
  std::vector<float> gains(count, 1.0F);
  for (std::size_t c = 0; c < count; ++c) {
    const auto gain = static_cast<float>(1 + step[c]);
    if (gain >= 1 / kLargestGain && gain <= kLargestGain) gains[c] = gain;
  }
  return gains;
}

}  // namespace lieq::quantize
