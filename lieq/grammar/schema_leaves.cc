#include "lieq/grammar/schema_leaves.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/grammar/formats.h"
#include "lieq/grammar/number_range.h"
#include "lieq/grammar/pattern.h"

namespace lieq::grammar {

Result<std::optional<std::size_t>> count_of(const SchemaText& text, const OrderedJson& schema, const char* key,
                                            const std::string& path) {
  if (!schema.contains(key)) return std::nullopt;
  constexpr double kMost = 1e9;
  const OrderedJson& value = schema[key];
  if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > kMost ||
      std::floor(value.get<double>()) != value.get<double>()) {
    return text.malformed(path, key, value, "a whole number from 0 to 1000000000");
  }
  return static_cast<std::size_t>(value.get<double>());
}

Result<Expression> string_schema(Rules& rules, JsonRules& json, SchemaText& text, const OrderedJson& schema,
                                 const std::string& path) {
  LIEQ_ASSIGN(const auto min, count_of(text, schema, "minLength", path));
  LIEQ_ASSIGN(const auto max, count_of(text, schema, "maxLength", path));
  const bool has_lengths = min.value_or(0) > 0 || max;
  std::optional<std::string> pattern;
  if (schema.contains("pattern")) {
    if (!schema["pattern"].is_string()) return text.malformed(path, "pattern", schema["pattern"], "a string");
    pattern = schema["pattern"].get<std::string>();
    if (has_lengths)
      return text.unsupported(path, std::string("keyword '") + (max ? "maxLength" : "minLength") + "' beside pattern");
  }
  if (schema.contains("format")) {
    if (!schema["format"].is_string()) return text.malformed(path, "format", schema["format"], "a string");
    const auto name = schema["format"].get<std::string>();
    if (const auto of_format = format_pattern(name); !of_format) {
      text.warn(path, "format " + in_quotes(name) + " has no effect");
    } else if (pattern || has_lengths) {
      return text.unsupported(path, std::string("keyword '") +
                                        (pattern ? "pattern"
                                         : max   ? "maxLength"
                                                 : "minLength") +
                                        "' beside format " + in_quotes(name));
    } else {
      pattern = of_format;
    }
  }
  if (!pattern && !has_lengths) return json.string();
  Expression inside = 0;
  if (pattern) {
    LIEQ_ASSIGN(inside, pattern_characters(rules, json, *pattern, text.at(path) + ": pattern " + in_quotes(*pattern)));
  } else {
    inside = rules.repeat(json.character(), min.value_or(0), max.value_or(kNoLimit));
  }
  return rules.sequence({rules.text("\""), inside, rules.text("\"")});
}

Result<Expression> number_schema(Rules& rules, JsonRules& json, SchemaText& text, const OrderedJson& schema,
                                 bool integer, const std::string& path) {
  if (schema.contains("multipleOf") && !(integer && schema["multipleOf"] == 1)) {
    return text.unsupported(path, "keyword 'multipleOf'");
  }
  std::int64_t low = -kLargestInteger, high = kLargestInteger;
  bool bounded = false;
  struct Bound {
    const char* key;
    bool is_minimum, exclusive;
  };
  for (const auto& [key, is_minimum, exclusive] :
       {Bound{"minimum", true, false}, Bound{"exclusiveMinimum", true, true}, Bound{"maximum", false, false},
        Bound{"exclusiveMaximum", false, true}}) {
    if (!schema.contains(key)) continue;
    bounded = true;
    const OrderedJson& value = schema[key];
    if (!value.is_number()) return text.malformed(path, key, value, "a number");
    // Beyond 2^53 a double is whole; bounds beyond 18 digits allow all that is written, or nothing.
    constexpr double kBeyond = 4e18;
    const double number = std::clamp(value.get<double>(), -kBeyond, kBeyond);
    const double whole = is_minimum ? std::ceil(number) : std::floor(number);
    const bool exact = value.is_number_integer() && std::abs(number) < kBeyond;
    if (!integer && (exclusive || whole != number)) {
      return text.unsupported(
          path, std::string("keyword '") + key + "' of numbers, but for minimum and maximum with whole values,");
    }
    std::int64_t bound = exact ? value.get<std::int64_t>() : static_cast<std::int64_t>(whole);
    if (exclusive && whole == number) bound += is_minimum ? 1 : -1;
    if (is_minimum)
      low = std::max(low, bound);
    else
      high = std::min(high, bound);
  }
  if (!bounded) return integer ? json.integer() : json.number();
  return integer ? integers_between(rules, low, high) : numbers_between(rules, low, high);
}

}  // namespace lieq::grammar
