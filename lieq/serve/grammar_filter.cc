#include "lieq/serve/grammar_filter.h"

namespace lieq::serve {

Result<void> GrammarFilter::apply(std::span<float> logits) {
  if (paused_) return {};
  LIEQ_ASSIGN(const grammar::TokenMask* mask, matcher_.mask());
  if (mask->count() == 0)
    return fail(ErrorCode::kUnsupported, "grammar: no token of the model goes on from here, expected at least one");
  mask->apply(logits);
  return {};
}

void GrammarFilter::accept(TokenId token) {
  if (!paused_) (void)matcher_.accept(token);
}

}  // namespace lieq::serve
