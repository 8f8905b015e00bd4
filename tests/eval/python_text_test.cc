#include "lieq/eval/python_text.h"

#include <gtest/gtest.h>

namespace lieq::eval {
namespace {

// Expected values are what Python 3.11 gives.
TEST(PythonText, StripsUnicodeWhiteSpace) {
  EXPECT_EQ(python_strip(" \t\r\n\x0b\x0c\x1c\x1f a b\u00a0\u3000\u2009"), "a b");
  EXPECT_EQ(python_rstrip(" a\u2028 "), " a");
  EXPECT_EQ(python_strip("\u200b a"), "\u200b a");  // ZERO WIDTH SPACE is none
  EXPECT_EQ(python_strip("  "), "");
  EXPECT_EQ(python_strip(""), "");
}

TEST(PythonText, CapitalizesLikePython) {
  EXPECT_EQ(python_capitalize("the LADY saw USA"), "The lady saw usa");
  EXPECT_EQ(python_capitalize(""), "");
  EXPECT_EQ(python_capitalize(" the"), " the");
  EXPECT_EQ(python_capitalize("éCOLE ÀÉ"), "École àé");
  EXPECT_EQ(python_capitalize("ßA"), "Ssa");
  EXPECT_EQ(python_capitalize("ﬁNE"), "Fine");
  EXPECT_EQ(python_capitalize("ǆX"), "ǅx");  // title case, not upper
  EXPECT_EQ(python_capitalize("aİ"), "Ai\u0307");
  EXPECT_EQ(python_capitalize("ΟΔΟΣ ΣΑΣ Σ"), "Οδος σας σ");
}

TEST(PythonText, ReplacesWithoutOverlap) {
  EXPECT_EQ(python_replace("a   b", "  ", " "), "a  b");
  EXPECT_EQ(python_replace("aaa", "aa", "b"), "ba");
  EXPECT_EQ(python_replace("", "x", "y"), "");
}

TEST(PythonText, CountsCharactersAndWords) {
  EXPECT_EQ(code_points("naïve 😀"), 7U);
  EXPECT_EQ(count_words("a b\u00a0\n c"), 3U);
  EXPECT_EQ(count_words(" a "), 3U);  // re.split keeps the empty ends
  EXPECT_EQ(count_words(""), 1U);
}

}  // namespace
}  // namespace lieq::eval
