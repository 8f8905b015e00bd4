#include "lieq/eval/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include <fmt/format.h>

#include "lieq/eval/sample.h"
#include "lieq/kernels/softmax.h"

namespace lieq::eval {
namespace {

using model::TokenId;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<Generation> generate(const model::Model& model, std::span<const TokenId> prompt, const GenerateOptions& options,
                            model::RunState& state, const std::function<bool(TokenId)>& on_token) {
  const std::size_t limit = model.config.max_position_embeddings;
  if (prompt.empty()) return fail(ErrorCode::kInvalidArgument, "prompt: found no tokens, expected at least one");
  if (prompt.size() > limit || options.max_new_tokens > limit - prompt.size())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("prompt and new tokens: found {} + {}, expected at most max_position_embeddings = {} of {}",
                            prompt.size(), options.max_new_tokens, limit, model.path.string()));
  model::KvCache cache(model.config, prompt.size() + options.max_new_tokens);
  std::mt19937_64 random(options.seed);
  kernels::Buffer<float> hidden_buffer, logit_buffer;
  const MatrixView<float> row = logit_buffer.matrix(1, model.config.vocab_size);
  Generation generation;
  std::vector<TokenId> input(prompt.begin(), prompt.end());
  const auto start = std::chrono::steady_clock::now();
  while (generation.tokens.size() < options.max_new_tokens) {
    const MatrixView<float> hidden = hidden_buffer.matrix(input.size(), model.config.hidden_size);
    const model::SequenceSpan sequence{input.size(), &cache};
    model::forward(model, input, {&sequence, 1}, state, hidden);
    model::logits(model, hidden.rows(input.size() - 1, 1), state, row);
    if (generation.tokens.empty()) generation.prompt_seconds = seconds_since(start);
    if (!std::isfinite(kernels::log_sum_exp(row.row(0))))
      return fail(ErrorCode::kNumerical, fmt::format("{}: logits: found NaN or infinity at position {}, expected finite values",
                                                     model.path.string(), cache.length() - 1));
    const auto token = static_cast<TokenId>(pick_token(row.row(0), options.temperature, random));
    if (options.stop_at_eos && std::ranges::count(model.config.eos_token_id, static_cast<std::uint64_t>(token)) > 0) {
      generation.stopped = true;
      break;
    }
    generation.tokens.push_back(token);
    if (!on_token(token)) break;
    input = {token};
  }
  generation.decode_seconds = seconds_since(start) - generation.prompt_seconds;
  return generation;
}

}  // namespace lieq::eval
