#include "lieq/quantize/fitted.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lieq/base/dtype.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/elementwise.h"
#include "lieq/quantize/k_fitted.h"
#include "lieq/quantize/quadratic.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kRowTile = 48;
constexpr std::size_t kBlock = 192;  // columns of a product

/// e H eᵀ of every row; fill(row, e) writes one row of E. H is symmetric, so blocks above its diagonal count twice.
template <class Fill>
std::vector<double> quadratic_form(Threads& threads, std::size_t rows, MatrixView<const float> hessian,
                                   const Fill& fill) {
  const std::size_t cols = hessian.cols();
  std::vector<double> losses(rows);
  threads.for_each((rows + kRowTile - 1) / kRowTile, [&](std::size_t tile, std::size_t) {
    static thread_local kernels::Buffer<float> errors, products;
    const std::size_t first = tile * kRowTile, count = std::min(kRowTile, rows - first);
    const MatrixView<float> e = errors.matrix(count, cols);
    for (std::size_t i = 0; i < count; ++i) fill(first + i, e.row(i));
    for (std::size_t begin = 0; begin < cols; begin += kBlock) {
      const std::size_t width = std::min(kBlock, cols - begin);
      const MatrixView<float> eh = products.matrix(count, width);
      const auto add = [&](std::size_t from, std::size_t depth, double share) {
        multiply(e.columns(from, depth), hessian, from, begin, eh);
        for (std::size_t i = 0; i < count; ++i)
          losses[first + i] += share * static_cast<double>(kernels::dot(&e(i, begin), eh.row(i).data(), width));
      };
      add(begin, width, 1);
      if (begin > 0) add(0, begin, 2);
    }
  });
  return losses;
}

double sum_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace

Fitted::Fitted(std::size_t out, std::size_t in, unsigned width, std::size_t group)
    : rows(out), cols(in), group_size(group == 0 ? in : group), bits(width) {
  LIEQ_CHECK(cols % group_size == 0);
  codes.resize(rows * cols);
  scales.resize(rows * groups());
  zeros.resize(rows * groups());
}

pack::QuantizedMatrix to_quantized(const Fitted& fitted, Grid grid) {
  pack::QuantizedMatrix m{.rows = fitted.rows,
                          .cols = fitted.cols,
                          .bits = fitted.bits,
                          .group_size = fitted.group_size,
                          .codes = fitted.codes,
                          .scales = {},
                          .double_zeros = {},
                          .g_idx = fitted.g_idx};
  const std::size_t groups = fitted.groups();
  const auto top = static_cast<float>((1U << fitted.bits) - 1);
  std::vector<char> mirrored(fitted.scales.size());
  for (std::size_t k = 0; k < fitted.scales.size(); ++k) {
    const float twice = 2 * fitted.zeros[k];
    mirrored[k] = grid == Grid::kHalf && fitted.zeros[k] > 0.5F * (top + 1);
    m.scales.push_back(float_to_f16(mirrored[k] ? -fitted.scales[k] : fitted.scales[k]));
    m.double_zeros.push_back(static_cast<std::uint16_t>(mirrored[k] ? 2 * top - twice : twice));
  }
  for (std::size_t i = 0; i < m.rows; ++i) {
    for (std::size_t j = 0; j < m.cols; ++j) {
      std::uint8_t& code = m.codes[i * m.cols + j];
      if (mirrored[i * groups + m.group_of(j)]) code = static_cast<std::uint8_t>(static_cast<unsigned>(top) - code);
    }
  }
  return m;
}

double quadratic_loss(Threads& threads, MatrixView<const float> target, const Fitted& fitted,
                      MatrixView<const float> hessian) {
  return sum_of(quadratic_form(threads, fitted.rows, hessian, [&](std::size_t i, std::span<float> e) {
    for (std::size_t j = 0; j < fitted.cols; ++j) e[j] = target(i, j) - fitted.weight(i, j);
  }));
}

double quadratic_loss(Threads& threads, MatrixView<const float> target, const AnyFitted& fitted,
                      MatrixView<const float> hessian) {
  return sum_of(row_losses(threads, target, fitted, hessian));
}

std::vector<double> row_losses(Threads& threads, MatrixView<const float> target, const AnyFitted& fitted,
                               MatrixView<const float> hessian) {
  return quadratic_form(threads, target.rows(), hessian, [&](std::size_t i, std::span<float> e) {
    decode_row(fitted, i, e.data());
    for (std::size_t j = 0; j < e.size(); ++j) e[j] = target(i, j) - e[j];
  });
}

double quadratic_energy(Threads& threads, MatrixView<const float> weight, MatrixView<const float> hessian) {
  return sum_of(row_energies(threads, weight, hessian));
}

std::vector<double> row_energies(Threads& threads, MatrixView<const float> weight, MatrixView<const float> hessian) {
  return quadratic_form(threads, weight.rows(), hessian,
                        [&](std::size_t i, std::span<float> e) { std::ranges::copy(weight.row(i), e.begin()); });
}

}  // namespace lieq::quantize
