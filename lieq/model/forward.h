#pragma once
/// The forward pass: embed -> blocks -> final norm -> logits, each step callable alone, so
/// that diagnosis can run blocks out of order and quantisation one block at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/model/block.h"
#include "lieq/model/model.h"
#include "lieq/model/observer.h"

namespace lieq::model {

using TokenId = std::int32_t;

/// Scratch of the forward pass: run state, owned by the caller, one per model at a time. Grows to the largest batch
/// seen.
struct RunState {
  /// `model` and `threads` must outlive this.
  RunState(const Model& model, Threads& threads, kernels::Arithmetic arithmetic)
      : block(model.config, threads, arithmetic) {}

  [[nodiscard]] Threads& threads() const { return block.threads(); }

  BlockState block;
  kernels::Buffer<float> normed, attended, gated;
};

/// x[t] = embedding of tokens[t], times embedding_multiplier. Every id lies below vocab_size. x: [tokens, hidden_size].
void embed(const Model& model, std::span<const TokenId> tokens, Threads& threads, MatrixView<float> x);

/// Runs block `layer` in place on the residual stream. x: [sum of sequences' tokens, hidden_size].
/// Writes keys and values behind the caches' lengths but does not advance them: all blocks of a pass see the same
/// length.
void run_block(const Model& model, std::size_t layer, std::span<const SequenceSpan> sequences, MatrixView<float> x,
               RunState& state, Observer* observer = nullptr);

struct ForwardOptions {
  std::optional<std::size_t> skip_layer;  ///< this block is replaced by the identity (paper, Eq. 1)
  Observer* observer = nullptr;
};

/// Embeds, runs all blocks, advances the caches, and applies the final norm: what the head reads.
/// tokens: those of all sequences, one after the other. hidden: [tokens, hidden_size], written.
void forward(const Model& model, std::span<const TokenId> tokens, std::span<const SequenceSpan> sequences,
             RunState& state, MatrixView<float> hidden, const ForwardOptions& options = {});

/// Logits of a few rows; callers slice long inputs so that [rows, vocab_size] stays small (logit_slice_rows).
/// hidden: [rows, hidden_size] after the final norm. out: [rows, vocab_size].
void logits(const Model& model, MatrixView<const float> hidden, RunState& state, MatrixView<float> out);

/// Logits that callers hold at a time, of one model.
inline constexpr std::size_t kLogitSliceBytes = std::size_t{64} << 20;
/// Rows whose logits fit in kLogitSliceBytes, at least 1.
[[nodiscard]] std::size_t logit_slice_rows(const ModelConfig& config);

/// Applies the final norm in place. x: [tokens, hidden_size].
void final_norm(const Model& model, Threads& threads, MatrixView<float> x);

}  // namespace lieq::model
