#pragma once
/// Diagnostic 1: what each layer's removal does to the perplexity (PAPER section 1.1, Eq. 1-2).

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"

namespace lieq::diagnose {

/// Rows of one block pass: enough to be bound by arithmetic, not by weights.
inline constexpr std::size_t kDropBatchTokens = 2048;

struct DropOptions {
  kernels::Compute compute = kernels::Compute::kF32;
  std::size_t memory = std::size_t{1} << 30;  ///< bytes for activations; the loaded model comes on top
};

/// Sums of -log p(x_t | x_<t) in nats over the predicted tokens of each passage (all but the first).
struct RemovalNll {
  std::vector<double> whole;                 ///< [passage], the intact model
  std::vector<std::vector<double>> without;  ///< [layer][passage], that block replaced by the identity
};

/// Scores every passage with the whole model and with each layer left out.
///
/// All L + 1 variants of a chunk of passages advance together. Up to layer l "without l" is the whole model, so the
/// common prefix is computed once: at layer l the variant splits off as a copy of the stream, and skips the block.
/// Layer l thus runs on l + 1 streams (the whole model and those without 0 ... l - 1), and its weights are read once
/// for all of them. Ranks share the list of (batch of passages, variant), each computing the prefix of what it has.
/// Cost: L (L + 1) / 2 block passes and L + 1 heads per token, where separate runs take L² blocks; each layer's weights
/// stream once per chunk. Memory: (L + 1) hidden states per token of the chunk and the scratch of one batch, within
/// options.memory; one slab of decoded weights (16 MiB) comes on top.
/// Errors: kInvalidArgument (an id that does not fit, a passage of one token or beyond max_position_embeddings, a
/// memory budget too small for the longest passage, naming the least that works); kNumerical naming the layer whose
/// removal gives
/// NaN or infinity.
/// The same bits for any number of threads and ranks.
[[nodiscard]] Result<RemovalNll> removal_nll(const model::Model& model,
                                             std::span<const std::vector<model::TokenId>> passages,
                                             const DropOptions& options, Threads& threads, Sink& sink);

}  // namespace lieq::diagnose
