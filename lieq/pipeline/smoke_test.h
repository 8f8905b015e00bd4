#pragma once
/// Whether a quantised model still writes: what it says to a few prompts, beside the original.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"

namespace lieq::pipeline {

/// Tokens that each model writes to a prompt at most, and prompts there are at most.
inline constexpr std::size_t kSmokeTokens = 64, kSmokePrompts = 6;

/// A greedy continuation by both models.
struct SmokeAnswer {
  std::string kind, prompt;                       ///< "prose", "code" or "chat"
  std::string original, made;                     ///< what they wrote
  double original_repeats = 0, made_repeats = 0;  ///< share of its 4-grams that came before in it
};

struct SmokeTest {
  std::vector<SmokeAnswer> answers;
  double original_repeats = 0, made_repeats = 0;  ///< means over the answers

  /// Whether the quantised model repeats itself much more than the original.
  [[nodiscard]] bool failed() const;
};
[[nodiscard]] Json to_json(const SmokeTest& test);

/// How many there are for this model: those of chats need a template.
[[nodiscard]] std::size_t smoke_prompts(const eval::Bundle& original);

/// Both models go on from two openings of prose and two of code, greedily for 64 tokens or to their end, in the
/// arithmetic of lieq run; where the model has a chat template, they also answer two questions. original: with its
/// tokenizer. Logits that are no numbers count as nothing but repetitions. Cost: kSmokeTokens steps of each model, of
/// at most kSmokePrompts tokens. Errors: kCancelled.
[[nodiscard]] Result<SmokeTest> smoke_test(const eval::Bundle& original, const model::Model& made, Threads& threads,
                                           Sink& sink);

/// One line for the user when it failed.
[[nodiscard]] std::string smoke_warning(const SmokeTest& test, const std::string& name);

}  // namespace lieq::pipeline
