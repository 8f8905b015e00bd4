#pragma once
/// Calibration text without data: sequences that the model itself writes.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

struct SelfTextOptions {
  std::size_t sequences = 64;
  std::size_t length = 512;   ///< tokens of each
  double temperature = 1;
  std::uint64_t seed = 42;

  bool operator==(const SelfTextOptions&) const = default;
};

/// Samples `sequences` texts of `length` tokens from softmax(logits / temperature), all together, one token a step.
/// Each begins with the model's BOS, or with the end-of-text id, or with a random id where the model has neither; an
/// end token in the middle stays, and what the model writes after it follows. The same options give the same ids on one
/// kind of CPU, for any thread count. Returns [sequences x length] ids. Cost: `length` forward passes of `sequences`
/// tokens; memory: their caches. Errors: kInvalidArgument when length exceeds max_position_embeddings; kNumerical.
[[nodiscard]] Result<std::vector<model::TokenId>> sample_self_text(const model::Model& model,
                                                                   const SelfTextOptions& options, Threads& threads,
                                                                   Sink& sink);

}  // namespace lieq::eval
