/// Added tokens that stand beside tokenizer.json. The ids are those that transformers 5.24 gives.

#include <fstream>

#include <gtest/gtest.h>

#include "tests/io/build_files.h"
#include "tests/text/small.h"

namespace lieq::text {
namespace {

using Ids = std::vector<TokenId>;

class FolderTokens : public testing::Test {
 protected:
  FolderTokens() { put("tokenizer.json", byte_level_json()); }
  void put(const char* file, const Json& json) const { std::ofstream(folder_.path() / file) << json.dump(); }
  [[nodiscard]] Tokenizer load() const {
    auto tokenizer = Tokenizer::load(folder_.path());
    if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
    return std::move(tokenizer).value();
  }
  static Ids encode(const Tokenizer& tokenizer, std::string_view text) {
    return tokenizer.encode(text, SpecialTokens::kNone);
  }
  static Json token(const char* content, bool special) { return {{"content", content}, {"special", special}}; }
  io::TemporaryFolder folder_;
};

TEST_F(FolderTokens, OfTheDecoderAreAddedInTheOrderOfTheirIds) {
  put("tokenizer_config.json",
      {{"added_tokens_decoder",
        {{"259", token("<|end|>", true)}, {"261", token("<|im_end|>", true)}, {"260", token("<|im_start|>", true)}}}});
  put("added_tokens.json", {{"<never>", 262}});
  const Tokenizer tokenizer = load();
  EXPECT_EQ(encode(tokenizer, "<|im_start|>the<|im_end|>"), (Ids{260, 257, 261}));
  EXPECT_EQ(tokenizer.decode(Ids{260, 257, 261}, SpecialText::kSkip), "the");
  EXPECT_EQ(tokenizer.vocab_size(), 262U);
  ASSERT_EQ(tokenizer.warnings().size(), 1U);
  EXPECT_NE(tokenizer.warnings()[0].find("'<|im_start|>', '<|im_end|>'"), std::string::npos) << tokenizer.warnings()[0];
}

TEST_F(FolderTokens, GetTheNextFreeIdWhateverTheFileClaims) {
  put("tokenizer_config.json",
      {{"added_tokens_decoder", {{"270", token("<a>", false)}, {"265", token("<b>", false)}}}});
  const Tokenizer tokenizer = load();
  EXPECT_EQ(encode(tokenizer, "<a><b>"), (Ids{261, 260}));
  ASSERT_EQ(tokenizer.warnings().size(), 2U);
  EXPECT_NE(tokenizer.warnings()[1].find("'<b>' (265, now 260), '<a>' (270, now 261)"), std::string::npos)
      << tokenizer.warnings()[1];
}

TEST_F(FolderTokens, ChangeTheFlagsOfTokensThatAreThere) {
  put("tokenizer_config.json",
      {{"added_tokens_decoder", {{"259", token("<|end|>", false)}, {"257", token("the", true)}}}});
  const Tokenizer tokenizer = load();
  EXPECT_EQ(encode(tokenizer, "other"), (Ids{'o', 257, 'r'}));  // an added token is found inside words
  EXPECT_EQ(tokenizer.decode(Ids{259, 257}, SpecialText::kSkip), "<|end|>");
  EXPECT_TRUE(tokenizer.warnings().empty());
}

TEST_F(FolderTokens, OfAddedTokensJsonAreTakenWithoutADecoder) {
  put("tokenizer_config.json", {{"pad_token", "[PAD]"}, {"eos_token", "<|end|>"}});
  put("added_tokens.json", {{"<b>", 261}, {"<a>", 260}});
  put("special_tokens_map.json", {{"additional_special_tokens", {"<c>"}}});
  const Tokenizer tokenizer = load();
  EXPECT_EQ(encode(tokenizer, "<a><b>[PAD]<c>"), (Ids{260, 261, 262, 263}));
  EXPECT_EQ(tokenizer.decode(Ids{260, 262, 263}, SpecialText::kSkip), "<a>");
}

TEST_F(FolderTokens, FaultsNameTheFile) {
  const auto message = [&] { return Tokenizer::load(folder_.path()).error().message; };
  put("tokenizer_config.json", {{"added_tokens_decoder", {{"x", token("<a>", true)}}}});
  EXPECT_NE(message().find("tokenizer_config.json: added_tokens_decoder: found 'x', expected an id"), std::string::npos)
      << message();
  put("tokenizer_config.json", Json::object());
  put("added_tokens.json", {{"<a>", "7"}});
  EXPECT_NE(message().find("added_tokens.json: token '<a>': found \"7\", expected an id"), std::string::npos)
      << message();
}

}  // namespace
}  // namespace lieq::text
