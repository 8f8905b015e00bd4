#pragma once
/// Calibration text without data: what the model itself writes.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/eval/sample.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

struct SelfTextOptions {
  std::size_t sequences = 64;
  std::size_t length = 1024;  ///< tokens of each
  SamplingOptions sampling = {.temperature = 1};
  std::size_t cache_bytes = std::size_t{1} << 30;  ///< of keys and values; as many sequences are written at once
};

/// How often the model reads its weights for a token of every sequence: in so many groups they are written.
[[nodiscard]] std::size_t self_text_batches(const model::Model& model, const SelfTextOptions& options);

/// Samples `sequences` sequences of `length` tokens. Each begins with the model's BOS, or with the end-of-text id, or
/// with a random id where the model has neither; an end token in the middle stays, and what the model writes after it
/// follows. Packed weights are multiplied by 8-bit inputs, others by bfloat16 ones: the text is the model's own all the
/// same, and takes a fraction of the time. The same options give the same ids on one kind of CPU, for any thread count.
/// Returns [sequences x length] ids. Cost: `length` forward passes of as many tokens as there are sequences. Errors:
/// kInvalidArgument when length exceeds max_position_embeddings, and those of check(SamplingOptions); kNumerical;
/// kCancelled.
[[nodiscard]] Result<std::vector<model::TokenId>> sample_self_text(const model::Model& model,
                                                                   const SelfTextOptions& options, Threads& threads,
                                                                   Sink& sink);

}  // namespace lieq::eval
