#include "lieq/grammar/code_set.h"

#include <gtest/gtest.h>

#include <string>

#include "lieq/base/utf8.h"

namespace lieq::grammar {
namespace {

bool contains(const CodeSet& set, char32_t c) {
  for (const CodeRange& range : set) {
    if (range.first <= c && c <= range.last) return true;
  }
  return false;
}

bool matched(const std::vector<std::vector<ByteRange>>& ranges, char32_t c) {
  std::string bytes;
  append_utf8(bytes, c);
  std::size_t count = 0;
  for (const auto& product : ranges) {
    bool all = product.size() == bytes.size();
    for (std::size_t i = 0; all && i < bytes.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(bytes[i]);
      all = product[i].first <= byte && byte <= product[i].last;
    }
    count += all;
  }
  EXPECT_LE(count, 1U) << std::uint32_t{c};
  return count == 1;
}

TEST(CodeSet, EncodingsAreThoseOfTheSet) {
  const std::vector<CodeSet> sets = {complement({}),
                                     complement({{0, 0x1F}, {U'"', U'"'}, {U'\\', U'\\'}}),
                                     {{0x7F, 0x80}, {0x7FE, 0x801}, {0xD7FE, 0xE001}, {0xFFFE, 0x10001}},
                                     {{0x41, 0x1F431}},
                                     {{0x10FFFF, 0x10FFFF}}};
  for (const CodeSet& set : sets) {
    const auto ranges = utf8_ranges(set);
    for (char32_t c = 0; c <= 0x10FFFF;
         c += c < 0x3000 || (c > 0xD700 && c < 0xE100) || (c > 0xFFF0 && c < 0x10010) ? 1 : 37) {
      if (c >= 0xD800 && c < 0xE000) continue;
      ASSERT_EQ(matched(ranges, c), contains(set, c)) << std::uint32_t{c};
    }
  }
}

TEST(CodeSet, SetsAreNormalised) {
  EXPECT_EQ(normalized({{5, 9}, {1, 2}, {3, 4}, {7, 12}}), (CodeSet{{1, 12}}));
  EXPECT_EQ(complement({{0, 5}, {0x10FFF0, 0x10FFFF}}), (CodeSet{{6, 0x10FFEF}}));
  EXPECT_EQ(difference({{10, 20}}, {{12, 13}, {20, 30}}), (CodeSet{{10, 11}, {14, 19}}));
}

}  // namespace
}  // namespace lieq::grammar
