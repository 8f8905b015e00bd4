/// A folder's tokenizer as GGUF keys: what each key says.

#include "lieq/text/json_to_gguf.h"

#include <fstream>

#include "tests/text/golden.h"

namespace lieq::text {
namespace {

class Published : public testing::TestWithParam<std::tuple<const char*, const char*, const char*, bool>> {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lieq-text-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_P(Published, HasTheNamesOfLlamaCpp) {
  const auto [name, model, pre, adds_bos] = GetParam();
  const std::filesystem::path golden = kGolden / "tokenizers" / name;
  LIEQ_NEED(golden);
  std::ofstream(folder_ / "tokenizer.json") << read_gz(golden / "tokenizer.json.gz");
  if (std::filesystem::exists(golden / "tokenizer_config.json"))
    std::filesystem::copy_file(golden / "tokenizer_config.json", folder_ / "tokenizer_config.json");
  const auto tokenizer = Tokenizer::load(folder_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const std::size_t rows = tokenizer->vocab_size() + 3;
  const auto gguf = gguf_tokenizer_of(folder_, rows);
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->model, model);
  EXPECT_EQ(gguf->pre, pre);
  EXPECT_EQ(gguf->add_bos_token, adds_bos);
  EXPECT_FALSE(gguf->add_eos_token);
  EXPECT_EQ(gguf->tokens.size(), rows);
  EXPECT_EQ(gguf->token_type.back(), 5);
  EXPECT_EQ(gguf->tokens.back(), "[PAD" + std::to_string(rows - 1) + "]");
  EXPECT_EQ(gguf->scores.empty(), gguf->model == "gpt2");
  EXPECT_EQ(gguf->merges.empty(), gguf->model == "llama");

  const auto too_few = gguf_tokenizer_of(folder_, rows - 4);
  ASSERT_FALSE(too_few);
  EXPECT_EQ(too_few.error().code, ErrorCode::kUnsupported);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Published,
                         testing::Values(std::tuple{"qwen3", "gpt2", "qwen2", false},
                                         std::tuple{"qwen2_5", "gpt2", "qwen2", false},
                                         std::tuple{"llama3_2", "gpt2", "llama-bpe", true},
                                         std::tuple{"smollm2", "gpt2", "smollm", false},
                                         std::tuple{"llama2", "llama", "default", true}),
                         [](const auto& one) { return std::string(std::get<0>(one.param)); });

}  // namespace
}  // namespace lieq::text
