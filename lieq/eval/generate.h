#pragma once
/// Continues a prompt one token at a time.

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/eval/sample.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

struct GenerateOptions {
  std::size_t max_new_tokens = 128;
  SamplingOptions sampling = {};
  std::vector<model::TokenId> stop_tokens = {};  ///< end before one of these
  std::function<bool()> cancelled = {};          ///< asked before each slice of the prompt and each token; may be empty
};

enum class EndReason { kLength, kStopToken, kCancelled, kContextFull };

struct Generation {
  std::vector<model::TokenId> tokens;  ///< the new ones, without the stop token
  EndReason end = EndReason::kLength;
  std::size_t prompt_tokens = 0;  ///< those that had to be run: the prompt without what the sequence held
  double prompt_seconds = 0, decode_seconds = 0;
};

/// A text in the making: run state that lets a next prompt which begins alike run only what is new.
struct Sequence {
  /// `context`: positions at most, prompt included; not more than max_position_embeddings.
  Sequence(const model::ModelConfig& config, std::size_t context) : cache(config, context) {}
  std::vector<model::TokenId> ids;  ///< those the cache holds
  model::KvCache cache;
};

/// `on_token` sees every new token as it comes; returning false ends the generation. Ends by itself when the sequence's
/// context is full. Errors: kInvalidArgument (sampling options, no prompt, one with ids that the model lacks, or one
/// that
/// leaves no room in the context), kNumerical (logits not finite). `sequence` stays usable whatever happens.
[[nodiscard]] Result<Generation> generate(const model::Model& model, std::span<const model::TokenId> prompt,
                                          const GenerateOptions& options, model::RunState& state, Sequence& sequence,
                                          const std::function<bool(model::TokenId)>& on_token);

}  // namespace lieq::eval
