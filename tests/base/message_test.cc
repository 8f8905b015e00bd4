#include "lieq/base/message.h"

#include <string>

#include <gtest/gtest.h>

namespace lieq {
namespace {

TEST(Printable, KeepsPlainWordsAndEscapesTheRest) {
  EXPECT_EQ(printable("model.norm.weight"), "model.norm.weight");
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc3\xa9"), "\\xc3\\xa9");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, CutsLongWords) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_LT(printable(std::string(1 << 20, '\n')).size(), 100U);
}

TEST(InQuotes, PutsQuotesAround) {
  EXPECT_EQ(in_quotes("x"), "'x'");
  EXPECT_EQ(in_quotes(""), "''");
}

}  // namespace
}  // namespace lieq
