#pragma once
/// Continues a prompt one token at a time.

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/eval/sample.h"
#include "lieq/kernels/buffer.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

/// Tokens of a prompt that run together.
inline constexpr std::size_t kPromptTokens = 512;

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

/// A generation that is asked for one token after the other. What start() is given, `prompt` apart, must outlive this.
class TokenStream {
 public:
  /// Errors: kInvalidArgument (sampling options, no prompt, one with ids that the model lacks, or one that leaves no
  /// room in the context).
  [[nodiscard]] static Result<TokenStream> start(const model::Model& model, std::span<const model::TokenId> prompt,
                                                 GenerateOptions options, model::RunState& state, Sequence& sequence);

  /// The next token; nothing at the end, whose reason generation() has. Runs the prompt at first, later one token.
  /// Errors: kNumerical (logits not finite). The sequence stays usable whatever happens.
  [[nodiscard]] Result<std::optional<model::TokenId>> next();
  /// Ends it: next() has no more tokens.
  void cancel();

  /// What was made so far; times are those spent in next().
  [[nodiscard]] const Generation& generation() const { return generation_; }

 private:
  TokenStream(const model::Model& model, std::span<const model::TokenId> prompt, GenerateOptions options,
              model::RunState& state, Sequence& sequence);
  void end(EndReason reason);
  [[nodiscard]] Result<void> feed(std::span<const model::TokenId> input, bool last);
  [[nodiscard]] Result<bool> run_prompt();
  [[nodiscard]] Result<void> advance();

  const model::Model* model_;
  model::RunState* state_;
  Sequence* sequence_;
  GenerateOptions options_;
  Sampler sampler_;
  Generation generation_;
  std::vector<model::TokenId> seen_;  ///< the prompt and what followed
  std::size_t prompt_size_;
  kernels::Buffer<float> hidden_, logits_;
  bool started_ = false, ended_ = false;
};

/// All of a TokenStream: `on_token` sees every new token as it comes; returning false ends the generation. Ends by
/// itself when the sequence's context is full. Errors: those of TokenStream.
[[nodiscard]] Result<Generation> generate(const model::Model& model, std::span<const model::TokenId> prompt,
                                          const GenerateOptions& options, model::RunState& state, Sequence& sequence,
                                          const std::function<bool(model::TokenId)>& on_token);

}  // namespace lieq::eval
