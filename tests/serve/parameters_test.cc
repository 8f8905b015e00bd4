#include "lieq/serve/parameters.h"

#include <gtest/gtest.h>

namespace lieq::serve {
namespace {

std::string refused(const std::string& body) {
  const auto parsed = parse_body(body);
  return parsed ? "" : parsed.error().message;
}

TEST(Body, IsOneShallowObjectOfUtf8) {
  EXPECT_EQ(refused("{\"a\": [1, {\"b\": \"]]]]\"}]}"), "");
  EXPECT_EQ(refused("{\"a\": \"\xff\"}"), "body: found bytes that are no UTF-8");
  EXPECT_EQ(refused(std::string(65, '[')), "body: found JSON nested beyond 64 levels");
  std::string members = "{", values = "{\"a\": [0";
  for (int i = 0; i < 5000; ++i) members += "\"" + std::to_string(i) + "\": 0,";
  for (int i = 0; i < 1000000; ++i) values += ",0";
  EXPECT_EQ(refused(members + "\"x\": 0}"), "body: found an object of more than 4096 members");
  EXPECT_EQ(refused(values + "]}"), "body: found more than 1000000 values");
  EXPECT_EQ(refused("[1]"), "body: found a list of 1, expected a JSON object");
  EXPECT_EQ(refused("").substr(0, 20), "body: not valid JSON");
  EXPECT_EQ(refused("{\"a\": \"\\ud800\"}").substr(0, 20), "body: not valid JSON");
  EXPECT_EQ(refused("{\"a\": 1e999}").substr(0, 20), "body: not valid JSON");
}

template <class T>
std::string error_of(const ApiResult<T>& result) {
  return result ? "" : result.error().message;
}

TEST(Parameters, SayWhatWasFoundAndExpected) {
  const OrderedJson body = *parse_body(R"({"n": 2.5, "big": 1e30, "neg": -3, "max": 18446744073709551615,
                                           "whole": 16.0, "yes": 1, "text": 7, "stop": ["a", ""], "none": null})");
  Parameters p(body);
  EXPECT_EQ(error_of(p.integer("n", 0, 9)), "n: found 2.5, expected a whole number from 0 to 9");
  EXPECT_EQ(error_of(p.integer("big", 0, INT64_MAX)).substr(0, 16), "big: found 1e+30");
  EXPECT_EQ(error_of(p.integer("max", 0, INT64_MAX)).substr(0, 31), "max: found 18446744073709551615");
  EXPECT_EQ(*p.integer("whole", 0, 100), 16);
  EXPECT_EQ(*p.integer("none", 0, 100), std::nullopt);
  EXPECT_EQ(*p.integer("absent", 0, 100), std::nullopt);
  EXPECT_EQ(error_of(p.number("neg", 0, 2)), "neg: found -3, expected a number from 0 to 2");
  EXPECT_EQ(error_of(p.boolean("yes")), "yes: found 1, expected true or false");
  EXPECT_EQ(error_of(p.string("text")), "text: found 7, expected a string");
  EXPECT_EQ(error_of(p.strings("stop", 4)),
            "stop: found a list of 2, expected a string or a list of at most 4, none of them empty");
  EXPECT_EQ(error_of(p.refuse_unknown()), "");
}

TEST(Parameters, RefuseWhatNobodyAskedFor) {
  const OrderedJson body = *parse_body(R"({"known": 1, "ignored": 2, "null": null, "other": 3})");
  Parameters p(body);
  (void)p.find("known");
  p.ignore("ignored");
  const auto result = p.refuse_unknown();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().param, "other");
  EXPECT_EQ(result.error().to_json()["error"]["param"], "other");
}

}  // namespace
}  // namespace lieq::serve
