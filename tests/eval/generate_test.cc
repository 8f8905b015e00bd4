/// Generation that goes on from what a sequence holds.

#include "lieq/eval/generate.h"

#include <gtest/gtest.h>

#include "lieq/eval/bundle.h"
#include "tests/support/paths.h"

namespace lieq::eval {
namespace {

using model::TokenId;

class Demo : public testing::Test {
 protected:
  Demo()
      : bundle_(Bundle::load(test::demo_dir(), threads_, sink_).value()),
        state_(bundle_.model, threads_, kernels::Compute::kF32) {}

  [[nodiscard]] std::vector<TokenId> ids(std::string_view text) const {
    return bundle_.tokenizer.encode(text, text::SpecialTokens::kNone);
  }
  Result<Generation> generate(std::span<const TokenId> prompt, Sequence& sequence, const GenerateOptions& options) {
    return eval::generate(bundle_.model, prompt, options, state_, sequence, [](TokenId) { return true; });
  }

  Threads threads_{2};
  Sink sink_;
  Bundle bundle_;
  model::RunState state_;
};

TEST_F(Demo, ACommonBeginningIsNotRunAgain) {
  Sequence sequence(bundle_.model.config, 128);
  auto prompt = ids("In the beginning God created the heaven");
  const auto first = generate(prompt, sequence, {.max_new_tokens = 8}).value();
  EXPECT_EQ(first.prompt_tokens, prompt.size());
  EXPECT_EQ(sequence.ids.size(), prompt.size() + 7);  // the last new token was not run
  const std::size_t held = sequence.ids.size();
  prompt.insert(prompt.end(), first.tokens.begin(), first.tokens.end());
  const auto more = ids(" And the earth was");
  prompt.insert(prompt.end(), more.begin(), more.end());
  const auto again = generate(prompt, sequence, {.max_new_tokens = 8}).value();
  EXPECT_EQ(again.prompt_tokens, prompt.size() - held);
  Sequence fresh(bundle_.model.config, 128);
  EXPECT_EQ(generate(prompt, fresh, {.max_new_tokens = 8}).value().tokens, again.tokens);
  const auto other = ids("In the beginning was the Word");  // goes back and on differently
  const auto back = generate(other, sequence, {.max_new_tokens = 8}).value();
  EXPECT_LT(back.prompt_tokens, other.size());
  Sequence newest(bundle_.model.config, 128);
  EXPECT_EQ(generate(other, newest, {.max_new_tokens = 8}).value().tokens, back.tokens);
}

TEST_F(Demo, EndsWhereItShould) {
  Sequence sequence(bundle_.model.config, 128);
  const auto prompt = ids("And God said");
  const auto whole = generate(prompt, sequence, {.max_new_tokens = 6}).value();
  EXPECT_EQ(whole.end, EndReason::kLength);
  ASSERT_EQ(whole.tokens.size(), 6U);
  const auto stopped = generate(prompt, sequence, {.max_new_tokens = 6, .stop_tokens = {whole.tokens[3]}}).value();
  EXPECT_EQ(stopped.end, EndReason::kStopToken);
  EXPECT_LE(stopped.tokens.size(), 3U);
  Sequence small(bundle_.model.config, prompt.size() + 4);
  const auto full = generate(prompt, small, {.max_new_tokens = 100}).value();
  EXPECT_EQ(full.end, EndReason::kContextFull);
  EXPECT_EQ(full.tokens.size(), 5U);  // the last one need not be run
  int asked = 0;
  const auto cancelled =
      generate(prompt, sequence, {.max_new_tokens = 6, .cancelled = [&] { return ++asked == 3; }}).value();
  EXPECT_EQ(cancelled.end, EndReason::kCancelled);
  EXPECT_EQ(cancelled.tokens.size(), 2U);
}

TEST_F(Demo, Refusals) {
  Sequence sequence(bundle_.model.config, 128);
  const auto prompt = ids("And God said");
  Sequence small(bundle_.model.config, prompt.size());
  for (const auto& result : {generate({}, sequence, {}), generate(prompt, small, {}),
                             generate(prompt, sequence, {.sampling = {.top_p = 2}})}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_NE(generate(prompt, small, {}).error().message.find("expected fewer than the context of"), std::string::npos);
}

}  // namespace
}  // namespace lieq::eval
