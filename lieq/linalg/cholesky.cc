#include "lieq/linalg/cholesky.h"

#include <algorithm>
#include <cmath>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/linalg/cholesky.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::linalg::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// c -= a bᵀ for kI x kJ elements of c; rows of all three lie `stride` apart.
template <std::size_t kI, std::size_t kJ>
void SubtractBlock(const double* a, const double* b, double* c, std::size_t depth, std::size_t stride) {
  const hn::ScalableTag<double> d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> sum[kI][kJ];
  for (std::size_t i = 0; i < kI; ++i)
    for (std::size_t j = 0; j < kJ; ++j) sum[i][j] = hn::Zero(d);
  std::size_t k = 0;
  for (; k + lanes <= depth; k += lanes) {
    hn::Vec<decltype(d)> columns[kJ];
    for (std::size_t j = 0; j < kJ; ++j) columns[j] = hn::LoadU(d, b + j * stride + k);
    for (std::size_t i = 0; i < kI; ++i) {
      const auto row = hn::LoadU(d, a + i * stride + k);
      for (std::size_t j = 0; j < kJ; ++j) sum[i][j] = hn::MulAdd(row, columns[j], sum[i][j]);
    }
  }
  for (std::size_t i = 0; i < kI; ++i) {
    for (std::size_t j = 0; j < kJ; ++j) {
      double total = hn::GetLane(hn::SumOfLanes(d, sum[i][j]));
      for (std::size_t rest = k; rest < depth; ++rest) total += a[i * stride + rest] * b[j * stride + rest];
      c[i * stride + j] -= total;
    }
  }
}

/// c -= a bᵀ. a: [rows, depth], b: [cols, depth], c: [rows, cols], rows `stride` apart.
void SubtractProduct(const double* a, const double* b, double* c, std::size_t rows, std::size_t cols, std::size_t depth,
                     std::size_t stride) {
  std::size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    std::size_t j = 0;
    for (; j + 2 <= cols; j += 2)
      SubtractBlock<4, 2>(a + i * stride, b + j * stride, c + i * stride + j, depth, stride);
    for (; j < cols; ++j) SubtractBlock<4, 1>(a + i * stride, b + j * stride, c + i * stride + j, depth, stride);
  }
  for (; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j)
      SubtractBlock<1, 1>(a + i * stride, b + j * stride, c + i * stride + j, depth, stride);
}

}  // namespace lieq::linalg::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <fmt/format.h>

namespace lieq::linalg {
namespace {

HWY_EXPORT(SubtractProduct);

constexpr std::size_t kBlock = 64;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Factors the diagonal block at [first, first + size). diagonal: that of the matrix before anything was subtracted.
Result<void> factor_diagonal(MatrixView<double> a, std::size_t first, std::size_t size,
                             const std::vector<double>& diagonal) {
  const double tolerance = static_cast<double>(a.rows()) * 0x1p-52;
  for (std::size_t j = first; j < first + size; ++j) {
    double pivot = a(j, j);
    for (std::size_t k = first; k < j; ++k) pivot -= a(j, k) * a(j, k);
    if (!(pivot > tolerance * diagonal[j]))
      return fail(ErrorCode::kNumerical,
                  fmt::format("Cholesky factor: found pivot {:g} in column {} of {}, expected more than 0",
                                                     pivot, j, a.rows()));
    a(j, j) = std::sqrt(pivot);
    for (std::size_t i = j + 1; i < first + size; ++i) {
      double value = a(i, j);
      for (std::size_t k = first; k < j; ++k) value -= a(i, k) * a(j, k);
      a(i, j) = value / a(j, j);
    }
  }
  return {};
}

/// Rows [begin, end) of the panel below the diagonal block: x L_blockᵀ = a.
void solve_panel(MatrixView<double> a, std::size_t first, std::size_t size, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t j = first; j < first + size; ++j) {
      double value = a(i, j);
      for (std::size_t k = first; k < j; ++k) value -= a(i, k) * a(j, k);
      a(i, j) = value / a(j, j);
    }
  }
}

}  // namespace

Result<void> cholesky(Threads& threads, MatrixView<double> a) {
  LIEQ_CHECK(a.rows() == a.cols());
  const std::size_t n = a.rows();
  std::vector<double> diagonal(n);
  for (std::size_t j = 0; j < n; ++j) diagonal[j] = a(j, j);
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t size = std::min(kBlock, n - first);
    LIEQ_TRY(factor_diagonal(a, first, size, diagonal));
    const std::size_t below = first + size;
    if (below == n) break;
    const std::size_t tiles = ceil_div(n - below, kBlock);
    const auto tile_rows = [&](std::size_t tile) { return std::min(kBlock, n - below - tile * kBlock); };
    threads.for_each(tiles, [&](std::size_t tile, std::size_t) {
      const std::size_t begin = below + tile * kBlock;
      solve_panel(a, first, size, begin, begin + tile_rows(tile));
    });
    threads.for_each(tiles, [&](std::size_t tile, std::size_t) {
      const std::size_t i = below + tile * kBlock;
      for (std::size_t other = 0; other <= tile; ++other) {
        const std::size_t j = below + other * kBlock;
        HWY_DYNAMIC_DISPATCH(SubtractProduct)(&a(i, first), &a(j, first), &a(i, j), tile_rows(tile), tile_rows(other),
                                              size, a.stride());
      }
    });
  }
  return {};
}

}  // namespace lieq::linalg
#endif
