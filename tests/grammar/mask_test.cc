/// Masks over vocabularies of longer tokens, against reading byte by byte.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/grammar/texts.h"

namespace lieq::grammar {
namespace {

using test::kEnd;

/// Tokens as they come out of texts: pieces of JSON, words, unfinished characters.
std::vector<std::string> pieces(std::mt19937& random, std::size_t count) {
  const std::string source =
      R"({"name": "Zoë \u00e9 \ud83d\ude00", "list": [1, -2.5e+3, true, null], "x": {}}],"a":["b","c"]}}},{" \n\t  )"
      "aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbb\n    \"key\": \"\xF0\x9F\x98\x80\xE4\xB8\xAD\",\n  ";
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(source.substr(random() % source.size(), 1 + random() % 9));
  return out;
}

/// Whether a copy of `at` takes the bytes one at a time.
bool takes(const Matcher& at, const std::string& bytes) {
  Matcher copy(at);
  for (const char byte : bytes) {
    if (!copy.accept(static_cast<std::uint8_t>(byte))) return false;
  }
  return true;
}

TEST(Mask, IsWhatCanBeReadByteByByte) {
  std::mt19937 random(7);
  const auto tokens = test::vocabulary(pieces(random, 400));
  std::vector<Grammar> grammars = {Grammar::json_object()};
  for (
      const char* schema :
      {R"({"type": "array", "items": {"type": "string", "maxLength": 9}})",
       R"({"type": "object", "properties": {"name": {"type": "string"}, "list": {"type": "array", "items": {"type": ["number", "boolean", "null"]}}}})",
       R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "additionalProperties": {"anyOf": [{"$ref": "#/$defs/t"}, {"type": "array"}]}}}})"}) {
    grammars.push_back(*Grammar::from_json_schema(OrderedJson::parse(schema), "s"));
  }
  for (const char* text :
       {"root ::= ([a-b]+ | \"aa\"* [ \\n])* \"{\"?", "root ::= \"a\"{40,90} \"b\"{0,200} \"\\n\" [ ]*",
        "root ::= x{100}\nx ::= [ab] | \"b\\n\""}) {
    grammars.push_back(*Grammar::from_gbnf(text));
  }
  std::size_t allowed = 0, forbidden = 0;
  for (const Grammar& grammar : grammars) {
    const auto constraint = std::make_shared<const Constraint>(grammar, tokens);
    for (int text = 0; text < 4; ++text) {
      Matcher at(constraint);
      for (int step = 0; step < 25 && !at.ended(); ++step) {
        const auto mask = at.mask();
        ASSERT_TRUE(mask) << mask.error().message;
        std::vector<TokenId> next;
        for (TokenId id = 0; id < static_cast<TokenId>(tokens->size()); ++id) {
          const bool expected = id == kEnd ? at.can_end() : takes(at, tokens->bytes(id));
          ASSERT_EQ((*mask)->allows(id), expected) << "token '" << tokens->bytes(id) << "' at step " << step;
          (expected ? allowed : forbidden) += 1;
          if (expected && id != kEnd) next.push_back(id);
        }
        EXPECT_EQ((*mask)->count(), next.size() + at.can_end());
        EXPECT_EQ(at.must_end(), at.can_end() && next.empty());
        if (next.empty()) break;
        ASSERT_TRUE(at.accept(next[random() % next.size()]));
      }
    }
  }
  EXPECT_GT(allowed, 20000U);
  EXPECT_GT(forbidden, 20000U);
}

TEST(Mask, EndTokensComeWhereTheTextMayEnd) {
  Matcher at = test::matcher(*Grammar::from_gbnf("root ::= \"ab\" \"c\"?"));
  EXPECT_FALSE((*at.mask())->allows(kEnd));
  EXPECT_FALSE(at.accept(kEnd));
  EXPECT_TRUE(at.accept('a'));
  EXPECT_FALSE(at.accept('c'));  // changes nothing
  EXPECT_TRUE(at.accept('b'));
  EXPECT_TRUE(at.can_end());
  EXPECT_FALSE(at.must_end());
  EXPECT_TRUE((*at.mask())->allows(kEnd));
  Matcher other(at);
  EXPECT_TRUE(at.accept('c'));
  EXPECT_TRUE(at.must_end());
  EXPECT_EQ((*at.mask())->count(), 1U);
  EXPECT_TRUE(at.accept(kEnd));
  EXPECT_TRUE(at.ended());
  EXPECT_EQ((*at.mask())->count(), 0U);
  EXPECT_FALSE(at.accept(kEnd));
  EXPECT_FALSE(other.ended());  // a copy goes its own way
  EXPECT_TRUE((*other.mask())->allows('c'));
}

TEST(Mask, ForbidsTheRestOfThePaddedLogits) {
  Matcher at = test::matcher(*Grammar::from_gbnf("root ::= [ab]"));
  std::vector<float> logits(300, 1.0F);
  (*at.mask())->apply(logits);
  for (std::size_t i = 0; i < logits.size(); ++i) EXPECT_EQ(std::isinf(logits[i]), i != 'a' && i != 'b') << i;
}

TEST(Mask, TokensWithoutBytesAndUnknownIdsAreNeverAllowed) {
  const auto tokens = test::vocabulary({"", "a", "a"});
  Matcher at = test::matcher(*Grammar::from_gbnf("root ::= .*"), tokens);
  EXPECT_FALSE((*at.mask())->allows(257));
  EXPECT_TRUE((*at.mask())->allows(258) && (*at.mask())->allows(259));
  for (const TokenId id : {-1, 257, 260, 100000}) {
    EXPECT_FALSE((*at.mask())->allows(id));
    EXPECT_FALSE(at.accept(id));
  }
}

TEST(Mask, LongTextsDoNotPileUp) {
  const auto constraint = std::make_shared<const Constraint>(Grammar::json_object(), test::vocabulary());
  Matcher at(constraint);
  const auto read = [&](const std::string& text) {
    for (const char byte : text) ASSERT_TRUE(at.accept(static_cast<std::uint8_t>(byte))) << text;
  };
  read("{\"a\": [[[");
  for (int i = 0; i < 20000; ++i) read(R"({"b": [1, {"c": "d"}]}, )");
  read("0]]]}");
  EXPECT_TRUE(at.must_end());
}

TEST(Mask, HopelesslyAmbiguousTextsEndInOneLine) {
  // Each position may begin another repetition of each of many rules.
  std::string text = "root ::= (\"\"", rules;
  for (int i = 0; i < 150; ++i) {
    const std::string name = "r" + std::to_string(i);
    text += " | [a-z]{0,60} " + name;
    rules += name + " ::= [a-z]{1,60} (\"a\" root)?\n";
  }
  const auto grammar = Grammar::from_gbnf(text + ")*\n" + rules);
  ASSERT_TRUE(grammar) << grammar.error().message;
  Matcher at = test::matcher(*grammar);
  for (int i = 0; i < 200; ++i) {
    const auto mask = at.mask();
    if (!mask) {
      EXPECT_EQ(mask.error().message, "grammar: too ambiguous here to find the tokens that may come next");
      return;
    }
    ASSERT_TRUE(at.accept('a')) << i;
  }
  FAIL() << "no bound was reached";
}

}  // namespace
}  // namespace lieq::grammar
