#include "lieq/base/json.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace lieq {
namespace {

Json parsed(const char* text) {
  auto json = parse_json(text, "test.json");
  EXPECT_TRUE(json) << json.error().message;
  return json.value_or(Json());
}

template <class T>
std::string message(const Result<T>& result) {
  return result ? "no error" : result.error().message;
}

TEST(ParseJson, NamesThePlaceAndTheByte) {
  const auto broken = parse_json("{\"a\": 1,, }", "config.json");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kInvalidFormat);
  EXPECT_EQ(broken.error().message.rfind("config.json: not valid JSON: ", 0), 0U) << broken.error().message;
  EXPECT_NE(broken.error().message.find("column 9"), std::string::npos) << broken.error().message;
}

TEST(ParseJson, ErrorsAreOneShortLine) {
  const auto broken = parse_json("[\"" + std::string(100000, 'x') + "\n\x01\"]", "p");
  ASSERT_FALSE(broken);
  EXPECT_LT(broken.error().message.size(), 300U);
  EXPECT_EQ(broken.error().message.find('\n'), std::string::npos);
}

TEST(ParseJson, RefusesWhatFollowsAndBadText) {
  for (const char* text : {"", " ", "{} x", "{\"a\"}", "[1e999]", "[nan]", "\"\xff\"", "{'a': 1}", "[1,]", "[\"a"})
    EXPECT_FALSE(parse_json(text, "p")) << text;
}

TEST(ParseJson, SurvivesDeepNesting) {
  const std::size_t depth = 200000;
  EXPECT_FALSE(parse_json(std::string(depth, '['), "p"));
  EXPECT_FALSE(parse_json(std::string(depth, '['), "p", DuplicateKeys::kRefuse));
  EXPECT_TRUE(parse_json(std::string(depth, '[') + std::string(depth, ']'), "p"));
}

TEST(ParseJson, RefusesDuplicateKeysOnlyWhenAsked) {
  const char* text = R"({"a": {"x": 1}, "b": [{"x": 1, "x": 2}]})";
  EXPECT_TRUE(parse_json(text, "p"));
  EXPECT_EQ(message(parse_json(text, "p", DuplicateKeys::kRefuse)), "p: key 'x' appears twice, expected once");
  EXPECT_TRUE(parse_json(R"({"x": {"x": 1}, "y": [{"x": 1}, {"x": 1}]})", "p", DuplicateKeys::kRefuse));
  EXPECT_EQ(message(parse_json(R"({"a\nb": 1, "a\u000ab": 2})", "p", DuplicateKeys::kRefuse)),
            "p: key 'a\\x0ab' appears twice, expected once");
}

TEST(ReadJson, TellsAMissingFileFromABrokenOne) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / ("lieq_json_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto missing = read_json(folder / "none.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto is_folder = read_json(folder);
  ASSERT_FALSE(is_folder);
  EXPECT_EQ(is_folder.error().code, ErrorCode::kIo) << is_folder.error().message;
  std::ofstream(folder / "empty.json").flush();
  const auto empty = read_json(folder / "empty.json");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::kInvalidFormat) << empty.error().message;
  std::ofstream(folder / "good.json") << "{\"a\": 1}";
  EXPECT_TRUE(read_json(folder / "good.json"));
  std::filesystem::remove_all(folder);
}

TEST(Fields, ReadsTypedValues) {
  const Json json = parsed(R"({"n": 576, "x": 0.5, "b": true, "s": "silu", "ids": [1, 2], "id": 3, "none": null})");
  const Fields fields(json, "config.json");
  EXPECT_EQ(fields.count("n").value(), std::optional<std::uint64_t>(576));
  EXPECT_EQ(fields.number("n").value(), std::optional<double>(576));
  EXPECT_EQ(fields.number("x").value(), std::optional<double>(0.5));
  EXPECT_EQ(fields.boolean("b").value(), std::optional<bool>(true));
  EXPECT_EQ(fields.string("s").value(), std::optional<std::string>("silu"));
  EXPECT_EQ(fields.counts("ids").value(), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(fields.counts("id").value(), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(fields.required_count("n").value(), 576U);
  EXPECT_EQ(fields.place(), "config.json");
}

TEST(Fields, AbsentAndNullAreNothing) {
  const Json json = parsed(R"({"none": null})");
  const Fields fields(json, "p");
  for (const char* key : {"none", "absent"}) {
    EXPECT_EQ(fields.count(key).value(), std::nullopt);
    EXPECT_EQ(fields.number(key).value(), std::nullopt);
    EXPECT_EQ(fields.boolean(key).value(), std::nullopt);
    EXPECT_EQ(fields.string(key).value(), std::nullopt);
    EXPECT_TRUE(fields.counts(key).value().empty());
    EXPECT_EQ(fields.find(key), nullptr);
    EXPECT_FALSE(fields.required_count(key));
  }
  const Json list = parsed("[1]");
  EXPECT_EQ(Fields(list, "p").find("a"), nullptr);
}

TEST(Fields, NamesPlaceFieldFoundAndExpected) {
  const Json json = parsed(R"({"hidden_size": "576", "n": -1, "f": 1.5, "o": {"a": 1}, "l": [1, "2"], "big": 1e300})");
  const Fields fields(json, "config.json");
  EXPECT_EQ(message(fields.count("hidden_size")),
            "config.json: field 'hidden_size': found \"576\", expected an integer of at least 0");
  EXPECT_EQ(message(fields.count("n")), "config.json: field 'n': found -1, expected an integer of at least 0");
  EXPECT_EQ(message(fields.count("f")), "config.json: field 'f': found 1.5, expected an integer of at least 0");
  EXPECT_FALSE(fields.count("big"));
  EXPECT_EQ(message(fields.number("o")), "config.json: field 'o': found an object, expected a number");
  EXPECT_EQ(message(fields.boolean("n")), "config.json: field 'n': found -1, expected true or false");
  EXPECT_EQ(message(fields.string("l")), "config.json: field 'l': found a list of 2, expected a string");
  EXPECT_EQ(message(fields.counts("l")),
            "config.json: field 'l': found a list of 2, expected an integer or a list of integers of at least 0");
  EXPECT_EQ(message(fields.required_count("vocab_size")),
            "config.json: field 'vocab_size': missing, expected an integer");
}

TEST(Brief, IsShortAndPrintable) {
  EXPECT_LT(brief(Json(std::string(1000, 'x'))).size(), 70U);
  EXPECT_EQ(brief(Json("a\nb")), "\"a\\nb\"");
  EXPECT_EQ(brief(Json("\xff")), "\"\\ufffd\"");
}

}  // namespace
}  // namespace lieq
