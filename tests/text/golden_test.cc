/// Every golden string through every golden tokenizer: exact.

#include "tests/text/golden.h"

#include "lieq/text/corpus.h"
#include "tests/support/paths.h"

namespace lieq::text {
namespace {

class Published : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] static std::filesystem::path folder() { return kGolden / "tokenizers" / GetParam(); }
  [[nodiscard]] static Tokenizer load() {
    auto tokenizer = Tokenizer::from_json_text(read_gz(folder() / "tokenizer.json.gz"), GetParam());
    if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
    return std::move(tokenizer).value();
  }
};

TEST_P(Published, EncodesAndDecodesEveryString) {
  LIEQ_NEED(folder());
  const Tokenizer tokenizer = load();
  const auto meta = Json::parse(std::ifstream(kGolden / "tokenizers/meta.json"));
  EXPECT_EQ(tokenizer.vocab_size(), meta[GetParam()]["vocab_with_added"].get<std::size_t>());
  expect_encodes(tokenizer, folder() / "encode.jsonl");
}

TEST_P(Published, DecodesAnyIds) {
  LIEQ_NEED(folder());
  const Tokenizer tokenizer = load();
  for (const Json& line : read_lines(folder() / "decode.jsonl")) {
    const auto ids = line["ids"].get<std::vector<TokenId>>();
    const auto decoded = line["decoded"].get<std::string>();
    EXPECT_EQ(tokenizer.decode(ids, SpecialText::kKeep), decoded) << line;
    if (!line["decoded_skip"].is_null()) {
      EXPECT_EQ(tokenizer.decode(ids, SpecialText::kSkip), line["decoded_skip"].get<std::string>()) << line;
    }
  }
}

TEST_P(Published, EncodesChatPrompts) {
  LIEQ_NEED(folder());
  const Tokenizer tokenizer = load();
  for (const Json& line : read_lines(folder() / "chat.jsonl"))
    EXPECT_EQ(tokenizer.encode(line["prompt"].get<std::string>(), SpecialTokens::kNone),
              line["ids"].get<std::vector<TokenId>>());
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Published,
                         testing::Values("qwen3", "qwen2_5", "llama3_2", "llama2", "smollm2", "gemma3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(GoldenModels, TokenizerJsonEncodesEveryString) {
  LIEQ_NEED(kGolden / "models");
  for (const auto& entry : std::filesystem::directory_iterator(kGolden / "models")) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path());
    const auto tokenizer = Tokenizer::load(entry.path());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    expect_encodes(*tokenizer, entry.path() / "encode.jsonl");
  }
}

/// Where a folder has both files, they are the same tokenizer.
TEST(GoldenModels, TokenizerModelGivesTheIdsOfTokenizerJson) {
  LIEQ_NEED(kGolden / "tokenizers/strings.jsonl");
  std::size_t compared = 0;
  for (const char* models : {"models", "more_models"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kGolden / models)) {
      const std::filesystem::path file = entry.path() / "tokenizer.model";
      if (!std::filesystem::exists(file)) continue;
      SCOPED_TRACE(entry.path());
      const auto tokenizer = Tokenizer::load(file), original = Tokenizer::load(entry.path());
      ASSERT_TRUE(tokenizer) << tokenizer.error().message;
      ASSERT_TRUE(original) << original.error().message;
      for (const Json& line : read_lines(kGolden / "tokenizers/strings.jsonl")) {
        const auto text = line["text"].get<std::string>();
        const auto ids = original->encode(text, SpecialTokens::kAdd);
        EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kAdd), ids) << text;
        EXPECT_EQ(tokenizer->decode(ids, SpecialText::kKeep), original->decode(ids, SpecialText::kKeep)) << text;
      }
      ++compared;
    }
  }
  EXPECT_GE(compared, 3U);
}

TEST(GoldenModels, GgufEncodesEveryString) {
  LIEQ_NEED(kGolden / "gguf");
  for (const auto& entry : std::filesystem::directory_iterator(kGolden / "gguf")) {
    if (entry.path().extension() != ".gguf") continue;
    SCOPED_TRACE(entry.path());
    const auto tokenizer = Tokenizer::load(entry.path());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const std::string name = entry.path().stem().stem();
    expect_encodes(*tokenizer, kGolden / "models" / name / "encode.jsonl");
  }
}

/// The text as it is, and as the GPTQ protocol reads it, have the golden ids.
TEST(GoldenText, WikiTextHasTheGoldenIds) {
  const auto file = test::shared_dir() / "data/text/wikitext2-test.txt";
  LIEQ_NEED(file);
  LIEQ_NEED(kGolden / "tokenizers");
  const auto golden = Json::parse(std::ifstream(kGolden / "smollm2/fp16_safetensors.json"));
  const auto tokenizer =
      Tokenizer::from_json_text(read_gz(kGolden / "tokenizers/smollm2/tokenizer.json.gz"), "smollm2").value();
  const auto first = [](std::vector<TokenId> ids) { return ids.resize(64), ids; };
  Sink silent;
  const auto whole = tokenizer.encode(read_text(file, Join::kWhole, silent).value(), SpecialTokens::kNone);
  EXPECT_EQ(whole.size(), 303415U);
  EXPECT_EQ(first(whole), golden["first_64_ids_raw"].get<std::vector<TokenId>>());
  const std::string rows = read_text(file, Join::kRows, silent).value();
  EXPECT_EQ(rows.size(), golden["gptq_style"]["bytes"].get<std::size_t>());
  const auto ids = tokenizer.encode(rows, SpecialTokens::kNone);
  EXPECT_EQ(ids.size(), golden["gptq_style"]["tokens"].get<std::size_t>());
  EXPECT_EQ(first(ids), golden["gptq_style"]["first_64_ids"].get<std::vector<TokenId>>());
}

}  // namespace
}  // namespace lieq::text
