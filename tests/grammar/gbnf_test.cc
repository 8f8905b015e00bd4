/// GBNF: what is read, what is refused, and what texts match.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/grammar/texts.h"

namespace lieq::grammar {
namespace {

using test::matches;

Grammar gbnf(const std::string& text) {
  auto result = Grammar::from_gbnf(text);
  if (!result) ADD_FAILURE() << text << "\n" << result.error().message;
  return result ? *result : Grammar::json_object();
}

std::string refused(const std::string& text) {
  const auto result = Grammar::from_gbnf(text);
  if (result) return "accepted";
  EXPECT_EQ(result.error().message.find_first_of("\n\r\x1b"), std::string::npos);
  EXPECT_LT(result.error().message.size(), 300U);
  return result.error().message;
}

struct Case {
  std::string grammar;
  std::vector<std::string> yes, no;
};

TEST(Gbnf, TextsMatch) {
  const std::vector<Case> cases = {
      {R"(root ::= "yes" | "no")", {"yes", "no"}, {"", "ye", "yesno", "No"}},
      {R"(root ::= [a-c]+ "!"?)", {"a", "abccba", "b!"}, {"", "!", "d", "a!!"}},
      {R"(root ::= "a"{2,4} "b"{2} "c"{1,} "d"{,1})", {"aabbc", "aaaabbcccd"}, {"abbc", "aaaaabbc", "aabbcdd", "aabc"}},
      {R"(root ::= [^"\\\n] .)", {"ab", "é\n", "\xF0\x9F\x98\x80x"}, {"\"a", "\\a", "\na", "a", "\xC3", "\x80 "}},
      {R"(root ::= "\x41\u00e9\U0001F600\t\"\\")", {"Aé\xF0\x9F\x98\x80\t\"\\"}, {"A"}},
      {"root ::= item (\",\" item)* # a comment\n\n# another\nitem ::= [0-9] | \"(\" root \")\"\n",
       {"1", "1,2", "(1,(2,3)),4"},
       {"", "1,", "(1", "(1))"}},
      {"root ::= (\n  \"a\"\n  | \"b\" # or\n)\n  \n", {"a", "b"}, {"ab"}},
      {"root ::= x\nx ::= \"a\" |\n  \"b\"", {"a", "b"}, {"ab", ""}},
      {"root ::= \"\" | \"a\" root \"b\"", {"", "ab", "aaabbb"}, {"a", "aab", "ba"}},
      // Ambiguous in ever more ways: (a|aa)*, and two parses of each nesting.
      {"root ::= (\"a\" | \"aa\")* \"b\"", {"b", std::string(300, 'a') + "b"}, {std::string(300, 'a')}},
      {"root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"",
       {"aaxbc", std::string(200, 'a') + "x" + std::string(200, 'c')},
       {"aaxb", "axbb"}},
      // Rules that can be empty, in front of and behind each other.
      {"root ::= a a b a \"!\"\na ::= \"x\"?\nb ::= a | \"y\"",
       {"!", "x!", "xx!", "xxyx!", "xxxx!"},
       {"xxxxx!", "yy!"}},
      {"root ::= (\"a\"*)* (\"b\"?)+", {"", "aab", "bbb"}, {"ba", "c"}},
      // Long repetitions are made of blocks.
      {"root ::= [ab]{1000}", {std::string(1000, 'b')}, {std::string(999, 'a'), std::string(1001, 'a')}},
      {"root ::= [ab]{70,5000} \"c\"?",
       {std::string(70, 'a'), std::string(4999, 'a') + "ac"},
       {std::string(69, 'a'), std::string(5001, 'a')}},
      {"root ::= (\"ab\" | \"c\"){100,}",
       {std::string(100, 'c'), std::string(3000, 'c') + "abab"},
       {std::string(99, 'c'), std::string(150, 'a')}},
  };
  for (const Case& one : cases) {
    const Grammar grammar = gbnf(one.grammar);
    for (const std::string& text : one.yes)
      EXPECT_TRUE(matches(grammar, text)) << one.grammar << "\n" << text.substr(0, 80);
    for (const std::string& text : one.no)
      EXPECT_FALSE(matches(grammar, text)) << one.grammar << "\n" << text.substr(0, 80);
  }
}

TEST(Gbnf, RepetitionsInBlocksCountAlike) {
  for (const std::size_t most : {65U, 96U, 97U, 127U, 128U, 129U, 2100U, 4321U}) {
    const Grammar grammar = gbnf("root ::= \"a\"{0," + std::to_string(most) + "}");
    Matcher at = test::matcher(grammar);
    for (std::size_t i = 0; i < most; ++i) {
      ASSERT_TRUE(at.can_end());
      ASSERT_FALSE(at.must_end());
      ASSERT_TRUE(at.accept('a')) << i << " of " << most;
    }
    EXPECT_TRUE(at.must_end());
    EXPECT_FALSE(at.accept('a'));
  }
}

TEST(Gbnf, WhatCannotEndIsNeverBegun) {
  const Grammar grammar = gbnf("root ::= \"a\" endless | \"b\" [] | \"c\"\nendless ::= \"x\" endless");
  EXPECT_EQ(test::stops_at(grammar, "ax"), 0U);
  EXPECT_EQ(test::stops_at(grammar, "b"), 0U);
  EXPECT_TRUE(matches(grammar, "c"));
}

TEST(Gbnf, DeepNestingCostsNoStack) {
  const Grammar grammar = gbnf("root ::= \"[\" root? \"]\"");
  const std::size_t depth = 20000;
  EXPECT_TRUE(matches(grammar, std::string(depth, '[') + std::string(depth, ']')));
  EXPECT_FALSE(matches(grammar, std::string(depth, '[') + std::string(depth - 1, ']')));
}

TEST(Gbnf, RefusalsNameLineAndReason) {
  EXPECT_EQ(refused(""), "grammar: no rule 'root', expected one");
  EXPECT_EQ(refused("a ::= \"x\""), "grammar: no rule 'root', expected one");
  EXPECT_EQ(refused("root ::= \"x\"\nb = \"y\""), "grammar: line 2: found '=', expected '::=' after the rule's name");
  EXPECT_EQ(refused("root ::= \n  missing"),
            "grammar: line 2: found rule 'missing' without a definition, expected one");
  EXPECT_EQ(refused("root ::= \"a\"\nroot ::= \"b\""),
            "grammar: line 2: found rule 'root' a second time, expected one definition");
  EXPECT_EQ(refused("root ::= \"a"), "grammar: line 1: found the end, expected the end of a literal or a class");
  EXPECT_EQ(refused("root ::= (\"a\""), "grammar: line 1: found the end, expected ')'");
  EXPECT_EQ(refused("root ::= \"a\" )"), "grammar: line 1: found ')', expected the end of the line");
  EXPECT_EQ(refused("root ::= [z-a]"),
            "grammar: line 1: found a range that falls, expected first character before last");
  EXPECT_EQ(refused("root ::= \"a\"{3,2}"), "grammar: line 1: found 2, expected at least 3 repetitions");
  EXPECT_EQ(refused("root ::= \"a\"{9999999}"),
            "grammar: line 1: found '9999999', expected 1000000 repetitions at most");
  EXPECT_EQ(refused("root ::= \"\\q\""),
            "grammar: line 1: found '\\' and something else, expected \\\\ \\\" \\[ \\] \\n \\r \\t \\xNN \\uNNNN or "
            "\\UNNNNNNNN");
  EXPECT_EQ(refused("root ::= \"\xFF\""), "grammar: not UTF-8");
  EXPECT_EQ(refused("root ::= <[1000]>"),
            "grammar: tokens by name or number (<) are not supported, expected their text in quotes");
  EXPECT_EQ(refused("root ::= root \"a\" | \"b\""),
            "grammar: rule 'root' begins with itself (left recursion), which is not supported");
  EXPECT_NE(refused("root ::= x? y\nx ::= \"x\"\ny ::= root \"z\" | \"w\"").find("left recursion"), std::string::npos);
  EXPECT_EQ(refused("root ::= \"a\" root"), "grammar: no text can match it, expected at least one");
  EXPECT_NE(refused("root ::= " + std::string(5000, '(')).find("parentheses"), std::string::npos);
  EXPECT_NE(refused("root ::= ((((\"a\"{60}){60}){60}){60}){60}").find("too large"), std::string::npos);
  EXPECT_NE(refused("root ::= " + std::string(500000, '.')).find("too large"), std::string::npos);
}

}  // namespace
}  // namespace lieq::grammar
