#pragma once
/// What the scheduler is asked to do, and what it tells.

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/eval/sample.h"

namespace lieq::serve {

using TokenId = model::TokenId;

/// Narrows down what may come next: run state of one text, called by one thread at a time.
class TokenFilter {
 public:
  virtual ~TokenFilter() = default;
  /// Sets the logits of what may not come to minus infinity. Errors: nothing may come, or the work has become too much.
  [[nodiscard]] virtual Result<void> apply(std::span<float> logits) = 0;
  /// Goes on by a token that was allowed.
  virtual void accept(TokenId token) = 0;
  /// The text is whole and nothing can follow.
  [[nodiscard]] virtual bool must_end() const = 0;
  /// While paused it lets everything through and takes no notice of it.
  virtual void pause(bool /*paused*/) {}
};

/// One text to be continued.
struct Work {
  std::vector<TokenId> prompt;  ///< at least one, each below vocab_size
  std::size_t max_new_tokens = 0;
  eval::SamplingOptions sampling;
  std::vector<TokenId> stop_tokens;     ///< end before one of these
  std::optional<std::size_t> logprobs;  ///< log-probabilities are told, with so many of the most likely tokens
  bool prompt_logprobs = false;         ///< those of the prompt as well
  bool share_prefix = true;             ///< what other texts have computed may be taken over
  std::shared_ptr<TokenFilter> filter;  ///< may be null
};

/// A token and, where they were asked for, its log-probabilities under softmax(logits), before any sampling option.
struct TokenNews {
  struct Alternative {
    TokenId token;
    double logprob;
  };
  TokenId token = 0;
  double logprob = 0;
  std::vector<Alternative> top;  ///< most likely first
};

enum class Finish {
  kStop,       ///< a stop token, or the listener had enough
  kLength,     ///< max_new_tokens, or the context is full
  kCancelled,  ///< by its ticket, or the scheduler stopped
  kFailed,
};

struct Ending {
  Finish finish = Finish::kStop;
  std::string error = {};  ///< of kFailed
  std::size_t prompt_tokens = 0, shared_tokens = 0, new_tokens = 0;
  double queued_seconds = 0, prompt_seconds = 0, decode_seconds = 0;
};

/// Hears how a work gets on, from the scheduler's thread; must not take long.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Once, before the first new token, when prompt_logprobs was asked for: every token of the prompt but the first.
  virtual void on_prompt(std::vector<TokenNews> /*tokens*/) {}
  /// False ends the text with kStop.
  [[nodiscard]] virtual bool on_token(const TokenNews& token) = 0;
  virtual void on_end(const Ending& ending) = 0;
};

/// Whoever submitted a work takes it back by this, from any thread; the scheduler drops it before its next step.
class Ticket {
 public:
  void cancel() { cancelled_ = true; }
  [[nodiscard]] bool cancelled() const { return cancelled_; }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace lieq::serve
