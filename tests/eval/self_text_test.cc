#include "lieq/eval/self_text.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/eval/bundle.h"
#include "lieq/eval/repetition.h"
#include "tests/support/paths.h"

namespace lieq::eval {
namespace {

using model::TokenId;

TEST(Repetition, CountsFourGramsThatStoodBefore) {
  EXPECT_EQ(repeated_share({}), 0);
  EXPECT_EQ(repeated_share(std::vector<TokenId>{1, 2, 3, 4}), 0);
  EXPECT_EQ(repeated_share(std::vector<TokenId>{1, 2, 3, 4, 5, 6}), 0);
  EXPECT_EQ(repeated_share(std::vector<TokenId>{7, 7, 7, 7, 7, 7, 7}), 0.75);
  EXPECT_EQ(repeated_share(std::vector<TokenId>{1, 2, 3, 4, 1, 2, 3, 4}), 0.2);
}

class SelfText : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Bundle::load(test::demo_dir(), threads_, sink_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    bundle_.emplace(std::move(*loaded));
  }
  [[nodiscard]] std::vector<TokenId> ids_of(const char* text) const {
    return bundle_->tokenizer.encode(text, text::SpecialTokens::kNone);
  }
  [[nodiscard]] std::vector<TokenId> sample(const SelfTextOptions& options) {
    const auto made = sample_self_text(bundle_->model, options, threads_, sink_);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : std::vector<TokenId>();
  }
  static bool begins(std::span<const TokenId> ids, const std::vector<TokenId>& opening) {
    return std::ranges::equal(ids.first(std::min(ids.size(), opening.size())), opening);
  }

  Threads threads_{2};
  Sink sink_;
  std::optional<Bundle> bundle_;
};

TEST_F(SelfText, EverySequenceBeginsWithAnOpeningOfItsKind) {
  const std::vector<TokenId> a = ids_of("And it came to pass"), b = ids_of("The word of the LORD"),
                             c = ids_of("def f(x):");
  SelfTextOptions options{.sequences = 4, .length = 24};
  options.kinds = {{a, b}, {c}};
  const std::vector<TokenId> ids = sample(options);
  ASSERT_EQ(ids.size(), 96);
  const auto sequence = [&](std::size_t s) { return std::span(ids).subspan(s * 24, 24); };
  EXPECT_TRUE(begins(sequence(1), c) && begins(sequence(3), c));
  EXPECT_TRUE((begins(sequence(0), a) && begins(sequence(2), b)) || (begins(sequence(0), b) && begins(sequence(2), a)));
  // One sequence has its own random numbers, whatever stands beside it.
  EXPECT_FALSE(std::ranges::equal(sequence(1), sequence(3)));
  EXPECT_EQ(sample(options), ids);
  options.sampling.seed = 43;
  EXPECT_NE(sample(options), ids);
  options.cache_bytes = 1;  // one at a time
  const std::vector<TokenId> alone = sample(options);
  ASSERT_EQ(alone.size(), 96);
  EXPECT_TRUE(begins(std::span(alone).subspan(24), c) && begins(std::span(alone).subspan(72), c));
}

TEST_F(SelfText, AfterAStopTokenTheNextOpeningFollows) {
  const std::vector<TokenId> a = ids_of("And it came to pass"), b = ids_of("Behold,");
  SelfTextOptions options{.sequences = 1, .length = 40};
  options.kinds = {{a, b}};
  for (std::size_t id = 0; id < bundle_->model.config.vocab_size; ++id)  // whatever it says ends the text
    options.stop_tokens.push_back(static_cast<TokenId>(id));
  const std::vector<TokenId> ids = sample(options);
  for (std::size_t at = 0; at + std::max(a.size(), b.size()) < ids.size();) {
    const auto rest = std::span(ids).subspan(at);
    ASSERT_TRUE(begins(rest, a) || begins(rest, b)) << at;
    at += (begins(rest, a) ? a.size() : b.size()) + 1;
  }
}

TEST_F(SelfText, WhatGoesInCirclesIsGivenUp) {
  const std::vector<TokenId> a = ids_of("And it came to pass"), b = ids_of("Behold,");
  SelfTextOptions options{.sequences = 1, .length = 300};
  options.kinds = {{a, b}};
  options.sampling = {.temperature = 0};  // a small model, greedy: soon it repeats itself
  const std::vector<TokenId> ids = sample(options);
  int texts = 0;
  for (std::size_t at = 0; at + a.size() < ids.size(); ++at)
    texts += begins(std::span(ids).subspan(at), a) || begins(std::span(ids).subspan(at), b) ? 1 : 0;
  EXPECT_GE(texts, 2);
}

TEST_F(SelfText, BadOptionsAreRefused) {
  SelfTextOptions options{.sequences = 1, .length = bundle_->model.config.max_position_embeddings + 1};
  EXPECT_FALSE(sample_self_text(bundle_->model, options, threads_, sink_));
  options.length = 4;
  options.kinds = {{{static_cast<TokenId>(bundle_->model.config.vocab_size)}}};
  EXPECT_FALSE(sample_self_text(bundle_->model, options, threads_, sink_));
  options.kinds = {};
  EXPECT_EQ(sample(options).size(), 4);
}

}  // namespace
}  // namespace lieq::eval
