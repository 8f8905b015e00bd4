/// Text of ids one at a time: together it is what decoding all of them gives, and every piece is UTF-8.

#include "lieq/text/stream_decoder.h"

#include "lieq/base/utf8.h"
#include "tests/text/golden.h"
#include "tests/text/small.h"

namespace lieq::text {
namespace {

std::vector<std::string> pieces(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                                SpecialText special = SpecialText::kKeep) {
  StreamDecoder decoder(tokenizer, special);
  std::vector<std::string> all;
  for (const TokenId id : ids) all.push_back(decoder.add(id));
  all.push_back(decoder.finish());
  return all;
}

void expect_same(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  for (const SpecialText special : {SpecialText::kKeep, SpecialText::kSkip}) {
    std::string together;
    for (const std::string& piece : pieces(tokenizer, ids, special)) {
      EXPECT_TRUE(is_utf8(piece));
      together += piece;
    }
    EXPECT_EQ(together, tokenizer.decode(ids, special)) << Json(ids);
  }
}

TEST(StreamDecoder, HoldsBackCutCharacters) {
  const Tokenizer tokenizer = load_json(byte_level_json()).value();
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces(tokenizer, {'a', 0xF0, 0x9F, 0x98, 0x80, 'b'}), (Pieces{"a", "", "", "", "😀", "b", ""}));
  EXPECT_EQ(pieces(tokenizer, {0xC3, 0xA9, 0xE2, 0x82}), (Pieces{"", "é", "", "", "\uFFFD"}));
  EXPECT_EQ(pieces(tokenizer, {0xE0, 0x80, 'x'}), (Pieces{"", "\uFFFD\uFFFD", "x", ""}));  // no character begins E0 80
  EXPECT_EQ(pieces(tokenizer, {0xFF, 0xF5, 0xC1, 0x80}), (Pieces{"\uFFFD", "\uFFFD", "\uFFFD", "\uFFFD", ""}));
  EXPECT_EQ(pieces(tokenizer, {259, 'a'}, SpecialText::kSkip), (Pieces{"", "a", ""}));
}

TEST(StreamDecoder, AnyBytesInAnyOrder) {
  const Tokenizer tokenizer = load_json(byte_level_json()).value();
  for (TokenId first = 0; first < 256; first += 3)
    for (TokenId second = 0x70; second < 256; second += 5)
      expect_same(tokenizer, {first, second, 0x80, 0xBF, first, 'x', second});
}

TEST(StreamDecoder, SentencePieceDropsTheFirstBlankOnly) {
  const Tokenizer tokenizer = load_json(sentencepiece_json()).value();
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces(tokenizer, {260, 260, 259}), (Pieces{"a", " a", "b", ""}));
  EXPECT_EQ(pieces(tokenizer, {257, 257, 258}), (Pieces{"", " ", "a", ""}));
  EXPECT_EQ(pieces(tokenizer, {258, 0xE2 + 1, 0x82 + 1, 0xAC + 1, 258}), (Pieces{"a", "", "", "", "€a", ""}));
  EXPECT_EQ(pieces(tokenizer, {258, 0xE2 + 1, 0x82 + 1}), (Pieces{"a", "", "", "\uFFFD\uFFFD"}));
  for (TokenId a = 0; a <= 262; a += 7)
    for (TokenId b = 0; b <= 262; b += 5) expect_same(tokenizer, {a, b, 257, 0xC3 + 1, 0xA9 + 1, b, a});
}

TEST(StreamDecoder, AnyDecoder) {
  for (const char* kind : {"none", "strip after", "byte level after"}) {
    Json json = sentencepiece_json();
    Json& steps = json["decoder"]["decoders"];
    if (kind[0] == 'n') json["decoder"] = nullptr;
    if (kind[0] == 's') steps.push_back({{"type", "Strip"}, {"content", "a"}, {"start", 0}, {"stop", 2}});
    if (kind[0] == 'b')
      steps.push_back(
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}});
    const auto tokenizer = load_json(json);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    for (TokenId a = 250; a <= 262; ++a) expect_same(*tokenizer, {a, 258, a, 258, 258});
  }
}

TEST(StreamDecoder, EveryGoldenDecoding) {
  LIEQ_NEED(kGolden / "tokenizers");
  for (const char* name : {"llama2", "llama3_2", "qwen3", "smollm2"}) {
    const auto folder = kGolden / "tokenizers" / name;
    const Tokenizer tokenizer = Tokenizer::from_json_text(read_gz(folder / "tokenizer.json.gz"), name).value();
    for (const char* file : {"decode.jsonl", "encode.jsonl"})
      for (const Json& line : read_lines(folder / file))
        expect_same(tokenizer, line["ids"].get<std::vector<TokenId>>());
  }
}

}  // namespace
}  // namespace lieq::text
