#include "lieq/eval/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "lieq/kernels/softmax.h"

namespace lieq::eval {
namespace {

using model::TokenId;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Feeds tokens to a sequence.
class Feeder {
 public:
  Feeder(const model::Model& model, model::RunState& state, Sequence& sequence)
      : model_(model), state_(state), sequence_(sequence) {}

  /// Runs `input` behind what the sequence holds; `row` gets the logits after its last token.
  Result<void> feed(std::span<const TokenId> input, MatrixView<float> row) {
    const MatrixView<float> hidden = hidden_.matrix(input.size(), model_.config.hidden_size);
    const model::SequenceSpan span{input.size(), &sequence_.cache};
    model::forward(model_, input, {&span, 1}, state_, hidden);
    sequence_.ids.insert(sequence_.ids.end(), input.begin(), input.end());
    if (row.rows() == 0) return {};
    model::logits(model_, hidden.rows(input.size() - 1, 1), state_, row);
    if (std::isfinite(kernels::log_sum_exp(row.row(0)))) return {};
    return fail(ErrorCode::kNumerical,
                fmt::format("{}: logits: found NaN or infinity at position {}, expected finite values",
                            model_.path.string(), sequence_.cache.length() - 1));
  }

 private:
  const model::Model& model_;
  model::RunState& state_;
  Sequence& sequence_;
  kernels::Buffer<float> hidden_;
};

/// Drops what `prompt` does not begin with; its last token is always run, for the logits after it.
void keep_common_prefix(Sequence& sequence, std::span<const TokenId> prompt) {
  const auto differ = std::mismatch(sequence.ids.begin(), sequence.ids.end(), prompt.begin(), prompt.end() - 1);
  sequence.ids.erase(differ.first, sequence.ids.end());
  sequence.cache.truncate(sequence.ids.size());
}

}  // namespace

Result<Generation> generate(const model::Model& model, std::span<const TokenId> prompt, const GenerateOptions& options,
                            model::RunState& state, Sequence& sequence, const std::function<bool(TokenId)>& on_token) {
  constexpr std::size_t kSlice = 512;  // tokens of the prompt that run together
  LIEQ_TRY(check(options.sampling));
  const std::size_t limit = sequence.cache.capacity();
  if (prompt.empty()) return fail(ErrorCode::kInvalidArgument, "prompt: found no tokens, expected at least one");
  if (prompt.size() >= limit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("prompt: found {} tokens, expected fewer than the context of {}", prompt.size(), limit));
  for (const TokenId id : prompt)
    if (id < 0 || static_cast<std::size_t>(id) >= model.config.vocab_size)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("prompt: found token id {}, expected below vocab_size = {} of {}", id,
                              model.config.vocab_size, model.path.string()));
  keep_common_prefix(sequence, prompt);
  const auto cancelled = [&] { return options.cancelled && options.cancelled(); };
  Feeder feeder(model, state, sequence);
  kernels::Buffer<float> logit_buffer;
  const MatrixView<float> row = logit_buffer.matrix(1, model.config.vocab_size);
  Generation generation;
  generation.prompt_tokens = prompt.size() - sequence.ids.size();
  const auto start = std::chrono::steady_clock::now();
  while (sequence.ids.size() < prompt.size()) {
    if (cancelled()) return generation.end = EndReason::kCancelled, generation;
    const std::size_t done = sequence.ids.size(), count = std::min(kSlice, prompt.size() - done);
    LIEQ_TRY(feeder.feed(prompt.subspan(done, count), row.rows(0, done + count == prompt.size() ? 1 : 0)));
  }
  generation.prompt_seconds = seconds_since(start);
  Sampler sampler(options.sampling);
  std::vector<TokenId> seen(prompt.begin(), prompt.end());
  while (generation.tokens.size() < options.max_new_tokens) {
    const TokenId token = sampler.pick(row.row(0), seen);
    if (std::ranges::find(options.stop_tokens, token) != options.stop_tokens.end()) {
      generation.end = EndReason::kStopToken;
      break;
    }
    seen.push_back(token);
    generation.tokens.push_back(token);
    if (!on_token(token) || cancelled()) {
      generation.end = EndReason::kCancelled;
      break;
    }
    if (generation.tokens.size() == options.max_new_tokens) break;
    if (sequence.ids.size() == limit) {
      generation.end = EndReason::kContextFull;
      break;
    }
    LIEQ_TRY(feeder.feed({&token, 1}, row));
  }
  generation.decode_seconds = seconds_since(start) - generation.prompt_seconds;
  return generation;
}

}  // namespace lieq::eval
