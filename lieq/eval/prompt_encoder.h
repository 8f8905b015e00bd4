#pragma once
/// Texts to token ids as lm-evaluation-harness encodes them.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/eval/bundle.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

/// A continuation to be scored: the last targets.size() rows of `input` predict `targets`.
struct ChoiceTokens {
  std::vector<model::TokenId> input, targets;
};

/// Encodes with the tokenizer's own special tokens (BOS for Llama, none for Qwen). Thread-safe after creation.
class PromptEncoder {
 public:
  /// `bundle` must outlive this. max_length: of an input, in tokens; 0: the model's max_position_embeddings.
  /// Errors: kInvalidFormat (tokenizer_config.json), kInvalidArgument (max_length beyond the model's).
  [[nodiscard]] static Result<PromptEncoder> create(const Bundle& bundle, std::size_t max_length = 0);

  [[nodiscard]] std::size_t max_length() const { return max_length_; }

  /// Special tokens are not added to a text that begins with the text of prefix_token() already.
  [[nodiscard]] std::vector<model::TokenId> encode(std::string_view text) const;

  /// White space at the context's end moves to the continuation; targets are the ids of both together behind as many as
  /// the context alone has; of what is too long the beginning goes. An empty context is prefix_token(). Errors:
  /// kInvalidFormat, `place` and why: no token to score, or more than max_length.
  [[nodiscard]] Result<ChoiceTokens> encode_choice(std::string_view context, std::string_view continuation,
                                                   const std::string& place) const;

  /// What stands for "nothing before": the tokenizer's BOS, else its EOS (tokenizer_config.json; for GGUF its
  /// metadata).
  [[nodiscard]] std::optional<model::TokenId> prefix_token() const { return prefix_; }

 private:
  PromptEncoder() = default;
  const Bundle* bundle_ = nullptr;
  std::size_t max_length_ = 0;
  std::optional<model::TokenId> prefix_;
  std::string prefix_text_;
};

}  // namespace lieq::eval
