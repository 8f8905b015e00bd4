/// GGUF files run from packed codes that are the stored weights.
#include <bit>
#include <filesystem>

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "lieq/model/model.h"
#include "lieq/pack/packed_blocks.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::model {
namespace {

/// Q4_0 linears, their q and k rows in rotary pairs, and a tied Q8_0 embedding.
const std::filesystem::path kTinyGguf = test::data_dir() / "tiny-llama.gguf";

class PackedGguf : public ::testing::Test {
 protected:
  Model load(const std::filesystem::path& path, const LoadOptions& options = {}) {
    return test::must(Model::load(path, threads_, sink_, options));
  }

  void expect_same_weights(const pack::StoredMatrix& packed, const pack::StoredMatrix& stored) {
    SCOPED_TRACE(stored.name);
    EXPECT_EQ(packed.packed != nullptr, pack::fits_packed(stored.type));
    ASSERT_EQ(stored.packed, nullptr);
    EXPECT_EQ(packed.format(), stored.format());
    EXPECT_EQ(packed.bytes(), stored.bytes());
    EXPECT_EQ(packed.code_bits(), stored.code_bits());
    std::vector<float> a(stored.cols), b(stored.cols);
    for (std::size_t i = 0; i < stored.rows; ++i) {
      kernels::decode_row(packed, i, a.data());
      kernels::decode_row(stored, i, b.data());
      for (std::size_t j = 0; j < stored.cols; ++j)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(a[j]), std::bit_cast<std::uint32_t>(b[j])) << i << ", " << j;
    }
  }

  void expect_same_weights(const std::filesystem::path& path) {
    SCOPED_TRACE(path);
    const Model packed = load(path), stored = load(path, LoadOptions::as_stored());
    expect_same_weights(packed.embed_tokens, stored.embed_tokens);
    expect_same_weights(packed.lm_head, stored.lm_head);
    for (std::size_t l = 0; l < stored.layers.size(); ++l)
      for (const LinearKind kind : kLinearKinds)
        expect_same_weights(packed.layers[l].linear(kind).weight, stored.layers[l].linear(kind).weight);
  }

  Threads threads_{2};
  Sink sink_;
};

TEST_F(PackedGguf, HoldsTheStoredWeightsBitForBit) {
  expect_same_weights(kTinyGguf);
  EXPECT_NE(load(kTinyGguf).layers[0].linear(LinearKind::kQ).weight.packed, nullptr);
}

TEST_F(PackedGguf, OfEveryGoldenFileToo) {
  LIEQ_NEEDS_SHARED("golden/gguf");
  for (const auto& entry : std::filesystem::directory_iterator(test::shared() / "golden/gguf"))
    if (entry.path().extension() == ".gguf") expect_same_weights(entry.path());
}

TEST_F(PackedGguf, CountsWhatIsNotPacked) {
  EXPECT_EQ(count_unpacked_linears(load(kTinyGguf)), 0U);
  EXPECT_EQ(count_unpacked_linears(load(kTinyGguf, LoadOptions::as_stored())), kLinearsPerLayer);
}

TEST_F(PackedGguf, SharesOneTiedEmbeddingAndRoundsItOnlyToFewerBits) {
  const Model model = load(kTinyGguf);
  EXPECT_EQ(model.lm_head.packed, model.embed_tokens.packed);
  EXPECT_EQ(load(kTinyGguf, {8}).embed_tokens.format(), "Q8_0");
  const Model rounded = load(kTinyGguf, {4});
  EXPECT_EQ(rounded.embed_tokens.format(), "4-bit g32");
  EXPECT_EQ(rounded.lm_head.packed, rounded.embed_tokens.packed);
}

}  // namespace
}  // namespace lieq::model
