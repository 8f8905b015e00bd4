#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::model {
namespace {

const std::filesystem::path kTiny = test::data_dir() / "tiny-llama";

Model load_tiny(Threads& threads, const LoadOptions& options = {}) {
  Sink sink;
  return test::must(Model::load(kTiny, threads, sink, options));
}

std::vector<TokenId> some_tokens(const Model& model, std::size_t count) {
  std::vector<TokenId> tokens;
  for (std::size_t t = 0; t < count; ++t)
    tokens.push_back(static_cast<TokenId>((t * 37 + 11) % model.config.vocab_size));
  return tokens;
}

/// Hidden states of `tokens`, run through a cache in slices of the given sizes, the last repeated.
std::vector<float> run_in_slices(const Model& model, std::span<const TokenId> tokens, std::vector<std::size_t> slices,
                                 DType cache_type, Threads& threads,
                                 kernels::Arithmetic compute = kernels::Compute::kF32) {
  KvCache cache(model.config, tokens.size(), cache_type);
  RunState state(model, threads, compute);
  std::vector<float> hidden(tokens.size() * model.config.hidden_size);
  std::size_t slice = 0;
  while (cache.length() < tokens.size()) {
    const std::size_t first = cache.length(), count = std::min(slices[slice], tokens.size() - first);
    const SequenceSpan sequence{count, &cache};
    forward(model, tokens.subspan(first, count), {&sequence, 1}, state,
            {hidden.data() + first * model.config.hidden_size, count, model.config.hidden_size});
    slice = std::min(slice + 1, slices.size() - 1);
  }
  return hidden;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(Running, SlicesThroughTheCacheGiveWhatOnePassGives) {
  Threads threads(2);
  const Model model = load_tiny(threads);
  const auto tokens = some_tokens(model, 100);
  RunState state(model, threads, kernels::Compute::kF32);
  std::vector<float> whole(tokens.size() * model.config.hidden_size);
  const SequenceSpan alone{tokens.size(), nullptr};
  forward(model, tokens, {&alone, 1}, state, {whole.data(), tokens.size(), model.config.hidden_size});
  float size = 0;
  for (const float h : whole) size = std::max(size, std::abs(h));
  for (const auto& slices : std::vector<std::vector<std::size_t>>{{100}, {1}, {40, 1}, {7}, {64, 5, 1}}) {
    SCOPED_TRACE(slices[0]);
    EXPECT_LT(largest_difference(run_in_slices(model, tokens, slices, DType::kF32, threads), whole), 2e-5F * size);
    // Each key and value moves by at most 2^-11 of itself; layer and norm carry that on, a few times enlarged.
    const auto half = run_in_slices(model, tokens, slices, DType::kF16, threads);
    EXPECT_LT(largest_difference(half, whole), 8 * 0x1p-11F * size);
    EXPECT_GT(largest_difference(half, whole), 0.0F);
  }
}

TEST(Running, RowsAloneHaveTheSameBitsInAnySlices) {
  Threads threads(2);
  for (const LoadOptions& load : {LoadOptions{}, LoadOptions{.embed_bits = 8}}) {
    const Model model = load_tiny(threads, load);
    const auto tokens = some_tokens(model, 200);
    for (const auto compute : {kernels::Compute::kF32, kernels::Compute::kInt8}) {
      const auto run = [&](const std::vector<std::size_t>& slices) {
        return run_in_slices(model, tokens, slices, DType::kF16, threads, kernels::Arithmetic(compute, true));
      };
      const auto whole = run({200});
      for (const auto& slices : std::vector<std::vector<std::size_t>>{{1}, {130, 1}, {7}, {128, 5, 60}})
        EXPECT_EQ(run(slices), whole) << slices[0];
    }
  }
}

TEST(Running, IsTheSameForAnyThreadCount) {
  Threads one(1), two(2), three(3);
  const Model model = load_tiny(one, {8});
  const auto tokens = some_tokens(model, 90);
  for (const auto compute : {kernels::Compute::kF32, kernels::Compute::kInt8}) {
    for (const auto& slices : std::vector<std::vector<std::size_t>>{{80, 1}, {33}}) {
      const auto expected = run_in_slices(model, tokens, slices, DType::kF16, one, compute);
      EXPECT_EQ(run_in_slices(model, tokens, slices, DType::kF16, two, compute), expected);
      EXPECT_EQ(run_in_slices(model, tokens, slices, DType::kF16, three, compute), expected);
    }
  }
}

TEST(KvCache, CountsItsBytesAndForgets) {
  Threads threads(1);
  const Model model = load_tiny(threads);
  const ModelConfig& c = model.config;
  KvCache half(c, 30), full(c, 30, DType::kF32);
  EXPECT_EQ(half.capacity(), 30U);
  const std::size_t padded_dim = kernels::round_up_to_panel(c.head_dim);
  EXPECT_EQ(half.bytes(),
            2 * c.num_hidden_layers * c.num_key_value_heads * padded_dim * 32 * 2);  // 30 tokens fill two panels
  EXPECT_EQ(full.bytes(), 2 * half.bytes());
  half.advance(20);
  half.truncate(5);
  EXPECT_EQ(half.length(), 5U);
}

TEST(KvCache, TextsThatBeginAlikeShareWholePages) {
  Threads threads(1);
  const Model model = load_tiny(threads);
  KvPool pool(model.config, 5);
  KvCache first(model.config, 512, pool);
  ASSERT_TRUE(first.make_room(300));
  first.advance(300);
  EXPECT_EQ(pool.used(), 3U);
  {
    KvCache second(model.config, 512, pool), third(model.config, 512, pool), fourth(model.config, 512, pool);
    second.share(first, 280);  // two pages shared, one copied
    EXPECT_EQ(second.length(), 280U);
    EXPECT_EQ(pool.used(), 4U);
    third.share(first, 256);
    EXPECT_EQ(pool.used(), 4U);
    EXPECT_EQ(third.pages_for(1), 1U);
    EXPECT_TRUE(third.make_room(10));
    EXPECT_FALSE(third.make_room(129));  // a budget of five
    fourth.share(first, 280);            // no page for the rest
    EXPECT_EQ(fourth.length(), 256U);
  }
  EXPECT_EQ(pool.used(), 3U);
  first.clear();
  EXPECT_EQ(pool.used(), 0U);
}

TEST(KvCacheDeathTest, RefusesMoreThanItsCapacity) {
  Threads threads(1);
  const Model model = load_tiny(threads);
  const auto tokens = some_tokens(model, 8);
  KvCache cache(model.config, 7);
  RunState state(model, threads, kernels::Compute::kF32);
  std::vector<float> hidden(8 * model.config.hidden_size);
  const SequenceSpan sequence{8, &cache};
  EXPECT_DEATH(forward(model, tokens, {&sequence, 1}, state, {hidden.data(), 8, model.config.hidden_size}),
               "internal error");
}

/// A copy of the tiny model with a lieq.json beside it.
class EmbedBits : public ::testing::Test {
 protected:
  EmbedBits() : folder_(std::filesystem::temp_directory_path() / ("lieq-embed-bits-" + std::to_string(::getpid()))) {
    std::filesystem::copy(kTiny, folder_);
  }
  ~EmbedBits() override { std::filesystem::remove_all(folder_); }
  Result<Model> load(const std::string& record, const LoadOptions& options = {}) {
    std::ofstream(folder_ / "lieq.json") << record;
    return Model::load(folder_, threads_, sink_, options);
  }

  std::filesystem::path folder_;
  Threads threads_{1};
  Sink sink_;
};

TEST_F(EmbedBits, FollowTheRecordUnlessTheCallerSaysOtherwise) {
  const Model recommended = test::must(load(R"({"embed_bits": 8})"));
  EXPECT_EQ(recommended.lm_head.code_bits(), 8);
  EXPECT_EQ(recommended.embed_tokens.code_bits(), 8);
  EXPECT_LT(embeddings_footprint(recommended).memory, embeddings_footprint(load_tiny(threads_)).memory);
  EXPECT_EQ(test::must(load(R"({"embed_bits": 8})", {16})).lm_head.packed, nullptr);
  EXPECT_EQ(test::must(load(R"({"embed_bits": 8})", {4})).lm_head.code_bits(), 4);
  EXPECT_EQ(test::must(load("{}")).lm_head.packed, nullptr);
}

TEST_F(EmbedBits, RefuseOtherWidths) {
  const auto loaded = load(R"({"embed_bits": 5})");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message,
            (folder_ / "lieq.json").string() + ": field 'embed_bits': found 5, expected 4, 8 or 16");
}

}  // namespace
}  // namespace lieq::model
