// Bit for bit what gguf-py makes of the same blocks, and dequantised files close to the models they came from.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/io/gguf.h"
#include "lieq/io/safetensors.h"
#include "lieq/pack/decode.h"
#include "tests/support/paths.h"
#include "tests/support/quiet.h"

namespace lieq::pack {
namespace {

const std::filesystem::path kGolden = test::shared_dir() / "golden";

#define SKIP_WITHOUT_GOLDEN()            \
  if (!std::filesystem::exists(kGolden)) \
  GTEST_SKIP() << "golden files not found: " << kGolden << " (set LIEQ_SHARED_DIR)"

std::vector<float> floats(const io::Tensor& tensor) {
  std::vector<float> values(tensor.data.size() / sizeof(float));
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

/// The number of floats whose bits differ.
std::size_t differences(const std::vector<float>& a, const std::vector<float>& b) {
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]);
  return count;
}

class GoldenBlocks : public ::testing::TestWithParam<DType> {};

TEST_P(GoldenBlocks, DecodeToTheReferenceBits) {
  SKIP_WITHOUT_GOLDEN();
  const auto set = io::open_safetensors(kGolden / "gguf_blocks" / "blocks.safetensors");
  ASSERT_TRUE(set) << set.error().message;
  const std::string type(name(GetParam()));
  std::size_t compared = 0;
  for (const auto& [raw_name, floats_name] :
       {std::pair{type + ".raw", type + ".deq"}, {type + ".w_quant", type + ".w_deq"}}) {
    const io::Tensor* raw = set->find(raw_name);
    const io::Tensor* expected = set->find(floats_name);
    if (!raw || !expected) continue;
    const std::vector<float> reference = floats(*expected);
    std::vector<float> decoded(reference.size());
    ASSERT_EQ(bytes_of(GetParam(), reference.size()), raw->data.size());
    decode(GetParam(), raw->data.data(), decoded.size(), decoded.data());
    EXPECT_EQ(differences(decoded, reference), 0U) << raw_name;
    ++compared;
  }
  EXPECT_GE(compared, 1U);
}

INSTANTIATE_TEST_SUITE_P(Types, GoldenBlocks,
                         ::testing::Values(DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                           DType::kQ8_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                                           DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS),
                         [](const auto& test) { return std::string(name(test.param)); });

/// The types with tables: blocks that come with the sources (tests/data/make_iq_blocks.py).
class TableBlocks : public ::testing::TestWithParam<DType> {};

TEST_P(TableBlocks, DecodeToTheReferenceBits) {
  const auto set = io::open_safetensors(test::data_dir() / "iq_blocks.safetensors");
  ASSERT_TRUE(set) << set.error().message;
  const std::string type(name(GetParam()));
  const std::vector<float> reference = floats(*set->find(type + ".deq"));
  const io::Tensor& raw = *set->find(type + ".raw");
  std::vector<float> decoded(reference.size());
  ASSERT_EQ(bytes_of(GetParam(), reference.size()), raw.data.size());
  decode(GetParam(), raw.data.data(), decoded.size(), decoded.data());
  EXPECT_EQ(differences(decoded, reference), 0U);
}

INSTANTIATE_TEST_SUITE_P(Types, TableBlocks,
                         ::testing::Values(DType::kIQ1_S, DType::kIQ1_M, DType::kIQ2_XXS, DType::kIQ2_XS, DType::kIQ2_S,
                                           DType::kIQ3_XXS, DType::kIQ3_S, DType::kIQ4_NL, DType::kIQ4_XS,
                                           DType::kTQ1_0, DType::kTQ2_0, DType::kMXFP4),
                         [](const auto& test) { return std::string(name(test.param)); });

/// Largest step between two codes anywhere in the row of a block format, as a share of the row's largest weight.
double largest_step(DType type) {
  switch (type) {
    case DType::kQ4_0: return 1.0 / 8;
    case DType::kQ4_1: return 2.0 / 15;
    case DType::kQ8_0: return 1.0 / 127;
    default: return 0;
  }
}

TEST(GoldenGguf, WeightsAreWithinOneStepOfTheirModel) {
  SKIP_WITHOUT_GOLDEN();
  // down_proj is never permuted, so that rows can be compared in all architectures.
  for (const auto& [file, type] : {std::pair{"qwen3_tied_f16.Q4_1", DType::kQ4_1},
                                   {"qwen2_tied_bf16.Q4_0", DType::kQ4_0},
                                   {"llama_rope3_tied_f16.Q8_0", DType::kQ8_0},
                                   {"llama_rope3_tied_f16.F16", DType::kF16}}) {
    const auto gguf = io::open_gguf(kGolden / "gguf" / (std::string(file) + ".gguf"));
    ASSERT_TRUE(gguf) << gguf.error().message;
    const std::string model = std::string(file).substr(0, std::string(file).rfind('.'));
    const auto source = io::open_safetensors_folder(kGolden / "models" / model, quiet);
    ASSERT_TRUE(source) << source.error().message;
    const io::Tensor* stored = gguf->tensors.find("blk.1.ffn_down.weight");
    const io::Tensor* original = source->find("model.layers.1.mlp.down_proj.weight");
    ASSERT_TRUE(stored && original);
    ASSERT_EQ(stored->type, type) << file;
    const std::size_t rows = stored->shape[0], cols = stored->shape[1];
    std::vector<float> w(rows * cols), exact(rows * cols);
    decode(stored->type, stored->data.data(), w.size(), w.data());
    decode(original->type, original->data.data(), exact.size(), exact.data());
    double worst = 0;  // in units of the row's largest weight
    for (std::size_t i = 0; i < rows; ++i) {
      float peak = 0, error = 0;
      for (std::size_t j = i * cols; j < (i + 1) * cols; ++j) {
        peak = std::max(peak, std::fabs(exact[j]));
        error = std::max(error, std::fabs(w[j] - exact[j]));
      }
      worst = std::max(worst, static_cast<double>(error) / static_cast<double>(peak));
    }
    EXPECT_LE(worst, 1.01 * largest_step(type)) << file;
  }
}

}  // namespace
}  // namespace lieq::pack
