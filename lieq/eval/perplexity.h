#pragma once
/// Perplexity over windows of a text, and the distance of several models to the first of them. windows.h cuts the text.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/windows.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

/// One value per predicted token, in text order.
struct TokenScores {
  std::vector<float> nll;  ///< -log p(token), nats
  std::vector<float> kl;   ///< KL(first model || this one), nats; empty for the first model
  std::vector<char> top1;  ///< 1 where the arg-max equals the first model's; empty for the first model
};

/// Rows of tokens that one batch runs, or those of one window that is longer.
inline constexpr std::size_t kForwardTokens = 2048;

/// Scores the windows of a plan; several run as one batch of about kForwardTokens. All models must share the
/// vocabulary: same vocab_size, same ids. Scores stand in the order of the windows; ranks share the batches, and each
/// gets all scores. Cost: one forward pass per model and window; memory: hidden states and 64 MiB of logits per model.
/// Errors: kInvalidArgument (no windows, one longer than max_position_embeddings, an id or a vocab_size that does not
/// fit); kNumerical when a model's logits are not finite. The same bits for any number of threads and ranks.
[[nodiscard]] Result<std::vector<TokenScores>> score_plan(std::span<const model::Model* const> models,
                                                          const WindowPlan& plan, Threads& threads,
                                                          kernels::Compute compute, Sink& sink);

/// score_plan() of gptq_windows(ids, window). Errors: also kInvalidArgument for a window < 2 or ids shorter than one.
[[nodiscard]] Result<std::vector<TokenScores>> score_windows(std::span<const model::Model* const> models,
                                                             std::span<const model::TokenId> ids, std::size_t window,
                                                             Threads& threads, kernels::Compute compute, Sink& sink);

/// Means and standard errors: fills num_tokens, nll, perplexity, kl, top1 and their kin of `record`.
/// The standard error treats tokens as independent: exp(nll) x s / sqrt(n), s the sample deviation of the NLLs.
void summarise(const TokenScores& scores, EvalRecord& record);

}  // namespace lieq::eval
