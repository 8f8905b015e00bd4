#pragma once
/// What every SVG of ours must be: a tree of tags, without bare ampersands and without numbers that are none.

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

namespace lieq::report {

inline std::vector<std::smatch> matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  return {std::sregex_iterator(text.begin(), text.end(), regex), {}};
}

inline void expect_sound(const std::string& svg) {
  std::vector<std::string> open;
  for (const std::smatch& match : matches(svg, "<(/?)([a-z]+)[^<>]*?(/?)>")) {
    if (match[1].length() > 0) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), match[2]);
      open.pop_back();
    } else if (match[3].length() == 0) {
      open.push_back(match[2]);
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_TRUE(matches(svg, "&(?!amp;|lt;|gt;|quot;|#39;)").empty());
  EXPECT_TRUE(matches(svg, "=\"[^\"]*(nan|inf)").empty());
}

}  // namespace lieq::report
