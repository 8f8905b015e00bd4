#include "lieq/tune/head.h"

#include <algorithm>

#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "lieq/tune/elementwise.h"

namespace lieq::tune {

std::vector<double> kl_of_head(Threads& threads, const WeightRows& head, MatrixView<const float> original,
                               MatrixView<const float> tuned, HeadScratch& scratch, MatrixView<float> d_tuned) {
  const std::size_t rows = tuned.rows(), vocab = head.rows;
  LIEQ_CHECK(original.rows() == rows && (d_tuned.rows() == 0 || d_tuned.rows() == rows));
  const std::size_t most = std::max<std::size_t>(1, model::kLogitSliceBytes / sizeof(float) / vocab);
  const float share = 1.0F / static_cast<float>(rows);
  std::vector<double> kl(rows);
  for (std::size_t first = 0; first < rows; first += most) {
    const std::size_t count = std::min(most, rows - first);
    const MatrixView<float> inputs = scratch.inputs.matrix(2 * count, head.cols);
    const MatrixView<float> logits = scratch.logits.matrix(2 * count, vocab);
    threads.for_each(count, [&](std::size_t t, std::size_t) {
      std::ranges::copy(original.row(first + t), inputs.row(t).begin());
      std::ranges::copy(tuned.row(first + t), inputs.row(count + t).begin());
    });
    product(threads, head, {}, inputs, scratch.products, logits);
    threads.for_each(count, [&](std::size_t t, std::size_t) {
      const std::span<float> p = logits.row(t), q = logits.row(count + t);
      const double p_sum = kernels::log_sum_exp(p), q_sum = kernels::log_sum_exp(q);
      kl[first + t] = kernels::kl_divergence(p, p_sum, q, q_sum);
      if (d_tuned.rows() > 0) kl_gradient(p, p_sum, q, q_sum, share);
    });
    if (d_tuned.rows() == 0) continue;
    const MatrixView<float> target = d_tuned.rows(first, count);
    threads.for_each(count, [&](std::size_t t, std::size_t) { std::ranges::fill(target.row(t), 0.0F); });
    add_input_gradient(threads, head, logits.rows(count, count), scratch.products, target);
  }
  return kl;
}

}  // namespace lieq::tune
