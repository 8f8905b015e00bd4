#include "lieq/text/unicode.h"

#include <gtest/gtest.h>

#include "lieq/base/utf8.h"

namespace lieq::text {
namespace {

TEST(Utf8, RepairsMaximalParts) {
  const auto repaired = [](std::string_view bytes) { return repair_utf8(bytes).text; };
  EXPECT_EQ(repaired("a\u00e9\u20ac\U0001F600"), "a\u00e9\u20ac\U0001F600");
  EXPECT_EQ(repaired("\xC0\x80"), "\uFFFD\uFFFD");                          // overlong: no byte of it may stand
  EXPECT_EQ(repaired("\xE2\x82"), "\uFFFD");                                // cut: one part
  EXPECT_EQ(repaired("\xE2\x82\xE2\x82\xAC"), "\uFFFD\u20ac");
  EXPECT_EQ(repaired("\xF0\x9F\x98z"), "\uFFFDz");
  EXPECT_EQ(repaired("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");                // a surrogate
  EXPECT_EQ(repaired("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");      // above U+10FFFF
  EXPECT_EQ(repaired("\x80\xBF\xFE\xFF"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("\uFFFD\xFF").replaced, 1U);
}

TEST(Utf8, EveryScalarValueRoundTrips) {
  std::string all;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::size_t at = all.size();
    append_utf8(all, c);
    const CodePoint point = decode_utf8(all, at);
    ASSERT_TRUE(point.valid && point.value == c && at + point.bytes == all.size());
  }
  EXPECT_TRUE(is_utf8(all));
  EXPECT_FALSE(is_utf8(all.substr(0, all.size() - 1)));
}

/// Counts from the regular expressions and from Digits of Hugging Face tokenizers 0.23.3 over all code points.
TEST(Unicode, ClassesAreThoseOfTheReference) {
  std::size_t letters = 0, numbers = 0, spaces = 0, numeric = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    letters += char_class(c) == CharClass::kLetter;
    numbers += char_class(c) == CharClass::kNumber;
    spaces += char_class(c) == CharClass::kSpace;
    numeric += is_numeric(c);
  }
  EXPECT_EQ(letters, 141028U);
  EXPECT_EQ(numbers, 1911U);
  EXPECT_EQ(spaces, 25U);
  EXPECT_EQ(numeric, 1924U);
  EXPECT_EQ(char_class(0x1C89), CharClass::kLetter);    // Unicode 16
  EXPECT_EQ(char_class(0x11DE0), CharClass::kOther);    // Unicode 17, a number for Digits only
  EXPECT_EQ(char_class(0x180E), CharClass::kOther);
  EXPECT_EQ(char_class(0x85), CharClass::kSpace);
  EXPECT_EQ(char_class(0x1C), CharClass::kOther);
}

TEST(Unicode, ComposesAsUnicode9Did) {
  EXPECT_EQ(nfc("plain \u00e9 \u02ff"), "plain \u00e9 \u02ff");
  EXPECT_EQ(nfc("xe\u0301y"), "x\u00e9y");
  EXPECT_EQ(nfc("a\u0301\u0323"), "\u1ea1\u0301");
  EXPECT_EQ(nfc("\u212b\u0340"), "\u00c5\u0300");
  EXPECT_EQ(nfc("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(nfc("\uac00\u11a7"), "\uac00\u11a7");                    // utf8proc alone would swallow U+11A7
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c");                          // excluded from composition
  EXPECT_EQ(nfc("a\u08d3\u0301"), "a\u08d3\u0301");                  // U+08D3 is of Unicode 11 and blocks like a letter
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930");    // a pair of Unicode 13
  EXPECT_EQ(nfc("\u0301"), "\u0301");
  EXPECT_EQ(nfc(""), "");
}

TEST(Unicode, LongRunsOfMarksAreSortedInTime) {
  std::string text = "a", expected = "a";
  for (int i = 0; i < 200000; ++i) text += "\u0316\u0334";
  for (int i = 0; i < 200000; ++i) expected += "\u0334";
  for (int i = 0; i < 200000; ++i) expected += "\u0316";
  EXPECT_EQ(nfc(text), expected);
}

}  // namespace
}  // namespace lieq::text
