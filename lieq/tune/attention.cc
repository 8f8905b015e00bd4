#include "lieq/tune/attention.h"

#include <algorithm>
#include <limits>

#include "lieq/kernels/gemm.h"
#include "lieq/kernels/softmax.h"
#include "lieq/tune/elementwise.h"

namespace lieq::tune {
namespace {

constexpr std::size_t kQueries = 128;  // of a block: its scores stay in the second-level cache

template <class T>
MatrixView<T> head_of(MatrixView<T> matrix, std::size_t first, std::size_t count, std::size_t head, std::size_t size) {
  return matrix.rows(first, count).columns(head * size, size);
}

/// weights = softmax(scale q kᵀ) of queries `first` and on of a sequence; 0 where the key comes later.
/// q: [queries, head_dim]; k: [first + queries, head_dim].
void attention_weights(MatrixView<const float> q, MatrixView<const float> k, std::size_t first, float scale,
                       MatrixView<float> weights) {
  kernels::gemm_nt(q, k, weights);
  for (std::size_t t = 0; t < q.rows(); ++t) {
    const std::span<float> row = weights.row(t), seen = row.first(first + t + 1);
    for (float& score : seen) score *= scale;
    kernels::RunningSoftmax state{-std::numeric_limits<float>::infinity(), 0};
    kernels::online_softmax(seen, state);
    const float share = 1 / state.sum;
    for (float& weight : seen) weight *= share;
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(seen.size()), row.end(), 0.0F);
  }
}

void fill_zero(MatrixView<float> matrix) {
  for (std::size_t i = 0; i < matrix.rows(); ++i) std::ranges::fill(matrix.row(i), 0.0F);
}

void check_shapes(const AttentionShape& shape, const AttentionInputs& inputs) {
  const std::size_t tokens = inputs.q.rows();
  LIEQ_CHECK(tokens % shape.length == 0 && inputs.k.rows() == tokens && inputs.v.rows() == tokens);
  LIEQ_CHECK(inputs.q.cols() == shape.heads * shape.head_dim && inputs.k.cols() == shape.kv_heads * shape.head_dim);
}

}  // namespace

void attention(Threads& threads, const AttentionShape& shape, const AttentionInputs& inputs, AttentionScratch& scratch,
               MatrixView<float> out) {
  check_shapes(shape, inputs);
  scratch.threads.resize(threads.count());
  const std::size_t blocks = (shape.length + kQueries - 1) / kQueries, size = shape.head_dim;
  const std::size_t sequences = inputs.q.rows() / shape.length, sharing = shape.heads / shape.kv_heads;
  threads.for_each(sequences * shape.heads * blocks, [&](std::size_t item, std::size_t thread) {
    const std::size_t block = item % blocks * kQueries, head = item / blocks % shape.heads;
    const std::size_t start = item / blocks / shape.heads * shape.length;
    const std::size_t count = std::min(kQueries, shape.length - block), keys = block + count;
    const MatrixView<float> weights = scratch.threads[thread].weights.matrix(count, keys);
    attention_weights(head_of(inputs.q, start + block, count, head, size),
                      head_of(inputs.k, start, keys, head / sharing, size), block, shape.scale, weights);
    const MatrixView<float> target = head_of(out, start + block, count, head, size);
    fill_zero(target);
    kernels::gemm_nn_add(weights, head_of(inputs.v, start, keys, head / sharing, size), target);
  });
}

void attention_gradient(Threads& threads, const AttentionShape& shape, const AttentionInputs& inputs,
                        MatrixView<const float> d_out, AttentionScratch& scratch, MatrixView<float> dq,
                        MatrixView<float> dk, MatrixView<float> dv) {
  check_shapes(shape, inputs);
  scratch.threads.resize(threads.count());
  const std::size_t size = shape.head_dim, sharing = shape.heads / shape.kv_heads;
  const std::size_t sequences = inputs.q.rows() / shape.length;
  threads.for_each(sequences * shape.kv_heads, [&](std::size_t item, std::size_t thread) {
    const std::size_t start = item / shape.kv_heads * shape.length, kv_head = item % shape.kv_heads;
    fill_zero(head_of(dk, start, shape.length, kv_head, size));
    fill_zero(head_of(dv, start, shape.length, kv_head, size));
    for (std::size_t head = kv_head * sharing; head < (kv_head + 1) * sharing; ++head)
      for (std::size_t block = 0; block < shape.length; block += kQueries) {
        const std::size_t count = std::min(kQueries, shape.length - block), keys = block + count;
        const MatrixView<const float> q = head_of(inputs.q, start + block, count, head, size);
        const MatrixView<const float> k = head_of(inputs.k, start, keys, kv_head, size);
        const MatrixView<const float> d_result = head_of(d_out, start + block, count, head, size);
        const MatrixView<float> weights = scratch.threads[thread].weights.matrix(count, keys);
        const MatrixView<float> gradients = scratch.threads[thread].gradients.matrix(count, keys);
        attention_weights(q, k, block, shape.scale, weights);
        kernels::gemm_tn_add(weights, d_result, head_of(dv, start, keys, kv_head, size));
        kernels::gemm_nt(d_result, head_of(inputs.v, start, keys, kv_head, size), gradients);
        for (std::size_t t = 0; t < count; ++t) softmax_gradient(weights.row(t), shape.scale, gradients.row(t));
        const MatrixView<float> d_query = head_of(dq, start + block, count, head, size);
        fill_zero(d_query);
        kernels::gemm_nn_add(gradients, k, d_query);
        kernels::gemm_tn_add(gradients, q, head_of(dk, start, keys, kv_head, size));
      }
  });
}

}  // namespace lieq::tune
