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
  [[nodiscard]] std::vector<TokenId> sample(const SelfTextOptions& options) {
    const auto made = sample_self_text(bundle_->model, options, threads_, sink_);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : std::vector<TokenId>();
  }
  Threads threads_{2};
  Sink sink_;
  std::optional<Bundle> bundle_;
};

TEST_F(SelfText, EverySequenceBeginsTheSameAndHasItsOwnRandomNumbers) {
  SelfTextOptions options{.sequences = 4, .length = 24};
  const std::vector<TokenId> ids = sample(options);
  ASSERT_EQ(ids.size(), 96);
  const auto sequence = [&](std::size_t s) { return std::span(ids).subspan(s * 24, 24); };
  for (std::size_t s = 0; s < 4; ++s) EXPECT_EQ(sequence(s).front(), sequence(0).front());
  // One sequence has its own random numbers, whatever stands beside it.
  EXPECT_FALSE(std::ranges::equal(sequence(1), sequence(3)));
  EXPECT_EQ(sample(options), ids);
  options.sampling.seed = 43;
  EXPECT_NE(sample(options), ids);
  options.cache_bytes = 1;  // one at a time
  const std::vector<TokenId> alone = sample(options);
  ASSERT_EQ(alone.size(), 96);
  for (std::size_t s = 0; s < 4; ++s) EXPECT_EQ(alone[s * 24], ids[s * 24]);
}

TEST_F(SelfText, BadOptionsAreRefused) {
  SelfTextOptions options{.sequences = 1, .length = bundle_->model.config.max_position_embeddings + 1};
  EXPECT_FALSE(sample_self_text(bundle_->model, options, threads_, sink_));
  options.length = 4;
  options.sampling.temperature = -1;
  EXPECT_FALSE(sample_self_text(bundle_->model, options, threads_, sink_));
  options.sampling.temperature = 1;
  EXPECT_EQ(sample(options).size(), 4);
}

}  // namespace
}  // namespace lieq::eval
