#pragma once
/// Scores multiple-choice items: log P(continuation | context) of every choice.

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/tasks.h"
#include "lieq/kernels/linear.h"

namespace lieq::eval {

struct ChoiceScore {
  double loglik = 0;    ///< sum over the continuation's tokens, natural logarithm
  bool greedy = false;  ///< every token of it is the arg-max

  bool operator==(const ChoiceScore&) const = default;
};

using ItemScores = std::vector<ChoiceScore>;  ///< one for each choice

struct ChoiceOptions {
  kernels::Compute compute = kernels::Compute::kF32;
  std::size_t batch_size = 0;      ///< items that run together at most; 0: as many as make about 2048 tokens
  std::size_t max_length = 0;      ///< tokens of an input; 0: the model's max_position_embeddings
  std::filesystem::path journals;  ///< folder for what is finished so far; empty: an interrupted run starts again
};

/// Scores of each item, in order. Items run sorted by their tokens, in batches whose common beginnings (contexts of
/// several choices, descriptions, few-shot examples) are computed once; only the rows that predict an answer go through
/// the head. Ranks share the batches; the first one keeps the journal. Interrupted, the same call with the same model
/// and items goes on after the last finished batch, with the same results. Errors: those of PromptEncoder; kNumerical
/// when logits are not finite. Same result for any number of threads and ranks.
[[nodiscard]] Result<std::vector<ItemScores>> score_items(const Bundle& bundle, std::span<const Item* const> items,
                                                          const ChoiceOptions& options, Threads& threads, Sink& sink);

}  // namespace lieq::eval
