#pragma once
/// Whether a value is valid under a schema: the keywords that random schemas of the tests use, checked on the value,
/// which is what the grammar never sees.

#include <algorithm>
#include <cmath>
#include <regex>
#include <string>

#include "lieq/base/json.h"
#include "lieq/base/utf8.h"

namespace lieq::grammar::test {

inline bool is_type(const Json& value, const std::string& type) {
  if (type == "number") return value.is_number();
  if (type == "integer")
    return value.is_number_integer() ||
           (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
  return type == value.type_name();
}

inline std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

inline bool is_valid(const Json& value, const OrderedJson& schema, const OrderedJson& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  const auto all_of = [&](const char* key) {
    return !schema.contains(key) || std::all_of(schema[key].begin(), schema[key].end(),
                                                [&](const OrderedJson& part) { return is_valid(value, part, root); });
  };
  const auto any_of = [&](const char* key) {
    return !schema.contains(key) || std::any_of(schema[key].begin(), schema[key].end(),
                                                [&](const OrderedJson& part) { return is_valid(value, part, root); });
  };
  if (!all_of("allOf") || !any_of("anyOf") || !any_of("oneOf")) return false;
  if (schema.contains("$ref")) {
    const auto pointer = OrderedJson::json_pointer(schema["$ref"].get<std::string>().substr(1));
    if (!is_valid(value, root.at(pointer), root)) return false;
  }
  if (schema.contains("type")) {
    const OrderedJson types = schema["type"].is_array() ? schema["type"] : OrderedJson::array({schema["type"]});
    if (std::none_of(types.begin(), types.end(), [&](const OrderedJson& type) { return is_type(value, type); }))
      return false;
  }
  if (schema.contains("const") && Json(schema["const"]) != value) return false;
  if (schema.contains("enum")) {
    const Json values = schema["enum"];
    if (std::find(values.begin(), values.end(), value) == values.end()) return false;
  }
  const auto limit = [&](const char* key, double fallback) {
    return schema.contains(key) ? schema[key].get<double>() : fallback;
  };
  if (value.is_number()) {
    const double number = value.get<double>();
    if (number < limit("minimum", -INFINITY) || number > limit("maximum", INFINITY)) return false;
    if (number <= limit("exclusiveMinimum", -INFINITY) || number >= limit("exclusiveMaximum", INFINITY)) return false;
  }
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    const auto length = static_cast<double>(characters(text));
    if (length < limit("minLength", 0) || length > limit("maxLength", INFINITY)) return false;
    if (schema.contains("pattern") && !std::regex_search(text, std::regex(schema["pattern"].get<std::string>())))
      return false;
  }
  if (value.is_array()) {
    const auto count = static_cast<double>(value.size());
    if (count < limit("minItems", 0) || count > limit("maxItems", INFINITY)) return false;
    const std::size_t listed = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i < listed && !is_valid(value[i], schema["prefixItems"][i], root)) return false;
      if (i >= listed && schema.contains("items") && !is_valid(value[i], schema["items"], root)) return false;
    }
  }
  if (value.is_object()) {
    if (schema.contains("required")) {
      for (const OrderedJson& name : schema["required"]) {
        if (!value.contains(name.get<std::string>())) return false;
      }
    }
    for (const auto& [key, inner] : value.items()) {
      const bool listed = schema.contains("properties") && schema["properties"].contains(key);
      if (listed && !is_valid(inner, schema["properties"][key], root)) return false;
      if (!listed && schema.contains("additionalProperties") && !is_valid(inner, schema["additionalProperties"], root))
        return false;
    }
  }
  return true;
}

}  // namespace lieq::grammar::test
