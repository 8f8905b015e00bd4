#include "lieq/serve/stop_strings.h"

#include <gtest/gtest.h>

namespace lieq::serve {
namespace {

using Texts = std::pair<std::string, std::string>;

/// Everything that is passed on when `text` comes in pieces of `size` bytes, and what ended it.
Texts passed(const std::string& text, std::size_t size, std::vector<std::string> stops) {
  StopStrings filter(std::move(stops));
  std::string all;
  for (std::size_t at = 0; at < text.size() && !filter.stopped(); at += size) all += filter.add(text.substr(at, size));
  all += filter.finish();
  return {all, filter.found()};
}

TEST(StopStrings, EndAtTheFirstHoweverTheTextIsCut) {
  for (const std::size_t size : {1U, 2U, 3U, 100U}) {
    EXPECT_EQ(passed("one two three", size, {"thr", "two"}), Texts("one ", "two"));
    EXPECT_EQ(passed("aaab", size, {"aab"}), Texts("a", "aab"));
    EXPECT_EQ(passed("one tw", size, {"two"}), Texts("one tw", ""));
    EXPECT_EQ(passed("one\n\nUser:", size, {"\nUser", "\n\n"}).first, "one");
    EXPECT_EQ(passed("anything", size, {}), Texts("anything", ""));
  }
}

TEST(StopStrings, HoldBackOnlyWhatCouldBecomeOne) {
  StopStrings filter({"END", "##"});
  EXPECT_EQ(filter.add("abcE"), "abc");
  EXPECT_EQ(filter.add("x"), "Ex");
  EXPECT_EQ(filter.add("y#"), "y");
  EXPECT_EQ(filter.add("#"), "");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.add("more"), "");
}

}  // namespace
}  // namespace lieq::serve
