#include "lieq/kernels/linear.h"

#include <algorithm>
#include <bit>

#include "lieq/kernels/dequantize.h"
#include "lieq/kernels/elementwise.h"
#include "lieq/kernels/gemm.h"

namespace lieq::kernels {
namespace {

constexpr std::size_t kDecodeRows = 16;   // rows decoded per work item
constexpr std::size_t kTokenTile = 512;   // tokens x rows of one product: inputs and results stay in the L2 cache
constexpr std::size_t kRowTile = 256;
constexpr std::size_t kFewTokens = 4;     // below this a product is bound by reading weights: decode and dot at once

constexpr std::size_t kInt8TokenTile = 384;    // sums of a tile's rows for these stay in the L2 cache

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

void round_row(float* row, std::size_t count) {
  for (std::size_t j = 0; j < count; ++j) row[j] = bf16_to_float(float_to_bf16(row[j]));
}

/// Float32 rows that can be multiplied where they lie in the file.
bool is_plain_float(const pack::StoredMatrix& w) {
  return !w.packed && w.type == DType::kF32 && w.interleaved_head_dim == 0 && std::bit_cast<std::uintptr_t>(w.data) % alignof(float) == 0;
}
bool is_plain_bf16(const pack::StoredMatrix& w) {
  return !w.packed && w.type == DType::kBF16 && w.interleaved_head_dim == 0 && std::bit_cast<std::uintptr_t>(w.data) % 2 == 0;
}

/// Calls decode(row in slab, scratch index) for all rows of a slab.
template <class Decode>
void decode_slab(Threads& threads, std::size_t rows, const Decode& decode) {
  threads.for_each(ceil_div(rows, kDecodeRows), [&](std::size_t item, std::size_t) {
    const std::size_t end = std::min(rows, (item + 1) * kDecodeRows);
    for (std::size_t i = item * kDecodeRows; i < end; ++i) decode(i);
  });
}

MatrixView<const float> float_slab(Threads& threads, const pack::StoredMatrix& w, std::size_t first, std::size_t rows,
                                   bool rounded, LinearScratch& scratch) {
  if (is_plain_float(w) && !rounded)
    return {reinterpret_cast<const float*>(w.data) + first * w.cols, rows, w.cols};
  const MatrixView<float> slab = scratch.weights.matrix(rows, w.cols);
  decode_slab(threads, rows, [&](std::size_t i) {
    decode_row(w, first + i, slab.row(i).data());
    if (rounded) round_row(slab.row(i).data(), w.cols);
  });
  return slab;
}

MatrixView<const std::uint16_t> bf16_slab(Threads& threads, const pack::StoredMatrix& w, std::size_t first,
                                          std::size_t rows, LinearScratch& scratch) {
  if (is_plain_bf16(w)) return {reinterpret_cast<const std::uint16_t*>(w.data) + first * w.cols, rows, w.cols};
  const MatrixView<std::uint16_t> slab = scratch.bf16_weights.matrix(rows, w.cols);
  decode_slab(threads, rows, [&](std::size_t i) {
    static thread_local Buffer<float> row;
    decode_row(w, first + i, row.reserve(w.cols));
    round_to_bf16(row.reserve(w.cols), w.cols, slab.row(i).data());
  });
  return slab;
}

/// Splits a product into tiles whose borders do not depend on the number of threads.
template <class T, class Product>
void tiled(Threads& threads, MatrixView<const T> x, MatrixView<const T> w, MatrixView<float> y, const Product& product) {
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

void few_tokens(Threads& threads, const pack::StoredMatrix& w, MatrixView<const float> x, bool rounded,
                MatrixView<float> y) {
  threads.for_each(ceil_div(w.rows, kDecodeRows), [&](std::size_t item, std::size_t) {
    static thread_local Buffer<float> buffer;
    const std::size_t end = std::min(w.rows, (item + 1) * kDecodeRows);
    for (std::size_t i = item * kDecodeRows; i < end; ++i) {
      const float* row = reinterpret_cast<const float*>(w.data) + i * w.cols;
      if (!is_plain_float(w) || rounded) {
        float* decoded = buffer.reserve(w.cols);
        decode_row(w, i, decoded);
        if (rounded) round_row(decoded, w.cols);
        row = decoded;
      }
      for (std::size_t t = 0; t < x.rows(); ++t) y(t, i) = dot(x.row(t).data(), row, w.cols);
    }
  });
}

/// Products of packed weights that read the same rounded inputs, in one loop.
void int8_products(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x, Int8Inputs& inputs) {
  round_to_int8(threads, *tasks.front().weight->packed, x, inputs);
  const std::size_t tokens = x.rows();
  const bool stream = tokens <= kInt8StreamTokens;
  const std::size_t token_tile = stream ? tokens : kInt8TokenTile;
  std::vector<Int8Product> products;
  for (const LinearTask& task : tasks) {
    const pack::PackedMatrix& weight = *task.weight->packed;
    // Streams are long, so that they run at the memory's speed, but several for each thread, so that none waits for long.
    const std::size_t blocks = stream ? std::max<std::size_t>(1, weight.blocks() / (8 * threads.count())) : kInt8ItemBlocks;
    for (std::size_t t = 0; t < tokens; t += token_tile)
      for (std::size_t b = 0; b < weight.blocks(); b += blocks)
        products.push_back({&weight, &inputs, task.bias, task.y, b, std::min(blocks, weight.blocks() - b), t,
                            std::min(token_tile, tokens - t)});
  }
  threads.for_each(products.size(), [&](std::size_t item, std::size_t) { multiply_int8(products[item]); });
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
  constexpr std::size_t kSlabFloats = std::size_t{4} << 20;
  return std::max<std::size_t>(64, kSlabFloats / cols / 64 * 64);
}

void linear(Threads& threads, const pack::StoredMatrix& weight, std::span<const float> bias,
            MatrixView<const float> x, Compute compute, LinearScratch& scratch, MatrixView<float> y) {
  LIEQ_CHECK(x.cols() == weight.cols && y.rows() == x.rows() && y.cols() == weight.rows);
  LIEQ_CHECK(bias.empty() || bias.size() == weight.rows);
  if (compute == Compute::kInt8 && weight.packed) {
    const LinearTask task{&weight, bias, y};
    return int8_products(threads, {&task, 1}, x, scratch.int8_inputs);
  }
  const bool round = compute == Compute::kBF16;
  const bool few = x.rows() < kFewTokens;
  const bool bf16 = round && !few && has_bf16_gemm();

  MatrixView<const std::uint16_t> bf16_x;
  if (bf16) {
    const MatrixView<std::uint16_t> rounded = scratch.bf16_inputs.matrix(x.rows(), x.cols());
    threads.for_each(x.rows(),
                     [&](std::size_t t, std::size_t) { round_to_bf16(x.row(t).data(), x.cols(), rounded.row(t).data()); });
    bf16_x = {rounded.data(), x.rows(), x.cols()};
  } else if (round) {
    const MatrixView<float> rounded = scratch.inputs.matrix(x.rows(), x.cols());
    threads.for_each(x.rows(), [&](std::size_t t, std::size_t) {
      std::copy(x.row(t).begin(), x.row(t).end(), rounded.row(t).begin());
      round_row(rounded.row(t).data(), x.cols());
    });
    x = rounded;
  }

  if (few) {
    few_tokens(threads, weight, x, round, y);
  } else {
    const std::size_t slab = slab_rows(weight.cols);
    for (std::size_t first = 0; first < weight.rows; first += slab) {
      const std::size_t rows = std::min(slab, weight.rows - first);
      if (bf16) {
        tiled<std::uint16_t>(threads, bf16_x, bf16_slab(threads, weight, first, rows, scratch), y.columns(first, rows),
                             gemm_nt_bf16);
      } else {
        tiled<float>(threads, x, float_slab(threads, weight, first, rows, round, scratch), y.columns(first, rows), gemm_nt);
      }
    }
  }
  add_bias(threads, bias, y);
}

void linear_many(Threads& threads, std::span<const LinearTask> tasks, MatrixView<const float> x, Compute compute,
                 LinearScratch& scratch) {
  const auto packed = [&](const LinearTask& task) { return compute == Compute::kInt8 && task.weight->packed; };
  for (std::size_t first = 0; first < tasks.size();) {
    const LinearTask& task = tasks[first];
    if (!packed(task)) {
      linear(threads, *task.weight, task.bias, x, compute, scratch, task.y);
      ++first;
      continue;
    }
    std::size_t end = first + 1;
    while (end < tasks.size() && packed(tasks[end]) && same_pieces(*task.weight->packed, *tasks[end].weight->packed)) ++end;
    int8_products(threads, tasks.subspan(first, end - first), x, scratch.int8_inputs);
    first = end;
  }
}

}  // namespace lieq::kernels
