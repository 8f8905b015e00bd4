/// Tokenizers inside GGUF files, here metadata made in memory. Whole files: golden_test.cc.

#include <gtest/gtest.h>

#include "lieq/io/gguf.h"
#include "lieq/text/gguf_pre.h"
#include "lieq/text/gguf_to_json.h"
#include "tests/text/small.h"

namespace lieq::text {
namespace {

using Ids = std::vector<TokenId>;
using Strings = std::vector<std::string_view>;

Ids ids_of(const Tokenizer& tokenizer, std::string_view text) { return tokenizer.encode(text, SpecialTokens::kNone); }

io::Gguf gpt2(std::string_view pre) {
  io::Gguf gguf;
  gguf.file = "m.gguf";
  gguf.metadata["tokenizer.ggml.model"] = std::string_view("gpt2");
  gguf.metadata["tokenizer.ggml.pre"] = pre;
  gguf.metadata["tokenizer.ggml.tokens"] =
      Strings{"a", "1", "\u0120", "\u0120\u0120", "a1", "<|s|>", "<tool>", "[PAD7]", "\u00c3", "\u00a9"};
  gguf.metadata["tokenizer.ggml.token_type"] = std::vector<std::int64_t>{1, 1, 1, 1, 1, 3, 4, 5, 1, 1};
  gguf.metadata["tokenizer.ggml.merges"] = Strings{"\u0120 \u0120", "a 1"};
  gguf.metadata["tokenizer.ggml.bos_token_id"] = std::uint64_t{5};
  return gguf;
}

io::Gguf llama() {
  io::Gguf gguf;
  gguf.file = "m.gguf";
  gguf.metadata["tokenizer.ggml.model"] = std::string_view("llama");
  gguf.metadata["tokenizer.ggml.tokens"] = Strings{"<unk>", "<s>", "<0x41>", "\u2581", "a", "b", "\u2581a", "ab", "aa"};
  gguf.metadata["tokenizer.ggml.token_type"] = std::vector<std::int64_t>{2, 3, 6, 1, 1, 1, 1, 1, 5};
  gguf.metadata["tokenizer.ggml.scores"] = std::vector<double>{0, 0, 0, -3, -4, -5, -2, -1, -1};
  gguf.metadata["tokenizer.ggml.bos_token_id"] = std::uint64_t{1};
  return gguf;
}

TEST(GgufTokenizer, PreNamesTheRule) {
  const auto loaded = [](std::string_view pre) { return Tokenizer::from_gguf(gpt2(pre)).value(); };
  EXPECT_EQ(ids_of(loaded("smollm"), "a  1"), (Ids{0, 3, 1}));       // digits apart
  EXPECT_EQ(ids_of(loaded("gpt-2"), "a  1"), (Ids{0, 2, 2, 1}));     // " 1" belongs together
  EXPECT_EQ(ids_of(loaded("llama-bpe"), "a  1"), (Ids{0, 2, 2, 1}));
  EXPECT_EQ(ids_of(loaded("gpt-2"), "a1"), (Ids{0, 1}));
  EXPECT_EQ(ids_of(loaded("qwen2"), "e\u0301"), (Ids{8, 9}));        // composed first
  EXPECT_EQ(ids_of(loaded("gpt-2"), "e\u0301"), Ids{});              // bytes without a token are dropped
}

TEST(GgufTokenizer, EveryNameOfTheTableHasAPattern) {
  std::vector<std::string> warnings;
  io::Gguf gguf = gpt2("no such name");
  const std::string refusal = pre_rule(gguf, warnings).error().message;
  std::string names = refusal.substr(refusal.find("one of ") + 7);
  std::size_t count = 0;
  for (std::size_t begin = 0; begin < names.size(); ++count) {
    const std::size_t end = std::min(names.find(", ", begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    gguf.metadata["tokenizer.ggml.pre"] = std::string_view(name);
    const auto tokenizer = Tokenizer::from_gguf(gguf);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const auto files = tokenizer_files_from_gguf(gguf);
    ASSERT_TRUE(files) << name << ": " << files.error().message;
    const auto written = Tokenizer::from_json_text(files->tokenizer_json, name);
    ASSERT_TRUE(written) << written.error().message;
    for (const char* text : {"a1a  1 a11a", "<|s|>a 1\u00e9<tool>"})
      EXPECT_EQ(written->encode(text, SpecialTokens::kAdd), tokenizer->encode(text, SpecialTokens::kAdd)) << name;
    begin = end + 2;
  }
  EXPECT_GE(count, 60U);
}

TEST(GgufTokenizer, WithoutANameTheArchitectureOrLlamaCppsDefaultDecides) {
  for (const bool named : {false, true}) {
    io::Gguf gguf = gpt2("default");
    if (!named) gguf.metadata.erase("tokenizer.ggml.pre");
    gguf.metadata["general.architecture"] = std::string_view("qwen2");
    const auto certain = Tokenizer::from_gguf(gguf);
    ASSERT_TRUE(certain) << certain.error().message;
    EXPECT_EQ(certain->kind(), "byte-level BPE (Qwen2 pattern)");
    ASSERT_EQ(certain->warnings().size(), 1U);
    EXPECT_NE(certain->warnings()[0].find("taken as 'qwen2', which every qwen2 model has"), std::string::npos);
    gguf.metadata["general.architecture"] = std::string_view("llama");
    const auto open = Tokenizer::from_gguf(gguf);
    EXPECT_EQ(open->kind(), "byte-level BPE (llama.cpp's default pattern)");
    ASSERT_EQ(open->warnings().size(), 1U);
    EXPECT_NE(open->warnings()[0].find("which is not the one the model was trained with"), std::string::npos);
    const auto written = Tokenizer::from_json_text(tokenizer_files_from_gguf(gguf)->tokenizer_json, "t");
    EXPECT_EQ(ids_of(*written, "a1111"), ids_of(*open, "a1111"));
  }
}

TEST(GgufTokenizer, ChatMarkersAreControlTokensWhateverTheFileSays) {
  io::Gguf gguf = gpt2("gpt-2");
  gguf.metadata["tokenizer.ggml.tokens"] =
      Strings{"a", "1", "\u0120", "\u0120\u0120", "a1", "<|im_start|>", "<|im_end|>", "<odd>", "\u00c3", "\u00a9"};
  gguf.metadata["tokenizer.ggml.token_type"] = std::vector<std::int64_t>(10, 1);
  for (const bool with_types : {true, false}) {
    if (!with_types) gguf.metadata.erase("tokenizer.ggml.token_type");
    const auto tokenizer = Tokenizer::from_gguf(gguf);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ(ids_of(*tokenizer, "<|im_start|>a<|im_end|>"), (Ids{5, 0, 6}));
    EXPECT_EQ(tokenizer->decode(Ids{5, 0, 6}, SpecialText::kSkip), "a");
    ASSERT_FALSE(tokenizer->warnings().empty());
    EXPECT_NE(tokenizer->warnings()[0].find("taken as control tokens"), std::string::npos) << tokenizer->warnings()[0];
  }
}

TEST(GgufTokenizer, WithoutTypesSentencePieceTokensAreToldByName) {
  io::Gguf gguf = llama();
  gguf.metadata.erase("tokenizer.ggml.token_type");
  gguf.metadata.erase("tokenizer.ggml.bos_token_id");  // 1, as in llama.cpp
  const auto tokenizer = Tokenizer::from_gguf(gguf);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("A?", SpecialTokens::kAdd), (Ids{1, 3, 2, 0}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 2}, SpecialText::kSkip), "A");
}

TEST(GgufTokenizer, TypesDecide) {
  const auto tokenizer = Tokenizer::from_gguf(gpt2("gpt-2"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(ids_of(*tokenizer, "<|s|>a<tool>[PAD7]"), (Ids{5, 0, 6}));
  EXPECT_EQ(tokenizer->decode(Ids{5, 0, 6, 7}, SpecialText::kKeep), "<|s|>a<tool>");
  EXPECT_EQ(tokenizer->decode(Ids{5, 0, 6, 7}, SpecialText::kSkip), "a<tool>");
  EXPECT_EQ(tokenizer->vocab_size(), 10U);
}

TEST(GgufTokenizer, BosIsAddedWhenAskedFor) {
  const auto with_special = [](const io::Gguf& gguf) {
    return Tokenizer::from_gguf(gguf).value().encode("a", SpecialTokens::kAdd);
  };
  EXPECT_EQ(with_special(gpt2("gpt-2")), (Ids{0}));
  EXPECT_EQ(with_special(gpt2("llama-bpe")), (Ids{5, 0}));
  io::Gguf gguf = gpt2("gpt-2");
  gguf.metadata["tokenizer.ggml.add_bos_token"] = true;
  EXPECT_EQ(with_special(gguf), (Ids{5, 0}));
  gguf = gpt2("llama-bpe");
  gguf.metadata["tokenizer.ggml.add_bos_token"] = false;
  EXPECT_EQ(with_special(gguf), (Ids{0}));
  EXPECT_EQ(with_special(llama()), (Ids{1, 6}));
}

TEST(GgufTokenizer, ScoresDecide) {
  const auto tokenizer = Tokenizer::from_gguf(llama());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(ids_of(*tokenizer, "ab"), (Ids{3, 7}));    // "ab" scores higher than "▁a"
  EXPECT_EQ(ids_of(*tokenizer, "aa"), (Ids{6, 4}));    // "aa" is unused
  EXPECT_EQ(ids_of(*tokenizer, "A?"), (Ids{3, 2, 0}));
  EXPECT_EQ(tokenizer->decode(Ids{6, 2, 3}, SpecialText::kKeep), "aA ");
  io::Gguf gguf = llama();
  gguf.metadata["tokenizer.ggml.add_space_prefix"] = false;
  EXPECT_EQ(ids_of(Tokenizer::from_gguf(gguf).value(), "a a"), (Ids{4, 6}));
}

TEST(GgufTokenizer, ErrorsNameTheKey) {
  const auto message = [](io::Gguf gguf, const char* key, std::optional<io::GgufValue> value) {
    gguf.metadata.erase(key);
    if (value) gguf.metadata[key] = *value;
    const auto tokenizer = Tokenizer::from_gguf(gguf);
    return tokenizer ? std::string("was loaded") : tokenizer.error().message;
  };
  EXPECT_EQ(message(gpt2("gpt-2"), "tokenizer.ggml.pre", std::string_view("kimi-k2"))
                .rfind("m.gguf: key 'tokenizer.ggml.pre': 'kimi-k2' is not supported, expected one of gpt-2, ", 0),
            0U);
  EXPECT_EQ(message(llama(), "tokenizer.ggml.model", std::string_view("bert")),
            "m.gguf: key 'tokenizer.ggml.model': 'bert' is not supported, expected gpt2 or llama");
  EXPECT_EQ(message(llama(), "tokenizer.ggml.model", std::nullopt),
            "m.gguf: key 'tokenizer.ggml.model': missing, so the file has no tokenizer");
  EXPECT_EQ(message(llama(), "tokenizer.ggml.tokens", std::nullopt), "m.gguf: key 'tokenizer.ggml.tokens': missing");
  EXPECT_EQ(message(llama(), "tokenizer.ggml.tokens", Strings{"\xFF", "a", "b", "c", "d", "e", "f", "g", "h"}),
            "m.gguf: key 'tokenizer.ggml.tokens': token 0 '\\xff' is no UTF-8");
  EXPECT_EQ(message(llama(), "tokenizer.ggml.tokens", Strings{"a", "a"}),
            "m.gguf: key 'tokenizer.ggml.token_type': found 9 entries, expected 2 (one for each token)");
  EXPECT_EQ(message(llama(), "tokenizer.ggml.scores", std::vector<double>{1}),
            "m.gguf: key 'tokenizer.ggml.scores': found 1 entries, expected 9 (one for each token)");
  EXPECT_EQ(message(gpt2("gpt-2"), "tokenizer.ggml.merges", Strings{"a b"}),
            "m.gguf: key 'tokenizer.ggml.merges': merge 0 'a b': a side or the product is not in the vocabulary");
  EXPECT_EQ(message(gpt2("gpt-2"), "tokenizer.ggml.merges", Strings{"a 1", "a 1"}),
            "m.gguf: key 'tokenizer.ggml.merges': 'a' and '1' are merged twice, expected once");
  EXPECT_EQ(message(llama(), "tokenizer.ggml.bos_token_id", std::uint64_t{9}),
            "m.gguf: key 'tokenizer.ggml.bos_token_id': found 9, expected an id below 9");
}

}  // namespace
}  // namespace lieq::text
