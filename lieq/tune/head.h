#pragma once
/// The loss of tuning: KL(original || tuned) of the next token, averaged over positions, through the head that both
/// models share. Logits exist for a slice of rows at a time, never for all.

#include <cstddef>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/tune/products.h"

namespace lieq::tune {

/// Scratch of kl_of_head(), owned by the caller, reused between calls: 128 MiB of logits, and their inputs.
struct HeadScratch {
  ProductScratch products;
  kernels::Buffer<float> inputs, logits;  // of both models, [2 x slice, ...]: the head is decoded once for both
};

/// The KL of each row, in nats. head: [vocab, hidden]; original, tuned: [rows, hidden], after the final norm.
/// d_tuned: [rows, hidden], written: the gradient of the mean at `tuned`; without rows: not wanted.
/// Deterministic for any thread count.
[[nodiscard]] std::vector<double> kl_of_head(Threads& threads, const WeightRows& head, MatrixView<const float> original,
                                             MatrixView<const float> tuned, HeadScratch& scratch,
                                             MatrixView<float> d_tuned);

}  // namespace lieq::tune
