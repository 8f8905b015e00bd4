#include "lieq/tune/head.h"

#include <algorithm>
#include <cmath>

#include "lieq/base/random.h"
#include "lieq/kernels/softmax.h"
#include "lieq/tune/elementwise.h"

namespace lieq::tune {
namespace {

constexpr std::size_t kSliceBytes = std::size_t{64} << 20;  // logits of one model

std::size_t rows_of_slice(std::size_t vocab) {
  return std::max<std::size_t>(1, kSliceBytes / sizeof(float) / vocab);
}

/// logits are replaced by their softmax less 1 at a label drawn from it.
void subtract_drawn_label(std::span<float> logits, double draw) {
  const double log_sum = kernels::log_sum_exp(logits);
  std::size_t label = logits.size() - 1;
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double probability = std::exp(static_cast<double>(logits[i]) - log_sum);
    if (sum <= draw && sum + probability > draw) label = i;
    sum += probability;
    logits[i] = static_cast<float>(probability);
  }
  logits[label] -= 1;
}

}  // namespace

std::vector<double> kl_of_head(Threads& threads, const WeightRows& head, MatrixView<const float> original,
                               MatrixView<const float> tuned, HeadScratch& scratch, MatrixView<float> d_tuned) {
  const std::size_t rows = tuned.rows(), vocab = head.rows;
  LIEQ_CHECK(original.rows() == rows && (d_tuned.rows() == 0 || d_tuned.rows() == rows));
  const std::size_t most = rows_of_slice(vocab);
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

void sampled_gradient_of_head(Threads& threads, const WeightRows& head, MatrixView<const float> tuned,
                              std::uint64_t seed, HeadScratch& scratch, MatrixView<float> d_tuned) {
  const std::size_t rows = tuned.rows(), most = rows_of_slice(head.rows);
  LIEQ_CHECK(d_tuned.rows() == rows);
  for (std::size_t first = 0; first < rows; first += most) {
    const std::size_t count = std::min(most, rows - first);
    const MatrixView<float> logits = scratch.logits.matrix(count, head.rows);
    product(threads, head, {}, tuned.rows(first, count), scratch.products, logits);
    threads.for_each(count, [&](std::size_t t, std::size_t) {
      subtract_drawn_label(logits.row(t), Random(seed, first + t).uniform());
      std::ranges::fill(d_tuned.row(first + t), 0.0F);
    });
    add_input_gradient(threads, head, logits, scratch.products, d_tuned.rows(first, count));
  }
}

}  // namespace lieq::tune
