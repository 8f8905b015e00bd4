#include "lieq/tune/products.h"

#include <algorithm>

#include "lieq/kernels/elementwise.h"
#include "lieq/kernels/gemm.h"
#include "lieq/kernels/linear.h"
#include "lieq/kernels/transpose.h"

namespace lieq::tune {
namespace {

constexpr std::size_t kTokenTile = 512, kRowTile = 256, kColumnTile = 512;  // sides of the tiles of a product

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Calls step(first row, slab) for the slabs of the weights, decoded one after the other.
template <class Step>
void in_slabs(Threads& threads, const WeightRows& weight, ProductScratch& scratch, const Step& step) {
  const std::size_t most = kernels::slab_rows(weight.cols);
  for (std::size_t first = 0; first < weight.rows; first += most) {
    const std::size_t rows = std::min(most, weight.rows - first);
    const std::size_t padded = ceil_div(rows, kRun) * kRun;  // the last run of a matrix may be decoded with padding
    const MatrixView<float> slab = scratch.slab.matrix(padded, weight.cols);
    threads.for_each(padded / kRun, [&](std::size_t run, std::size_t) {
      const std::size_t begin = run * kRun;
      weight.decode(first + begin, std::min(kRun, rows - begin), slab.rows(begin, kRun));
    });
    step(first, MatrixView<const float>(slab.rows(0, rows)));
  }
}

/// Calls body(row, rows, column, columns) for the tiles of a matrix, in parallel.
template <class Body>
void in_tiles(Threads& threads, std::size_t rows, std::size_t row_tile, std::size_t columns, std::size_t column_tile,
              const Body& body) {
  const std::size_t across = ceil_div(columns, column_tile);
  threads.for_each(ceil_div(rows, row_tile) * across, [&](std::size_t item, std::size_t) {
    const std::size_t i = item / across * row_tile, j = item % across * column_tile;
    body(i, std::min(row_tile, rows - i), j, std::min(column_tile, columns - j));
  });
}

}  // namespace

void product(Threads& threads, const WeightRows& weight, std::span<const float> bias, MatrixView<const float> x,
             ProductScratch& scratch, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == weight.cols && y.rows() == x.rows() && y.cols() == weight.rows);
  LIEQ_CHECK(bias.empty() || bias.size() == weight.rows);
  in_slabs(threads, weight, scratch, [&](std::size_t first, MatrixView<const float> slab) {
    in_tiles(threads, x.rows(), kTokenTile, slab.rows(), kRowTile,
             [&](std::size_t t, std::size_t tokens, std::size_t i, std::size_t rows) {
               kernels::gemm_nt(x.rows(t, tokens), slab.rows(i, rows), y.rows(t, tokens).columns(first + i, rows));
             });
  });
  if (bias.empty()) return;
  threads.for_each(y.rows(), [&](std::size_t t, std::size_t) { kernels::add(y.row(t), bias); });
}

void add_input_gradient(Threads& threads, const WeightRows& weight, MatrixView<const float> dy, ProductScratch& scratch,
                        MatrixView<float> dx) {
  LIEQ_CHECK(dx.cols() == weight.cols && dy.rows() == dx.rows() && dy.cols() == weight.rows);
  in_slabs(threads, weight, scratch, [&](std::size_t first, MatrixView<const float> slab) {
    in_tiles(threads, dx.rows(), kTokenTile, dx.cols(), kRowTile,
             [&](std::size_t t, std::size_t tokens, std::size_t j, std::size_t columns) {
               kernels::gemm_nn_add(dy.rows(t, tokens).columns(first, slab.rows()), slab.columns(j, columns),
                                    dx.rows(t, tokens).columns(j, columns));
             });
  });
}

void weight_gradient(Threads& threads, MatrixView<const float> x, MatrixView<const float> dy, ProductScratch& scratch,
                     MatrixView<float> gradient) {
  LIEQ_CHECK(dy.rows() == x.rows() && gradient.rows() == dy.cols() && gradient.cols() == x.cols());
  const MatrixView<float> turned = scratch.turned.matrix(dy.cols(), x.rows());
  kernels::transpose(threads, dy, turned);
  in_tiles(threads, gradient.rows(), kRowTile, gradient.cols(), kColumnTile,
           [&](std::size_t i, std::size_t rows, std::size_t j, std::size_t columns) {
             const MatrixView<float> tile = gradient.rows(i, rows).columns(j, columns);
             for (std::size_t r = 0; r < rows; ++r) std::fill_n(tile.row(r).data(), columns, 0.0F);
             kernels::gemm_nn_add(turned.rows(i, rows), x.columns(j, columns), tile);
           });
}

void add_scale_gradient(Threads& threads, const WeightRows& weight, std::size_t group_size, MatrixView<const float> x,
                        MatrixView<const float> dy, ProductScratch& scratch, MatrixView<float> gradient) {
  LIEQ_CHECK(x.cols() == weight.cols && dy.rows() == x.rows() && dy.cols() == weight.rows);
  LIEQ_CHECK(gradient.rows() == weight.rows && gradient.cols() * group_size == weight.cols);
  const std::size_t column_tile = std::max<std::size_t>(1, kColumnTile / group_size) * group_size;
  const std::size_t row_tile = std::max(kRun, kRowTile * kColumnTile / column_tile / kRun * kRun);
  const MatrixView<float> turned = scratch.turned.matrix(weight.rows, x.rows());
  kernels::transpose(threads, dy, turned);  // products with a transposed left side are a third slower
  in_slabs(threads, weight, scratch, [&](std::size_t first, MatrixView<const float> slab) {
    in_tiles(threads, slab.rows(), std::min(kRowTile, row_tile), slab.cols(), column_tile,
             [&](std::size_t i, std::size_t rows, std::size_t j, std::size_t columns) {
               static thread_local kernels::Buffer<float> buffer;
               const MatrixView<float> tile = buffer.matrix(rows, columns);
               std::fill_n(tile.data(), rows * columns, 0.0F);
               kernels::gemm_nn_add(turned.rows(first + i, rows), x.columns(j, columns), tile);
               for (std::size_t r = 0; r < rows; ++r)
                 for (std::size_t g = 0; g < columns / group_size; ++g)
                   gradient(first + i + r, j / group_size + g) +=
                       kernels::dot(&tile(r, g * group_size), &slab(i + r, j + g * group_size), group_size);
             });
  });
}

}  // namespace lieq::tune
