/// The patterns written out in C++ against the same patterns run by PCRE2.

#include "lieq/text/pretokenize.h"

#include <random>

#include <gtest/gtest.h>

#include "lieq/base/utf8.h"

namespace lieq::text {
namespace {

std::vector<std::string> pieces(const Splitter& splitter, std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const Splitter::Piece piece = splitter.next(text, begin);
    EXPECT_GT(piece.end, begin);
    if (piece.keep) out.emplace_back(text.substr(begin, piece.end - begin));
    begin = piece.end;
  }
  return out;
}

/// Text of characters that PCRE2's Unicode 14 knows.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kParts = {
      "a", "Zq", "'s", "'S", "'LL", "'re", "'v", "'", "\u017f", "'\u017f", "1", "23", "4567", "\u00b2", "\u0664",
      "\u2167", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\v", "\x1c",
      "\u200b", "\u180e", "!", "?!", "$", "\u00e9", "e\u0301", "\u0301", "\u65e5\u672c", "\U0001F600", "\u200d",
      "\uFFFD", "_", "\u0915\u093f", std::string(1, '\0'), "\x7f", "\U0010FFFF", "\u01c5", "\u02b0"};
  std::string text;
  for (auto n = random() % 12; n > 0; --n) text += kParts[random() % kParts.size()];
  return text;
}

TEST(Splitter, KnownPatternsEqualPcre2) {
  for (const KnownPattern& pattern : {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern}) {
    const auto known = known_splitter(pattern.regex);
    ASSERT_NE(known, nullptr);
    const auto regex = regex_splitter(pattern.regex, MatchPolicy{}, "t");
    ASSERT_TRUE(regex) << regex.error().message;
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) {
      const std::string text = random_text(random);
      ASSERT_EQ(pieces(*known, text), pieces(**regex, text)) << pattern.name << ": " << text;
    }
  }
  EXPECT_EQ(known_splitter("\\s+"), nullptr);
}

TEST(Splitter, MatchesAreIsolatedDroppedOrKept) {
  const auto split = [](MatchPolicy policy) { return pieces(*regex_splitter("\\d+", policy, "t").value(), "12ab3c"); };
  EXPECT_EQ(split(MatchPolicy{}), (std::vector<std::string>{"12", "ab", "3", "c"}));
  EXPECT_EQ(split({MatchPolicy::Behavior::kRemoved}), (std::vector<std::string>{"ab", "c"}));
  EXPECT_EQ(split({MatchPolicy::Behavior::kRemoved, true}), (std::vector<std::string>{"12", "3"}));
}

TEST(Splitter, EmptyMatchesMakeNoPieces) {
  EXPECT_EQ(pieces(*regex_splitter("a*", MatchPolicy{}, "t").value(), "baab"),
            (std::vector<std::string>{"b", "aa", "b"}));
}

TEST(Splitter, DigitsAloneOrTogether) {
  EXPECT_EQ(pieces(*digit_splitter(true), "a12\u00b2b"), (std::vector<std::string>{"a", "1", "2", "\u00b2", "b"}));
  EXPECT_EQ(pieces(*digit_splitter(false), "a12\u00b2b"), (std::vector<std::string>{"a", "12\u00b2", "b"}));
}

TEST(Splitter, BadPatternIsRefused) {
  const auto regex = regex_splitter("a(b", MatchPolicy{}, "f.json");
  ASSERT_FALSE(regex);
  EXPECT_EQ(regex.error().code, ErrorCode::kInvalidFormat);
  EXPECT_EQ(regex.error().message.find("f.json: not a regular expression, at offset 3: "), 0U);
  EXPECT_FALSE(regex_splitter("\\C", MatchPolicy{}, "f.json"));
}

TEST(Splitter, Pcre2TakesLongRuns) {
  const auto regex = regex_splitter(kLlama3Pattern.regex, MatchPolicy{}, "t");
  ASSERT_TRUE(regex);
  const std::size_t size = std::size_t{10} << 20;
  EXPECT_EQ(pieces(**regex, std::string(size, 'a')).size(), 1U);
  EXPECT_EQ(pieces(**regex, std::string(size, ' ')).size(), 1U);
  EXPECT_EQ(pieces(**regex, std::string(size, '\n') + "a").size(), 2U);
}

TEST(Splitter, PatternsThatNeverEndAreCutShort) {
  const auto regex = regex_splitter("(a+)+$|b", MatchPolicy{}, "t");
  ASSERT_TRUE(regex);
  const std::string text = std::string(40, 'a') + "c";
  std::string joined;
  for (const std::string& piece : pieces(**regex, text)) joined += piece;
  EXPECT_EQ(joined, text);
}

}  // namespace
}  // namespace lieq::text
