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

/// Texts of one kind (prose, code, ...) as the model gets them to go on from, each with what the tokenizer puts before
/// a text.
using Openings = std::vector<std::vector<model::TokenId>>;

struct SelfTextOptions {
  std::size_t sequences = 64;
  std::size_t length = 1024;  ///< tokens of each
  SamplingOptions sampling = {.temperature = 1, .top_k = 200, .top_p = 0.95};
  std::vector<Openings> kinds = {};              ///< sequence s is of kind s mod their number; none: the model's BOS
  std::vector<model::TokenId> stop_tokens = {};  ///< end a text; the sequence goes on with another opening of its kind
  std::size_t cache_bytes = std::size_t{1} << 30;  ///< of keys and values; as many sequences are written at once
};

/// Samples `sequences` sequences of `length` tokens: an opening and what the model says to it, up to a stop token or
/// until most of the last tokens repeat themselves, then the next opening. Every opening of a kind comes once before
/// one comes again, in an order of the seed's. Packed weights are multiplied by 8-bit inputs, others by bfloat16 ones:
/// the text is the model's own all the same, and takes a fraction of the time. The same options give the same ids on
/// one kind of CPU, for any thread count. Returns [sequences x length] ids. Cost: `length` forward passes of as many
/// tokens as there are sequences. Errors: kInvalidArgument when length exceeds max_position_embeddings, an id of an
/// opening vocab_size, and those of check(SamplingOptions); kNumerical; kCancelled.
[[nodiscard]] Result<std::vector<model::TokenId>> sample_self_text(const model::Model& model,
                                                                   const SelfTextOptions& options, Threads& threads,
                                                                   Sink& sink);

}  // namespace lieq::eval
