#pragma once
/// Grammars as filters of tokens.

#include <memory>

#include "lieq/grammar/matcher.h"
#include "lieq/serve/work.h"

namespace lieq::serve {

/// Lets through what a grammar allows. Paused while a model reasons: the grammar is about what it says after that.
class GrammarFilter : public TokenFilter {
 public:
  explicit GrammarFilter(std::shared_ptr<const grammar::Constraint> constraint) : matcher_(std::move(constraint)) {}

  Result<void> apply(std::span<float> logits) override;
  void accept(TokenId token) override;
  [[nodiscard]] bool must_end() const override { return !paused_ && matcher_.must_end(); }
  void pause(bool paused) override { paused_ = paused; }

 private:
  grammar::Matcher matcher_;
  bool paused_ = false;
};

}  // namespace lieq::serve
