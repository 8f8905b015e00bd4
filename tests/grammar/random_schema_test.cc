/// Random texts of random schemas: all are JSON, and valid under their schema.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/grammar/texts.h"
#include "tests/grammar/validator.h"

namespace lieq::grammar {
namespace {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  OrderedJson whole() {
    OrderedJson schema = any(3);
    schema["$defs"] = {{"name", {{"type", "string"}, {"minLength", 1}, {"maxLength", 5}}},
                       {"tree",
                        {{"type", "object"},
                         {"properties", {{"left", {{"$ref", "#/$defs/tree"}}}, {"value", {{"type", "integer"}}}}},
                         {"required", {"value"}}}}};
    return schema;
  }

  std::size_t below(std::size_t count) { return random_() % count; }

 private:
  int number() { return static_cast<int>(below(2000)) - 1000; }

  OrderedJson any(int depth) {
    switch (below(depth > 0 ? 14 : 9)) {
      case 0: return {{"type", "boolean"}};
      case 1: return {{"type", {"null", "integer"}}};
      case 2: return bounded("integer");
      case 3: return bounded("number");
      case 4: return {{"enum", {"a", "b\"\\\n", 3, nullptr, {{"k", {1, "é"}}}}}};
      case 5:
        return {{"const", below(2) == 0 ? OrderedJson("x y") : OrderedJson::array({1, "two", OrderedJson::object()})}};
      case 6: return text();
      case 7: return {{"$ref", below(2) == 0 ? "#/$defs/name" : "#/$defs/tree"}};
      case 8: return {{"type", "string"}, {"pattern", kPatterns[below(std::size(kPatterns))]}};
      case 9:
      case 10: return object(depth);
      case 11: return array(depth);
      case 12: return {{below(2) == 0 ? "anyOf" : "oneOf", {any(depth - 1), any(depth - 1), any(0)}}};
      default: {
        const int low = number();
        OrderedJson a = object(depth);
        a.erase("additionalProperties");  // parts of allOf do not close what others open
        return {{"allOf",
                 {a,
                  {{"properties", {{"merged", {{"type", "integer"}, {"minimum", low}}}}}},
                  {{"required", {"merged"}}, {"properties", {{"merged", {{"maximum", low + 20}}}}}}}}};
      }
    }
  }

  OrderedJson bounded(const char* type) {
    OrderedJson schema = {{"type", type}};
    const int low = number();
    if (below(2) == 0) schema["minimum"] = low;
    if (below(2) == 0) schema["maximum"] = low + static_cast<int>(below(300));
    if (schema["type"] == "integer" && below(3) == 0) schema["exclusiveMinimum"] = low - 1;
    return schema;
  }

  OrderedJson text() {
    OrderedJson schema = {{"type", "string"}};
    const std::size_t low = below(4);
    if (below(2) == 0) schema["minLength"] = low;
    if (below(2) == 0) schema["maxLength"] = low + below(90);
    return schema;
  }

  OrderedJson object(int depth) {
    OrderedJson schema = {
        {"type", "object"}, {"properties", OrderedJson::object()}, {"required", OrderedJson::array()}};
    const std::size_t count = below(5);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = kNames[below(std::size(kNames))];
      schema["properties"][name] = any(depth - 1);
      if (below(2) == 0) schema["required"].push_back(name);
    }
    if (below(4) == 0)
      schema["additionalProperties"] = below(2) == 0 ? OrderedJson(false) : OrderedJson(bounded("integer"));
    return schema;
  }

  OrderedJson array(int depth) {
    OrderedJson schema = {{"type", "array"}};
    if (below(3) != 0) schema["items"] = any(depth - 1);
    if (below(3) == 0) schema["prefixItems"] = {any(0), any(depth - 1)};
    const std::size_t low = below(4);
    if (below(2) == 0) schema["minItems"] = low;
    if (below(2) == 0) schema["maxItems"] = low + below(4);
    return schema;
  }

  static constexpr const char* kNames[] = {"a", "ab", "abc", "name", "é", "q\"", "x-y", ""};
  static constexpr const char* kPatterns[] = {"^[a-z]{2,4}-\\d+$", "ab|^x", "^(?:\\\\|\"|\\t)*$", "[^a-y]$",
                                              "^a[x-z]c?(b+|\\w )$"};
  std::mt19937 random_;
};

/// A text that the masks lead through. What comes nearer to its end is preferred, more and more.
std::string random_text(Matcher& at, const Vocabulary& tokens, Generator& random) {
  std::string text;
  while (!at.must_end()) {
    const auto mask = at.mask();
    if (!mask || (*mask)->count() == 0) return text + " (stuck)";
    std::vector<TokenId> allowed, ascii, closing, quoting;
    for (TokenId id = 0; id < static_cast<TokenId>(tokens.size()); ++id) {
      if (!(*mask)->allows(id)) continue;
      allowed.push_back(id);
      const auto first = static_cast<unsigned char>(tokens.bytes(id)[0]);
      if (first < 0x80) ascii.push_back(id);
      if (first == '}' || first == ']' || first == '0') closing.push_back(id);
      if (first == '"' || id == test::kEnd) quoting.push_back(id);
    }
    const std::vector<TokenId>* from = &allowed;
    if (random.below(400) < 40 + text.size()) {
      if (!quoting.empty())
        from = &quoting;
      else if (!closing.empty() && random.below(2) == 0)
        from = &closing;
      else if (!ascii.empty())
        from = &ascii;
    }
    const TokenId next = (*from)[random.below(from->size())];
    if (!at.accept(next)) return text + " (not accepted)";
    if (next == test::kEnd) break;
    text += tokens.bytes(next);
    if (text.size() > 20000) return text + " (endless)";
  }
  return text;
}

TEST(RandomSchema, TextsAreValid) {
  const auto tokens = test::vocabulary(
      {"\": ", "\", \"", "},", "ab", "abc\"", "name", "true", "null", "12", ": [", "{\"", "]}", "\\u00", "\n  "});
  std::size_t texts = 0, empty = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    Generator random(seed);
    const OrderedJson schema = random.whole();
    const auto grammar = Grammar::from_json_schema(schema, "s");
    if (!grammar) {
      // Only what no value can be valid under, such as a required property between two equal bounds that exclude it.
      ASSERT_NE(grammar.error().message.find("no text can match"), std::string::npos) << schema << "\n"
                                                                                      << grammar.error().message;
      ++empty;
      continue;
    }
    const auto constraint = std::make_shared<const Constraint>(*grammar, tokens);
    for (int i = 0; i < 4; ++i) {
      Matcher at(constraint);
      const std::string text = random_text(at, *tokens, random);
      const auto value = parse_json(text, "text");
      ASSERT_TRUE(value) << schema << "\n" << text << "\n" << value.error().message;
      ASSERT_TRUE(test::is_valid(*value, schema, schema)) << schema << "\n" << text;
      ++texts;
    }
  }
  EXPECT_GT(texts, 1000U);
  EXPECT_LT(empty, 20U);
}

}  // namespace
}  // namespace lieq::grammar
