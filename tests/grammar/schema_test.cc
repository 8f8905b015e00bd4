/// JSON Schema: what texts match, and which keywords are refused.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "tests/grammar/texts.h"

namespace lieq::grammar {
namespace {

using test::matches;

struct SchemaCase {
  std::string schema;
  std::vector<std::string> yes, no;
};

TEST(Schema, TextsMatch) {
  const std::vector<SchemaCase> cases = {
      {R"({"type": "boolean"})", {"true", "false"}, {"null", "tru", " true"}},
      {R"({"type": ["string", "null"]})",
       {"null", R"("")", R"("aé\n\u00e9\uD83D\ude00\/")"},
       {"1", "\"\n\"", R"("\ud83d")", R"("\x")", "\"\xFF\""}},
      {R"({"type": "integer"})", {"0", "-7", "123456789012345678"}, {"01", "1.0", "-", "1e3", "1234567890123456789"}},
      {R"({"type": "number"})", {"0", "-0.5", "1e5", "2.5E-10", "1e+288"}, {".5", "1.", "1e999", "+1", "NaN"}},
      {R"({"type": "integer", "minimum": 3, "maximum": 1205})",
       {"3", "9", "10", "99", "100", "999", "1000", "1199", "1205"},
       {"2", "1206", "1300", "0", "-3", "12050"}},
      {R"({"type": "integer", "exclusiveMinimum": -12, "exclusiveMaximum": 5})",
       {"-11", "-1", "0", "4"},
       {"-12", "-13", "-20", "5", "-0"}},
      {R"({"type": "integer", "minimum": 17.5})", {"18", "99999999"}, {"17", "-18"}},
      {R"({"type": "number", "minimum": 0, "maximum": 1})",
       {"0", "0.25", "1", "1.0", "0.999"},
       {"1.1", "-0.5", "2", "1e0"}},
      {R"({"type": "number", "maximum": -2})", {"-2", "-2.5", "-10"}, {"-1", "-1.9", "0", "2"}},
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {R"("ab")", R"("éßü")", R"("\n\u1234")"},
       {R"("a")", R"("abcd")", R"("")"}},
      {R"({"enum": ["a", 1, null, {"k": [1, 2]}]})",
       {R"("a")", "1", "null", R"({"k":[1,2]})", "{\n  \"k\": [1, 2]\n}"},
       {"\"b\"", "{}", "true"}},
      {R"({"const": "x", "type": "string"})", {R"("x")"}, {"x"}},
      {R"({"enum": [1, "a"], "type": "string"})", {R"("a")"}, {"1"}},
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
       {"[1]", "[1, 2,3]", "[\n  1,\n  2\n]"},
       {"[]", "[1,2,3,4]", "[1,]", "[\"a\"]"}},
      {R"({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false})",
       {"[]", "[1]", R"([1,"a"])"},
       {R"([1,"a",2])", R"(["a"])"}},
      {R"({"prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 2})",
       {"[1,null]", "[1,null,null]"},
       {"[1]", "[null]"}},
      {R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}},
      {R"({"properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": true}, "required": ["b"]})",
       {R"({"a":1,"b":null,"c":[{}]})", R"({"b": null})", R"({"b":null,"c":1})", "{\n  \"a\": 1,\n  \"b\": null\n}"},
       {"{}", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,"d":1})", R"({"b":null,})", R"({,"b":null})"}},
      {R"({"properties": {"a": true, "b": true}})",
       {"{}", R"({"a":1})", R"({"b":1})", R"({"a":1,"b":2})"},
       {R"({"c":1})"}},
      {R"({"type": "object"})", {"{}", R"({"x":{"y":[1,"2"]}})"}, {"[]", R"({"x"})"}},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"x":1, "y":2})"},
       {R"({"x":"1"})"}},
      {R"({"properties": {"a": {"type": "null"}, "ab": {"type": "null"}}, "additionalProperties": {"type": "integer"}})",
       {R"({"a":null,"ab":null,"abc":1,"":2,"b":3})", R"({"x":1})"},
       {R"({"a":1})", R"({"x":1,"ab":2})", R"({"ab":7})"}},
      {R"({"required": ["z"], "type": "object"})", {R"({"z":1})", R"({"z":1,"a":2})"}, {"{}", R"({"a":2})"}},
      {R"({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]})", {"1", "[1]"}, {"\"a\""}},
      {R"({"type": "string", "anyOf": [{"minLength": 3}, {"const": "a"}]})", {"\"abc\"", "\"a\""}, {"\"b\"", "1"}},
      {R"({"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"y": {"type": "integer"}}, "required": ["y"]}], "$defs": {"a": {"type": "object", "properties": {"x": {"type": "null"}}, "required": ["x"]}}})",
       {R"({"x":null,"y":1})"},
       {R"({"x":null})", R"({"y":1})"}},
      {R"({"type": "string", "anyOf": [{"type": "null"}, {"const": "a"}]})", {"\"a\""}, {"null", "\"b\""}},
      {R"({"allOf": [{"type": ["integer", "null"], "minimum": 3}, {"type": "number", "maximum": 5}]})",
       {"3", "5"},
       {"2", "6", "null", "3.5"}},
      {R"({"$ref": "#/definitions/list", "definitions": {"list": {"properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/list"}]}}, "required": ["next"]}}})",
       {R"({"next":null})", R"({"next":{"next":{"next":null}}})"},
       {"{}", R"({"next":{}})"}},
      {R"({"properties": {"children": {"type": "array", "items": {"$ref": "#"}}}})",
       {R"({"children":[{},{"children":[]}]})"},
       {R"({"children":[1]})"}},
      {R"({"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"})",
       {"\"AB-123\""},
       {"\"AB-1234\"", "\"aB-123\"", "\"xAB-123\""}},
      {R"({"type": "string", "pattern": "b+|^x$"})", {"\"abc\"", "\"x\"", "\"b\""}, {"\"xx\"", "\"\"", "\"ac\""}},
      {R"({"type": "string", "pattern": "^[^a-c\"]\\\\?\"$"})", {R"("d\"")", R"("d\\\"")"}, {R"("a\"")", R"("\"\"")"}},
      {R"({"type": "string", "format": "date"})",
       {"\"2024-02-29\"", "\"2026-11-30\"", "\"2000-02-29\""},
       {"\"2023-02-29\"", "\"2100-02-29\"", "\"2024-13-01\"", "\"2024-04-31\""}},
      {R"({"type": "string", "format": "date-time"})",
       {"\"2024-02-29T23:59:59Z\"", "\"2024-01-01T00:00:00.123+01:00\""},
       {"\"2024-01-01\"", "\"2024-01-01T24:00:00Z\""}},
      {R"({"type": "string", "format": "time"})", {"\"12:30:00Z\""}, {"\"12:30\""}},
      {R"({"type": "string", "format": "uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567\""}},
      {R"({"type": "object", "properties": {"k\"\n": {"type": "null"}}, "required": ["k\"\n"]})",
       {R"({"k\"\n":null})"},
       {R"({})"}},
      {"true", {"1", "{}", "[[]]", "null"}, {"", "nul"}},
      {"{}", {"1", "{\"a\": [true, -1.5e3]}"}, {"[1,]"}},
  };
  for (const SchemaCase& one : cases) {
    const auto grammar = Grammar::from_json_schema(OrderedJson::parse(one.schema), "s");
    ASSERT_TRUE(grammar) << one.schema << "\n" << grammar.error().message;
    for (const std::string& text : one.yes)
      EXPECT_TRUE(matches(*grammar, text)) << one.schema << "\n"
                                           << text << "\nstops at " << test::stops_at(*grammar, text);
    for (const std::string& text : one.no) EXPECT_FALSE(matches(*grammar, text)) << one.schema << "\n" << text;
  }
}

TEST(Schema, AnyObjectIsReadHoweverItIsLaidOut) {
  const OrderedJson value = OrderedJson::parse(
      R"({"name": "Zoë \"x\"", "list": [1, -2.5e3, [], {}, [[true]], null], "deep": {"a": {"b": {"c": "d"}}}})");
  for (const int indent : {-1, 1, 2, 4, 8}) {
    EXPECT_TRUE(matches(Grammar::json_object(), value.dump(indent))) << indent;
    EXPECT_TRUE(matches(Grammar::json_object(), value.dump(indent, ' ', true))) << indent;
    EXPECT_TRUE(matches(Grammar::json_object(), value.dump(indent < 0 ? 1 : indent, '\t'))) << indent;
  }
  for (const char* text : {"[]", "1", "\"a\"", "{\"a\":}", "{\"a\" 1}", "{a:1}"})
    EXPECT_FALSE(matches(Grammar::json_object(), text)) << text;
}

std::string schema_refused(const std::string& schema) {
  const auto result = Grammar::from_json_schema(OrderedJson::parse(schema), "s");
  if (result) return "accepted";
  EXPECT_EQ(result.error().message.find_first_of("\n\r\x1b"), std::string::npos);
  EXPECT_LT(result.error().message.size(), 400U);
  return result.error().message;
}

TEST(Schema, RefusalsNameKeywordAndPlace) {
  EXPECT_EQ(schema_refused(R"({"not": {}})"), "s: #: keyword 'not' is not supported");
  EXPECT_EQ(schema_refused(R"({"properties": {"a/b": {"items": {"if": true}}}})"),
            "s: #/properties/a~1b/items: keyword 'if' is not supported");
  EXPECT_EQ(schema_refused(R"({"type": "array", "uniqueItems": true})"),
            "s: #: keyword 'uniqueItems' is not supported");
  EXPECT_EQ(schema_refused(R"({"type": "array", "uniqueItems": false})"), "accepted");
  EXPECT_EQ(schema_refused(R"({"type": "number", "multipleOf": 0.1})"), "s: #: keyword 'multipleOf' is not supported");
  EXPECT_NE(schema_refused(R"({"type": "number", "minimum": 0.5})").find("#: keyword 'minimum' of numbers"),
            std::string::npos);
  EXPECT_NE(schema_refused(R"({"type": "number", "exclusiveMaximum": 5})").find("keyword 'exclusiveMaximum'"),
            std::string::npos);
  EXPECT_EQ(schema_refused(R"({"type": "strin"})"),
            "s: #: keyword 'type': found \"strin\", expected object, array, string, number, integer, boolean or null");
  EXPECT_EQ(schema_refused(R"({"properties": []})"),
            "s: #: keyword 'properties': found a list of 0, expected an object of schemas");
  EXPECT_EQ(schema_refused(R"({"type": "string", "minLength": -1})"),
            "s: #: keyword 'minLength': found -1, expected a whole number from 0 to 1000000000");
  EXPECT_EQ(schema_refused(R"({"type": "string", "pattern": "a", "maxLength": 3})"),
            "s: #: keyword 'maxLength' beside pattern is not supported");
  EXPECT_EQ(schema_refused(R"({"type": "string", "pattern": "(?=a)b"})"),
            "s: #: pattern '(?=a)b': look-around or a named group, '(?' is not supported in patterns");
  EXPECT_EQ(schema_refused(R"({"type": "string", "pattern": "a\\b"})"),
            "s: #: pattern 'a\\b': '\\b' is not supported in patterns");
  EXPECT_NE(schema_refused(R"({"type": "string", "pattern": "a(b"})").find("found the end of a group"),
            std::string::npos);
  EXPECT_EQ(schema_refused(R"({"$ref": "http://x/y"})"),
            "s: #: $ref 'http://x/y' to another document is not supported");
  EXPECT_EQ(schema_refused(R"({"$ref": "#/$defs/none"})"),
            "s: #: keyword '$ref': found \"#/$defs/none\", expected what is in the schema");
  EXPECT_EQ(schema_refused(R"({"$ref": "#"})"), "s: no text can match it, expected at least one");
  EXPECT_NE(schema_refused(R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})").find("left recursion"),
            std::string::npos);
  EXPECT_EQ(schema_refused(R"({"enum": []})"), "s: #: keyword 'enum': found a list of 0, expected a list of values");
  EXPECT_EQ(schema_refused(R"({"type": "integer", "minimum": 5, "maximum": 3})"),
            "s: no text can match it, expected at least one");
  EXPECT_EQ(schema_refused("false"), "s: no text can match it, expected at least one");
  EXPECT_EQ(schema_refused("3"), "s: #: found 3, expected a schema: an object, true or false");
  EXPECT_NE(
      schema_refused(
          R"({"allOf": [{"additionalProperties": false, "properties": {"a": true}}, {"properties": {"b": true}}]})")
          .find("additionalProperties"),
      std::string::npos);
  EXPECT_NE(
      schema_refused(R"({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"})").find("circle"),
      std::string::npos);
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += R"({"items":)";
  EXPECT_NE(schema_refused(deep + "{}" + std::string(2000, '}')).find("nesting deeper than 100"), std::string::npos);
}

TEST(Schema, WarnsOfWhatHasNoEffect) {
  std::vector<std::string> warnings;
  const auto schema =
      OrderedJson::parse(R"({"title": "t", "x-note": 1, "properties": {"mail": {"type": "string", "format": "email"},
    "one": {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "two": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "kind": {"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]}, {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]}]}}})");
  ASSERT_TRUE(Grammar::from_json_schema(schema, "s", &warnings));
  EXPECT_EQ(warnings, (std::vector<std::string>{"s: #: unknown keyword 'x-note' has no effect",
                                                "s: #/properties/mail: format 'email' has no effect",
                                                "s: #/properties/two: oneOf is taken as anyOf"}));
}

TEST(Schema, LargeLimitsCostLittle) {
  const auto grammar = Grammar::from_json_schema(
      OrderedJson::parse(R"({"type": "array", "items": {"type": "string", "maxLength": 1000000}, "maxItems": 100000})"),
      "s");
  ASSERT_TRUE(grammar) << grammar.error().message;
  EXPECT_TRUE(matches(*grammar, "[\"" + std::string(20000, 'x') + "\"]"));
}

}  // namespace
}  // namespace lieq::grammar
