#pragma once
/// Whether a quantised model should run with its embedding and head rounded, decided by what that costs.

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/text/tokenizer.h"

namespace lieq::cli {

/// The text the model in `folder` was scored on, and its perplexity there with the embedding as stored.
struct EmbedTrial {
  std::filesystem::path folder;
  std::span<const text::TokenId> ids;
  std::size_t window = 0;
  double perplexity = 0;
};

/// Scores the model with embedding and head at `bits`, prints the cost, and records "embed_bits" in `provenance`.
/// Without `bits`: tries 8 where the head is tied, and records them if they cost less than 0.1 %.
[[nodiscard]] Result<void> recommend_embed_bits(std::optional<unsigned> bits, const EmbedTrial& trial, Json& provenance,
                                                Threads& threads, Sink& sink);

}  // namespace lieq::cli
