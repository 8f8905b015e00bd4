#include "lieq/quantize/activations.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lieq/kernels/gemm.h"
#include "lieq/kernels/transpose.h"

namespace lieq::quantize {
namespace {

constexpr std::size_t kTile = 96;    // rows and columns of one product: small, as tiles on the diagonal are half wasted

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

void ProductSum::add_tiles(Threads& threads, MatrixView<const float> a, MatrixView<const float> b, bool upper) {
  const MatrixView<float> turned = turned_.matrix(rows_, a.rows());
  kernels::transpose(threads, a, turned);
  const MatrixView<float> sum(sum_.data(), rows_, cols_);
  const std::size_t across = ceil_div(cols_, kTile);
  threads.for_each(ceil_div(rows_, kTile) * across, [&](std::size_t item, std::size_t) {
    const std::size_t i = item / across * kTile, j = item % across * kTile;
    if (upper && j < i) return;
    const std::size_t height = std::min(kTile, rows_ - i), width = std::min(kTile, cols_ - j);
    kernels::gemm_nn_add(turned.rows(i, height), b.columns(j, width), sum.rows(i, height).columns(j, width));
  });
}

ProductSum ProductSum::symmetric(std::size_t size) {
  ProductSum sum(size, size);
  sum.symmetric_ = true;
  return sum;
}

void ProductSum::add(Threads& threads, MatrixView<const float> a, MatrixView<const float> b) {
  LIEQ_CHECK(a.rows() == b.rows() && a.cols() == rows_ && b.cols() == cols_);
  add_tiles(threads, a, b, false);
}

void ProductSum::add_square(Threads& threads, MatrixView<const float> x) {
  LIEQ_CHECK(rows_ == cols_ && x.cols() == cols_);
  add_tiles(threads, x, x, true);
}

void ProductSum::end_leaf(Threads& threads, std::size_t leaf) {
  if (sum_.empty()) return;
  if (!symmetric_) {
    leaves_.add(threads, leaf, std::exchange(sum_, std::vector<float>(rows_ * cols_)));
    return;
  }
  std::vector<float> packed(rows_ * (rows_ + 1) / 2);
  threads.for_each(rows_, [&](std::size_t i, std::size_t) {
    float* row = &sum_[i * cols_];
    std::copy(row + i, row + cols_, &packed[packed_row(i) + i]);
    std::fill(row, row + cols_, 0.0F);
  });
  leaves_.add(threads, leaf, std::move(packed));
}

void ProductSum::join_leaves(Threads& threads) {
  if (sum_.empty()) return;
  std::vector<float> all = leaves_.take(threads);
  all.resize(symmetric_ ? rows_ * (rows_ + 1) / 2 : rows_ * cols_);  // zeros, where this rank has no leaf
  threads.ranks().add_up(std::span(all));
  if (!symmetric_) {
    sum_ = std::move(all);
    return;
  }
  threads.for_each(rows_, [&](std::size_t i, std::size_t) {
    const float* row = &all[packed_row(i) + i];
    std::copy(row, row + (cols_ - i), &sum_[i * cols_ + i]);
  });
}

std::vector<float> ProductSum::take_symmetric(Threads& threads) {
  LIEQ_CHECK(rows_ == cols_);
  threads.for_each(rows_, [&](std::size_t i, std::size_t) {
    for (std::size_t j = 0; j < i; ++j) sum_[i * cols_ + j] = sum_[j * cols_ + i];
  });
  return std::move(sum_);
}

void MagnitudeSum::add(Threads& threads, MatrixView<const float> x) {
  if (sums_.empty()) return;
  LIEQ_CHECK(x.cols() == sums_.size());
  threads.for_each(ceil_div(sums_.size(), kTile), [&](std::size_t tile, std::size_t) {
    const std::size_t end = std::min(sums_.size(), (tile + 1) * kTile);
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (std::size_t j = tile * kTile; j < end; ++j) sums_[j] += static_cast<double>(std::fabs(x(t, j)));
  });
}

void MagnitudeSum::end_leaf(Threads& threads, std::size_t leaf) {
  if (!sums_.empty()) leaves_.add(threads, leaf, std::exchange(sums_, std::vector<double>(sums_.size())));
}

void MagnitudeSum::join_leaves(Threads& threads) {
  if (sums_.empty()) return;
  std::vector<double> all = leaves_.take(threads);
  all.resize(sums_.size());
  sums_ = std::move(all);
  threads.ranks().add_up(std::span(sums_));
}

std::vector<float> MagnitudeSum::take(std::size_t tokens) const {
  std::vector<float> means;
  for (const double sum : sums_) means.push_back(static_cast<float>(sum / static_cast<double>(tokens)));
  return means;
}

}  // namespace lieq::quantize
