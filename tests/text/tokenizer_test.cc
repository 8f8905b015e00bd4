#include "lieq/text/tokenizer.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/text/small.h"

namespace lieq::text {
namespace {

using Ids = std::vector<TokenId>;

Ids encode(const Tokenizer& tokenizer, std::string_view text) { return tokenizer.encode(text, SpecialTokens::kNone); }

std::string repeat(std::string_view part, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += part;
  return text;
}

TEST(Tokenizer, ByteLevelMergesAndRoundTrips) {
  const auto tokenizer = load_json(byte_level_json());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->vocab_size(), 260U);
  EXPECT_EQ(tokenizer->kind(), "byte-level BPE (GPT-2 pattern)");
  EXPECT_EQ(encode(*tokenizer, "the the<|end|>ths"), (Ids{257, 258, 259, 256, 's'}));
  for (const char* text : {"", "a\u00e9\U0001F600\n", "  the\t <|end", "\u0301"})
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text), SpecialText::kKeep), text);
  EXPECT_EQ(tokenizer->id_of("<|end|>"), 259);
  EXPECT_EQ(tokenizer->id_of("nothing"), std::nullopt);
}

TEST(Tokenizer, BrokenTextIsRepaired) {
  const auto tokenizer = load_json(byte_level_json());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(encode(*tokenizer, "a\xFF"), encode(*tokenizer, "a\uFFFD"));
  EXPECT_EQ(tokenizer->decode(Ids{'a', 0xE2, 0x82, 'b'}, SpecialText::kKeep), "a\uFFFDb");
  EXPECT_EQ(tokenizer->decode(Ids{-1, 'a', 260, 1 << 30}, SpecialText::kKeep), "a");
}

TEST(Tokenizer, SpecialTokensAreSkippedOnDemand) {
  Json json = byte_level_json();
  json["added_tokens"].push_back(added_json(260, "<tool>", false));
  const auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const Ids ids = encode(*tokenizer, "a<tool><|end|>");
  EXPECT_EQ(ids, (Ids{'a', 260, 259}));
  EXPECT_EQ(tokenizer->decode(ids, SpecialText::kSkip), "a<tool>");
}

TEST(Tokenizer, TemplateAddsIds) {
  Json json = byte_level_json();
  const Json end = {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json ids = {{"id", "<|end|>"}, {"ids", {259}}, {"tokens", {"<|end|>"}}};
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {end, text, end}},
                            {"pair", Json::array()},
                            {"special_tokens", {{"<|end|>", ids}}}};
  const auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("a", SpecialTokens::kAdd), (Ids{259, 'a', 259}));
  EXPECT_EQ(tokenizer->encode("", SpecialTokens::kAdd), (Ids{259, 259}));
  EXPECT_EQ(encode(*tokenizer, "a"), (Ids{'a'}));
}

TEST(Tokenizer, AddedTokenFlags) {
  Json json = byte_level_json();
  Json left = added_json(260, "[L]"), right = added_json(261, "[R]"), word = added_json(262, "us"),
       longer = added_json(263, "[L][R]");
  left["lstrip"] = true;
  right["rstrip"] = true;
  word["single_word"] = true;
  json["added_tokens"].insert(json["added_tokens"].end(), {left, right, word, longer});
  const auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(encode(*tokenizer, "a \u00a0[L]b"), (Ids{'a', 260, 'b'}));
  EXPECT_EQ(encode(*tokenizer, "a[R]\n b"), (Ids{'a', 261, 'b'}));
  EXPECT_EQ(encode(*tokenizer, "[L][R]"), (Ids{263}));
  EXPECT_EQ(encode(*tokenizer, "us.us"), (Ids{262, '.', 262}));
  EXPECT_EQ(encode(*tokenizer, "bus us_"), (Ids{'b', 'u', 's', ' ', 'u', 's', '_'}));
}

TEST(Tokenizer, DigitsComeBeforeThePattern) {
  Json json = byte_level_json();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, json["pre_tokenizer"]}}};
  json["model"]["vocab"]["\u0120\u0120"] = 260;
  json["model"]["merges"].push_back("\u0120 \u0120");
  const auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(encode(*tokenizer, "a  1"), (Ids{'a', 260, '1'}));       // before a digit the run is whole
  EXPECT_EQ(encode(*tokenizer, "a  b"), (Ids{'a', ' ', ' ', 'b'}));  // before a word its last blank goes with the word
}

TEST(Tokenizer, SentencePieceFallsBackToBytes) {
  const auto tokenizer = load_json(sentencepiece_json());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->kind(), "SentencePiece BPE");
  EXPECT_EQ(encode(*tokenizer, "a b"), (Ids{260, 257, 259}));
  EXPECT_EQ(encode(*tokenizer, "\u00e9"), (Ids{257, 0xC3 + 1, 0xA9 + 1}));
  EXPECT_EQ(encode(*tokenizer, ""), Ids{});
  for (const char* text : {"a b", " a", "aaa  \u00e9 \U0001F600", "\n"})
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text), SpecialText::kKeep), text);
  // One U+FFFD for each byte of an invalid run.
  EXPECT_EQ(tokenizer->decode(Ids{0xC3 + 1, 0x80 + 1, 0xC3 + 1}, SpecialText::kKeep), "\uFFFD\uFFFD\uFFFD");
}

TEST(Tokenizer, UnknownCharactersFuse) {
  Json json = sentencepiece_json();
  json["model"]["byte_fallback"] = false;
  auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(encode(*tokenizer, "xyzaxy"), (Ids{257, 0, 258, 0}));
  json["model"]["fuse_unk"] = false;
  tokenizer = load_json(json);
  EXPECT_EQ(encode(*tokenizer, "xya"), (Ids{257, 0, 0, 258}));
  json["model"]["unk_token"] = nullptr;
  tokenizer = load_json(json);
  EXPECT_EQ(encode(*tokenizer, "baxa"), (Ids{257, 259, 261}));  // a dropped character lets its neighbours meet
}

TEST(Tokenizer, WithoutDecoderTokensAreJoinedByBlanks) {
  Json json = sentencepiece_json();
  json["decoder"] = nullptr;
  const auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->decode(Ids{258, 259}, SpecialText::kKeep), "a b");
}

TEST(Tokenizer, TakesWholePiecesBeforeMerging) {
  Json json = byte_level_json();
  json["model"]["vocab"]["xyz"] = 260;  // no merges lead to it
  EXPECT_EQ(encode(load_json(json).value(), "xyz"), (Ids{'x', 'y', 'z'}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(encode(load_json(json).value(), "xyz"), (Ids{260}));
}

/// 1 MB of each; anything quadratic would take hours.
TEST(Tokenizer, LongRunsAreNoTrouble) {
  const auto bytes = load_json(byte_level_json()), pieces = load_json(sentencepiece_json());
  ASSERT_TRUE(bytes && pieces);
  for (const char* part : {"a", " ", "a1", "\n", "th", "\u0301\u0323", "<|end", "\u4f60"}) {
    const std::string text = repeat(part, std::size_t{1} << 20);
    for (const auto* tokenizer : {&*bytes, &*pieces})
      EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text), SpecialText::kKeep), text) << part;
  }
}

TEST(Tokenizer, ThreadsAgree) {
  const auto tokenizer = load_json(byte_level_json());
  ASSERT_TRUE(tokenizer);
  const std::string text = repeat("the th\u00e9 <|end|>12 ", 20000);
  const Ids expected = encode(*tokenizer, text);
  std::vector<Ids> results(4);
  std::vector<std::thread> threads;
  for (Ids& result : results) threads.emplace_back([&] { result = encode(*tokenizer, text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

TEST(Tokenizer, AModelWithMergesAndNoTypeIsBpe) {
  Json json = byte_level_json();
  json["model"].erase("type");
  const auto tokenizer = load_json(json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(encode(*tokenizer, "the"), (Ids{257}));
}

}  // namespace
}  // namespace lieq::text
