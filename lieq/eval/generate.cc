#include "lieq/eval/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "lieq/kernels/softmax.h"

namespace lieq::eval {
namespace {

using model::TokenId;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Drops what `prompt` does not begin with; its last token is always run, for the logits after it.
void keep_common_prefix(Sequence& sequence, std::span<const TokenId> prompt) {
  const auto differ = std::mismatch(sequence.ids.begin(), sequence.ids.end(), prompt.begin(), prompt.end() - 1);
  sequence.ids.erase(differ.first, sequence.ids.end());
  sequence.cache.truncate(sequence.ids.size());
}

}  // namespace

TokenStream::TokenStream(const model::Model& model, std::span<const TokenId> prompt, GenerateOptions options,
                         model::RunState& state, Sequence& sequence)
    : model_(&model),
      state_(&state),
      sequence_(&sequence),
      options_(std::move(options)),
      sampler_(options_.sampling),
      seen_(prompt.begin(), prompt.end()),
      prompt_size_(prompt.size()) {}

Result<TokenStream> TokenStream::start(const model::Model& model, std::span<const TokenId> prompt,
                                       GenerateOptions options, model::RunState& state, Sequence& sequence) {
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
  TokenStream stream(model, prompt, std::move(options), state, sequence);
  stream.generation_.prompt_tokens = prompt.size() - sequence.ids.size();
  return stream;
}

void TokenStream::end(EndReason reason) {
  generation_.end = reason;
  ended_ = true;
}

void TokenStream::cancel() {
  if (!ended_) end(EndReason::kCancelled);
}

/// Runs `input` behind what the sequence holds; `last`: the logits after its last token are wanted.
Result<void> TokenStream::feed(std::span<const TokenId> input, bool last) {
  const MatrixView<float> hidden = hidden_.matrix(input.size(), model_->config.hidden_size);
  const model::SequenceSpan span{input.size(), &sequence_->cache};
  model::forward(*model_, input, {&span, 1}, *state_, hidden);
  sequence_->ids.insert(sequence_->ids.end(), input.begin(), input.end());
  if (!last) return {};
  const MatrixView<float> row = logits_.matrix(1, model_->config.vocab_size);
  model::logits(*model_, hidden.rows(input.size() - 1, 1), *state_, row);
  if (std::isfinite(kernels::log_sum_exp(row.row(0)))) return {};
  return fail(ErrorCode::kNumerical,
              fmt::format("{}: logits: found NaN or infinity at position {}, expected finite values",
                          model_->path.string(), sequence_->cache.length() - 1));
}

/// False: cancelled.
Result<bool> TokenStream::run_prompt() {
  const std::span<const TokenId> prompt = std::span(seen_).first(prompt_size_);
  while (sequence_->ids.size() < prompt.size()) {
    if (options_.cancelled && options_.cancelled()) return false;
    const std::size_t done = sequence_->ids.size(), count = std::min(kPromptTokens, prompt.size() - done);
    LIEQ_TRY(feed(prompt.subspan(done, count), done + count == prompt.size()));
  }
  return true;
}

/// Makes logits for one more token, unless it has ended.
Result<void> TokenStream::advance() {
  const auto start = std::chrono::steady_clock::now();
  if (!started_) {
    started_ = true;
    LIEQ_ASSIGN(const bool whole, run_prompt());
    generation_.prompt_seconds = seconds_since(start);
    if (!whole) end(EndReason::kCancelled);
    return {};
  }
  if (options_.cancelled && options_.cancelled()) {
    end(EndReason::kCancelled);
  } else if (sequence_->ids.size() == sequence_->cache.capacity()) {
    end(EndReason::kContextFull);
  } else {
    LIEQ_TRY(feed({&generation_.tokens.back(), 1}, true));
    generation_.decode_seconds += seconds_since(start);
  }
  return {};
}

Result<std::optional<TokenId>> TokenStream::next() {
  const bool full = started_ && generation_.tokens.size() >= options_.max_new_tokens;
  if (!ended_ && full) end(EndReason::kLength);
  if (!ended_) {
    if (auto advanced = advance(); !advanced) {
      cancel();
      return Unexpected(std::move(advanced).error());
    }
  }
  if (!ended_ && options_.max_new_tokens == 0) end(EndReason::kLength);
  if (ended_) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  const TokenId token = sampler_.pick(logits_.matrix(1, model_->config.vocab_size).row(0), seen_);
  generation_.decode_seconds += seconds_since(start);
  if (std::ranges::find(options_.stop_tokens, token) != options_.stop_tokens.end()) {
    end(EndReason::kStopToken);
    return std::nullopt;
  }
  seen_.push_back(token);
  generation_.tokens.push_back(token);
  return token;
}

Result<Generation> generate(const model::Model& model, std::span<const TokenId> prompt, const GenerateOptions& options,
                            model::RunState& state, Sequence& sequence, const std::function<bool(TokenId)>& on_token) {
  LIEQ_ASSIGN(TokenStream stream, TokenStream::start(model, prompt, options, state, sequence));
  while (true) {
    LIEQ_ASSIGN(const std::optional<TokenId> token, stream.next());
    if (!token) break;
    if (!on_token(*token)) stream.cancel();
  }
  return stream.generation();
}

}  // namespace lieq::eval
