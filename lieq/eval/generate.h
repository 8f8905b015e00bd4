#pragma once
/// Continues a prompt one token at a time.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

struct GenerateOptions {
  std::size_t max_new_tokens = 128;
  double temperature = 0;     ///< 0: the most likely token; otherwise softmax(logits / temperature) is sampled
  std::uint64_t seed = 42;    ///< same seed, same tokens
  bool stop_at_eos = true;    ///< end before an id of eos_token_id
};

struct Generation {
  std::vector<model::TokenId> tokens;  ///< the new ones, without the end token
  bool stopped = false;                ///< an end token came
  double prompt_seconds = 0, decode_seconds = 0;
};

/// `on_token` sees every new token as it comes; returning false ends the generation.
/// Errors: kInvalidArgument (no prompt, or prompt and new tokens exceed max_position_embeddings), kNumerical (logits not finite).
[[nodiscard]] Result<Generation> generate(const model::Model& model, std::span<const model::TokenId> prompt,
                                          const GenerateOptions& options, model::RunState& state,
                                          const std::function<bool(model::TokenId)>& on_token);

}  // namespace lieq::eval
