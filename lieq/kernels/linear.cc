#include "lieq/kernels/linear.h"

#include <algorithm>
#include <bit>

#include "lieq/kernels/dequantize.h"
#include "lieq/kernels/dots.h"
#include "lieq/kernels/elementwise.h"
#include "lieq/kernels/gemm.h"
#include "lieq/kernels/packed_f32.h"

namespace lieq::kernels {
namespace {

constexpr std::size_t kDecodeRows = pack::PackedMatrix::kBlockRows;  // of a work item; slabs hold whole blocks
constexpr std::size_t kTokenTile = 512;  // tokens x rows of one product: inputs and results stay in the L2 cache
constexpr std::size_t kRowTile = 256;
constexpr std::size_t kFewTokens = 4;  // below this a product is bound by reading weights: decode and dot at once

constexpr std::size_t kTokenTilePacked = 384;  // sums of a tile's rows for these stay in the L2 cache

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

void round_row(float* row, std::size_t count) {
  for (std::size_t j = 0; j < count; ++j) row[j] = bf16_to_float(float_to_bf16(row[j]));
}

/// Float32 rows that can be multiplied where they lie in the file.
bool is_plain_float(const pack::StoredMatrix& w) {
  return !w.packed && w.type == DType::kF32 && w.interleaved_head_dim == 0 &&
         std::bit_cast<std::uintptr_t>(w.data) % alignof(float) == 0;
}
bool is_plain_bf16(const pack::StoredMatrix& w) {
  return !w.packed && w.type == DType::kBF16 && w.interleaved_head_dim == 0 &&
         std::bit_cast<std::uintptr_t>(w.data) % 2 == 0;
}

/// Decodes `rows` rows from `first` on, kDecodeRows of them at a time, and calls take(row in slab, values) for each.
template <class Take>
void decode_slab(Threads& threads, const pack::StoredMatrix& w, std::size_t first, std::size_t rows, const Take& take) {
  threads.for_each(ceil_div(rows, kDecodeRows), [&](std::size_t item, std::size_t) {
    static thread_local Buffer<float> buffer;
    const std::size_t begin = item * kDecodeRows, end = std::min(rows, begin + kDecodeRows);
    const MatrixView<float> values = buffer.matrix(kDecodeRows, w.cols);
    if (w.packed) decode_block(*w.packed, (first + begin) / kDecodeRows, values);
    for (std::size_t i = begin; i < end; ++i) {
      if (!w.packed) decode_row(w, first + i, values.row(i - begin).data());
      take(i, values.row(i - begin).data());
    }
  });
}

MatrixView<const float> float_slab(Threads& threads, const pack::StoredMatrix& w, std::size_t first, std::size_t rows,
                                   bool rounded, LinearScratch& scratch) {
  if (is_plain_float(w) && !rounded) return {reinterpret_cast<const float*>(w.data) + first * w.cols, rows, w.cols};
  const MatrixView<float> slab = scratch.weights.matrix(rows, w.cols);
  decode_slab(threads, w, first, rows, [&](std::size_t i, float* values) {
    if (rounded) round_row(values, w.cols);
    std::copy_n(values, w.cols, slab.row(i).data());
  });
  return slab;
}

MatrixView<const std::uint16_t> bf16_slab(Threads& threads, const pack::StoredMatrix& w, std::size_t first,
                                          std::size_t rows, LinearScratch& scratch) {
  if (is_plain_bf16(w)) return {reinterpret_cast<const std::uint16_t*>(w.data) + first * w.cols, rows, w.cols};
  const MatrixView<std::uint16_t> slab = scratch.bf16_weights.matrix(rows, w.cols);
  decode_slab(threads, w, first, rows,
              [&](std::size_t i, const float* values) { round_to_bf16(values, w.cols, slab.row(i).data()); });
  return slab;
}

/// Splits a product into tiles whose borders do not depend on the number of threads.
template <class T, class Product>
void tiled(Threads& threads, MatrixView<const T> x, MatrixView<const T> w, MatrixView<float> y,
           const Product& product) {
  const std::size_t token_tiles = ceil_div(x.rows(), kTokenTile);
  const std::size_t row_tiles = ceil_div(w.rows(), kRowTile);
  const std::size_t row_tile = ceil_div(ceil_div(w.rows(), row_tiles), 16) * 16;
  threads.for_each(token_tiles * row_tiles, [&](std::size_t item, std::size_t) {
    const std::size_t token = item / row_tiles * kTokenTile;
    const std::size_t row = item % row_tiles * row_tile;
    if (row >= w.rows()) return;
    const std::size_t tokens = std::min(kTokenTile, x.rows() - token);
    const std::size_t rows = std::min(row_tile, w.rows() - row);
    product(x.rows(token, tokens), w.rows(row, rows), y.rows(token, tokens).columns(row, rows));
  });
}

void add_bias(Threads& threads, std::span<const float> bias, MatrixView<float> y) {
  if (bias.empty()) return;
  threads.for_each(y.rows(), [&](std::size_t t, std::size_t) { add(y.row(t), bias); });
}

/// Every output is a sum of its own (dots.h).
void dot_products(Threads& threads, const pack::StoredMatrix& w, MatrixView<const float> x, bool rounded,
                  MatrixView<float> y) {
  threads.for_each(ceil_div(w.rows, kDecodeRows), [&](std::size_t item, std::size_t) {
    static thread_local Buffer<float> buffer;
    const std::size_t first = item * kDecodeRows, count = std::min(kDecodeRows, w.rows - first);
    MatrixView<const float> rows;
    if (is_plain_float(w) && !rounded) {
      rows = {reinterpret_cast<const float*>(w.data) + first * w.cols, count, w.cols};
    } else {
      const MatrixView<float> decoded = buffer.matrix(count, w.cols);
      for (std::size_t i = 0; i < count; ++i) {
        decode_row(w, first + i, decoded.row(i).data());
        if (rounded) round_row(decoded.row(i).data(), w.cols);
      }
      rows = decoded;
    }
    dots(x, rows, y.columns(first, count));
  });
}

struct PackedTile {
  std::size_t task, first_block, blocks, first_token, tokens;
};

/// Tiles of all tasks, one token_tile of tokens and blocks_of(weight) blocks each.
template <class BlocksOf>
std::vector<PackedTile> packed_tiles(std::span<const LinearTask> tasks, std::size_t tokens, std::size_t token_tile,
                                     const BlocksOf& blocks_of) {
  std::vector<PackedTile> tiles;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::size_t all = tasks[i].weight->packed->blocks(), blocks = blocks_of(*tasks[i].weight->packed);
    for (std::size_t t = 0; t < tokens; t += token_tile)
      for (std::size_t b = 0; b < all; b += blocks)
        tiles.push_back({i, b, std::min(blocks, all - b), t, std::min(token_tile, tokens - t)});
  }
  return tiles;
}

/// Packed weights that cut inputs alike, in one loop.
void int8_products(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x,
                   LinearScratch& scratch) {
  const Int8Inputs& inputs = scratch.int8_inputs;
  round_to_int8(threads, *tasks.front().weight->packed, x, scratch.int8_inputs);
  const bool stream = x.rows() <= kInt8StreamTokens;
  // Streams are long, so that they run at the memory's speed, but several for each thread, so that none waits for long.
  const auto tiles =
      packed_tiles(tasks, x.rows(), stream ? x.rows() : kTokenTilePacked, [&](const pack::PackedMatrix& weight) {
        return stream ? std::max<std::size_t>(1, weight.blocks() / (8 * threads.count())) : kInt8ItemBlocks;
      });
  threads.for_each(tiles.size(), [&](std::size_t item, std::size_t) {
    const PackedTile& tile = tiles[item];
    const LinearTask& task = tasks[tile.task];
    multiply_int8({task.weight->packed.get(), &inputs, task.bias, task.y, tile.first_block, tile.blocks,
                   tile.first_token, tile.tokens});
  });
}

MatrixView<const float> in_order(Threads& threads, std::span<const std::int32_t> order, MatrixView<const float> x,
                                 LinearScratch& scratch) {
  if (order.empty()) return x;
  const MatrixView<float> gathered = scratch.inputs.matrix(x.rows(), x.cols());
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) {
    for (std::size_t k = 0; k < order.size(); ++k) gathered(t, k) = x(t, static_cast<std::size_t>(order[k]));
  });
  return gathered;
}

void float_products(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x,
                    LinearScratch& scratch) {
  x = in_order(threads, tasks.front().weight->packed->order(), x, scratch);
  const auto tiles =
      packed_tiles(tasks, x.rows(), kTokenTilePacked, [](const pack::PackedMatrix&) { return kFloatItemBlocks; });
  threads.for_each(tiles.size(), [&](std::size_t item, std::size_t) {
    const PackedTile& tile = tiles[item];
    const LinearTask& task = tasks[tile.task];
    multiply_f32({task.weight->packed.get(), x, task.bias, task.y, tile.first_block, tile.blocks, tile.first_token,
                  tile.tokens});
  });
}

/// True for the products that read packed codes.
bool reads_codes(const pack::StoredMatrix& weight, Compute compute) {
  return weight.packed && compute != Compute::kBF16;
}

void packed_products(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x,
                     Compute compute, LinearScratch& scratch) {
  for (const LinearTask& task : tasks) {
    LIEQ_CHECK(x.cols() == task.weight->cols && task.y.rows() == x.rows() && task.y.cols() == task.weight->rows);
    LIEQ_CHECK(task.bias.empty() || task.bias.size() == task.weight->rows);
  }
  if (compute == Compute::kInt8) return int8_products(threads, tasks, x, scratch);
  float_products(threads, tasks, x, scratch);
}

}  // namespace

void decode_row(const pack::StoredMatrix& weight, std::size_t i, float* target) {
  if (weight.packed) {
    weight.packed->decode_row(i, target);
  } else {
    dequantize(weight.type, weight.row(i), weight.cols, target);
  }
}

std::size_t slab_rows(std::size_t cols) {
  return std::max<std::size_t>(64, kSlabBytes / sizeof(float) / cols / 64 * 64);
}

void linear(Threads& threads, const pack::StoredMatrix& weight, std::span<const float> bias, MatrixView<const float> x,
            Arithmetic arithmetic, LinearScratch& scratch, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == weight.cols && y.rows() == x.rows() && y.cols() == weight.rows);
  LIEQ_CHECK(bias.empty() || bias.size() == weight.rows);
  if (reads_codes(weight, arithmetic.compute)) {
    const LinearTask task{&weight, bias, y};
    return packed_products(threads, {&task, 1}, x, arithmetic.compute, scratch);
  }
  const bool round = arithmetic.compute == Compute::kBF16;
  const bool by_dots = (x.rows() < kFewTokens || arithmetic.rows_alone) && !weight.packed;
  const bool bf16 = round && !by_dots && has_bf16_gemm();

  MatrixView<const std::uint16_t> bf16_x;
  if (bf16) {
    const MatrixView<std::uint16_t> rounded = scratch.bf16_inputs.matrix(x.rows(), x.cols());
    threads.for_each(
        x.rows(), [&](std::size_t t, std::size_t) { round_to_bf16(x.row(t).data(), x.cols(), rounded.row(t).data()); });
    bf16_x = {rounded.data(), x.rows(), x.cols()};
  } else if (round) {
    const MatrixView<float> rounded = scratch.inputs.matrix(x.rows(), x.cols());
    threads.for_each(x.rows(), [&](std::size_t t, std::size_t) {
      std::copy(x.row(t).begin(), x.row(t).end(), rounded.row(t).begin());
      round_row(rounded.row(t).data(), x.cols());
    });
    x = rounded;
  }

  if (by_dots) {
    dot_products(threads, weight, x, round, y);
  } else {
    const std::size_t slab = slab_rows(weight.cols);
    for (std::size_t first = 0; first < weight.rows; first += slab) {
      const std::size_t rows = std::min(slab, weight.rows - first);
      if (bf16) {
        tiled<std::uint16_t>(threads, bf16_x, bf16_slab(threads, weight, first, rows, scratch), y.columns(first, rows),
                             gemm_nt_bf16);
      } else {
        tiled<float>(threads, x, float_slab(threads, weight, first, rows, round, scratch), y.columns(first, rows),
                     gemm_nt);
      }
    }
  }
  add_bias(threads, bias, y);
}

void linear_many(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x, Arithmetic arithmetic,
                 LinearScratch& scratch) {
  for (std::size_t first = 0; first < tasks.size();) {
    const LinearTask& task = tasks[first];
    if (!reads_codes(*task.weight, arithmetic.compute)) {
      linear(threads, *task.weight, task.bias, x, arithmetic, scratch, task.y);
      ++first;
      continue;
    }
    std::size_t end = first + 1;
    while (end < tasks.size() && reads_codes(*tasks[end].weight, arithmetic.compute) &&
           same_pieces(*task.weight->packed, *tasks[end].weight->packed))
      ++end;
    packed_products(threads, tasks.subspan(first, end - first), x, arithmetic.compute, scratch);
    first = end;
  }
}

}  // namespace lieq::kernels
