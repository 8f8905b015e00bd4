#pragma once
/// How a text is cut into windows to be scored: three protocols, whose perplexities do not compare with each other.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/model/forward.h"

namespace lieq::eval {

/// Tokens [begin, begin + size) of the plan, run from position 0. Those from `first_scored` (at least 1) on count.
struct Window {
  std::size_t begin = 0, size = 0, first_scored = 1;
};

struct WindowPlan {
  std::vector<model::TokenId> ids;
  std::vector<Window> windows;
};

/// GPTQ's, and the LieQ paper's: windows of the text in one piece, each beginning anew, the last partial one left out.
/// stride < window: windows overlap, and of all but the first only the last `stride` tokens count.
[[nodiscard]] WindowPlan gptq_windows(std::vector<model::TokenId> ids, std::size_t window, std::size_t stride);

/// llama.cpp's: windows do not overlap, the first token of each is replaced by `bos` (if >= 0: where the model has
/// one), and the second half of each counts: tokens window / 2 + 1 on.
[[nodiscard]] WindowPlan llamacpp_windows(std::vector<model::TokenId> ids, std::size_t window, model::TokenId bos);

/// lm-evaluation-harness's rolling log-likelihood of one document, appended to `plan`: every token counts once, the
/// first given `prefix`; inputs hold at most `max_length` tokens; each window but the first sees at least one token
/// before its own.
void append_rolling_windows(std::span<const model::TokenId> document, std::size_t max_length, model::TokenId prefix,
                            WindowPlan& plan);

/// The documents of WikiText as the harness's data set has them: a new one at each heading of the first level.
[[nodiscard]] std::vector<std::string> wikitext_pages(std::string_view text);

/// The harness's detokenizer for a WikiText page: " @-@ " to "-", no blanks before punctuation, ...
[[nodiscard]] std::string wikitext_detokenize(std::string page);

}  // namespace lieq::eval
