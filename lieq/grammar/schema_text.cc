#include "lieq/grammar/schema_text.h"

#include <algorithm>
#include <array>
#include <set>

#include "lieq/base/message.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxMerges = 2000;
constexpr std::size_t kMaxBranches = 256;  ///< of anyOf, after two of them were merged

constexpr std::array<std::string_view, 17> kAnnotations = {
    "$anchor",          "$comment",      "$defs",    "$id",         "$schema",    "contentEncoding",
    "contentMediaType", "contentSchema", "default",  "definitions", "deprecated", "description",
    "example",          "examples",      "readOnly", "title",       "writeOnly"};
constexpr std::array<std::string_view, 24> kObeyed = {"$ref",
                                                      "additionalItems",
                                                      "additionalProperties",
                                                      "allOf",
                                                      "anyOf",
                                                      "const",
                                                      "enum",
                                                      "exclusiveMaximum",
                                                      "exclusiveMinimum",
                                                      "format",
                                                      "items",
                                                      "maxItems",
                                                      "maxLength",
                                                      "maximum",
                                                      "minItems",
                                                      "minLength",
                                                      "minimum",
                                                      "multipleOf",
                                                      "oneOf",
                                                      "pattern",
                                                      "prefixItems",
                                                      "properties",
                                                      "required",
                                                      "type"};
constexpr std::array<std::string_view, 21> kRefused = {"$dynamicAnchor",
                                                       "$dynamicRef",
                                                       "$recursiveAnchor",
                                                       "$recursiveRef",
                                                       "contains",
                                                       "dependencies",
                                                       "dependentRequired",
                                                       "dependentSchemas",
                                                       "else",
                                                       "if",
                                                       "maxContains",
                                                       "maxProperties",
                                                       "minContains",
                                                       "minProperties",
                                                       "not",
                                                       "patternProperties",
                                                       "propertyNames",
                                                       "then",
                                                       "unevaluatedItems",
                                                       "unevaluatedProperties",
                                                       "uniqueItems"};

bool is_in(const auto& list, std::string_view keyword) {
  return std::find(list.begin(), list.end(), keyword) != list.end();
}

/// A refused keyword with a value that asks for nothing.
bool asks_nothing(std::string_view keyword, const OrderedJson& value) {
  if (keyword == "uniqueItems" || keyword == "nullable") return value == false;
  if (keyword == "minProperties") return value == 0;
  if (keyword == "unevaluatedItems" || keyword == "unevaluatedProperties") return value == true;
  if (keyword == "patternProperties" || keyword == "dependentRequired" || keyword == "dependentSchemas") {
    return value.is_object() && value.empty();
  }
  return false;
}

std::vector<std::string> types_of(const OrderedJson& schema) {
  std::vector<std::string> types;
  const auto add_value = [&](const OrderedJson& value) {
    types.push_back(value.is_number() ? "number" : value.type_name());
  };
  if (!schema.is_object()) return {};
  if (schema.contains("const")) {
    add_value(schema["const"]);
  } else if (schema.contains("enum") && schema["enum"].is_array()) {
    for (const OrderedJson& value : schema["enum"]) add_value(value);
  } else if (schema.contains("type")) {
    const OrderedJson& type = schema["type"];
    for (const OrderedJson& name : type.is_array() ? type : OrderedJson::array({type})) {
      if (name.is_string()) types.push_back(name == "integer" ? "number" : name.get<std::string>());
    }
  }
  return types;
}

/// The values a schema allows, when it lists them.
OrderedJson listed(const OrderedJson& schema) {
  if (!schema.is_object()) return nullptr;
  if (schema.contains("const")) return OrderedJson::array({schema["const"]});
  return schema.contains("enum") ? schema["enum"] : OrderedJson(nullptr);
}

bool share_none(const auto& a, const auto& b) {
  return std::none_of(a.begin(), a.end(), [&](const auto& x) { return std::find(b.begin(), b.end(), x) != b.end(); });
}

bool are_disjoint(const OrderedJson& a, const OrderedJson& b) {
  const auto types_a = types_of(a), types_b = types_of(b);
  if (types_a.empty() || types_b.empty()) return false;
  if (share_none(types_a, types_b)) return true;
  const OrderedJson values_a = listed(a), values_b = listed(b);
  if (values_a.is_array() && values_b.is_array()) return share_none(values_a, values_b);
  // A value that is an object must be told by a property; one that is something else, not at all.
  if (types_a != std::vector<std::string>{"object"} || types_a != types_b) return false;
  const auto requires_key = [](const OrderedJson& schema, const std::string& key) {
    const auto required = schema.find("required");
    return required != schema.end() && required->is_array() &&
           std::find(required->begin(), required->end(), OrderedJson(key)) != required->end();
  };
  const auto properties_a = a.find("properties"), properties_b = b.find("properties");
  if (properties_a == a.end() || properties_b == b.end() || !properties_a->is_object() || !properties_b->is_object())
    return false;
  for (const auto& [key, own] : properties_a->items()) {
    const auto other = properties_b->find(key);
    if (other == properties_b->end() || !requires_key(a, key) || !requires_key(b, key)) continue;
    const OrderedJson one = listed(own), two = listed(*other);
    if (one.is_array() && two.is_array() && share_none(one, two)) return true;
  }
  return false;
}

OrderedJson both(const OrderedJson& a, const OrderedJson& b) { return {{"allOf", OrderedJson::array({a, b})}}; }

OrderedJson types_in_both(const OrderedJson& a, const OrderedJson& b) {
  const auto list = [](const OrderedJson& type) { return type.is_array() ? type : OrderedJson::array({type}); };
  OrderedJson kept = OrderedJson::array();
  const OrderedJson others = list(b);
  const auto has = [](const OrderedJson& names, const char* name) {
    return std::find(names.begin(), names.end(), OrderedJson(name)) != names.end();
  };
  for (const OrderedJson& name : list(a)) {
    if (std::find(others.begin(), others.end(), name) != others.end())
      kept.push_back(name);
    else if (name == "integer" && has(others, "number"))
      kept.push_back(name);
    else if (name == "number" && has(others, "integer"))
      kept.push_back("integer");
  }
  return kept;
}

}  // namespace

bool is_annotation(std::string_view keyword) { return is_in(kAnnotations, keyword); }

bool constrains(const OrderedJson& schema) {
  if (!schema.is_object()) return schema != true;
  for (const auto& [key, value] : schema.items()) {
    if (is_in(kObeyed, key) || (is_in(kRefused, key) && !asks_nothing(key, value))) return true;
  }
  return false;
}

std::string below(const std::string& path, std::string_view step) {
  std::string longer = path + '/';
  for (const char c : step) {
    if (c == '~')
      longer += "~0";
    else if (c == '/')
      longer += "~1";
    else
      longer += c;
  }
  return longer;
}

std::string SchemaText::at(const std::string& path) const { return place_ + ": " + printable(path, 120); }

Unexpected SchemaText::unsupported(const std::string& path, const std::string& what) const {
  return fail(ErrorCode::kUnsupported, at(path) + ": " + what + " is not supported");
}

Unexpected SchemaText::malformed(const std::string& path, std::string_view key, const OrderedJson& found,
                                 const std::string& expected) const {
  return fail(ErrorCode::kInvalidFormat,
              at(path) + ": keyword " + in_quotes(key) + ": found " + brief(Json(found)) + ", expected " + expected);
}

void SchemaText::warn(const std::string& path, const std::string& what) {
  constexpr std::size_t kMaxWarnings = 20;
  if (warnings_ == nullptr || warnings_->size() >= kMaxWarnings) return;
  warnings_->push_back(at(path) + ": " + what);
}

Result<void> SchemaText::check_keywords(const OrderedJson& schema, const std::string& path) {
  for (const auto& [key, value] : schema.items()) {
    if (is_annotation(key) || is_in(kObeyed, key)) continue;
    if (key == "nullable" && value != false)
      return unsupported(path, "keyword 'nullable' (type can be [..., \"null\"])");
    if (is_in(kRefused, key)) {
      if (!asks_nothing(key, value)) return unsupported(path, "keyword " + in_quotes(key));
    } else {
      warn(path, "unknown keyword " + in_quotes(key) + " has no effect");
    }
  }
  return {};
}

Result<const OrderedJson*> SchemaText::resolve(const OrderedJson& reference, const std::string& path) const {
  if (!reference.is_string()) return malformed(path, "$ref", reference, "a string");
  const auto& text = reference.get_ref<const std::string&>();
  if (text.empty() || text[0] != '#') return unsupported(path, "$ref " + in_quotes(text) + " to another document");
  const OrderedJson* found = &root_;
  std::size_t at_byte = 1;
  while (at_byte < text.size()) {
    if (text[at_byte] != '/') return unsupported(path, "$ref " + in_quotes(text) + ", which is no JSON pointer,");
    std::string step;
    for (++at_byte; at_byte < text.size() && text[at_byte] != '/'; ++at_byte) {
      const char c = text[at_byte];
      if (c == '~' && at_byte + 1 < text.size())
        step += text[++at_byte] == '1' ? '/' : '~';
      else if (c == '%' && at_byte + 2 < text.size() &&
               std::isxdigit(static_cast<unsigned char>(text[at_byte + 1])) != 0 &&
               std::isxdigit(static_cast<unsigned char>(text[at_byte + 2])) != 0) {
        step += static_cast<char>(std::stoi(text.substr(at_byte + 1, 2), nullptr, 16));
        at_byte += 2;
      } else {
        step += c;
      }
    }
    const OrderedJson* next = nullptr;
    if (found->is_object() && found->contains(step))
      next = &(*found)[step];
    else if (found->is_array() && !step.empty() && step.size() < 6 &&
             step.find_first_not_of("0123456789") == step.npos && std::stoul(step) < found->size()) {
      next = &(*found)[std::stoul(step)];
    }
    if (next == nullptr) return malformed(path, "$ref", reference, "what is in the schema");
    found = next;
  }
  return found;
}

Result<OrderedJson> SchemaText::without_references(const OrderedJson& schema, const std::string& path) {
  if (!schema.is_object() || !(schema.contains("$ref") || schema.contains("allOf"))) return schema;
  OrderedJson rest = schema;
  rest.erase("$ref");
  rest.erase("allOf");
  if (schema.contains("$ref")) {
    LIEQ_ASSIGN(const OrderedJson* target, resolve(schema["$ref"], path));
    LIEQ_ASSIGN(rest, merge(*target, rest, path));
  }
  if (schema.contains("allOf")) {
    const OrderedJson& parts = schema["allOf"];
    if (!parts.is_array()) return malformed(path, "allOf", parts, "a list");
    for (const OrderedJson& part : parts) {
      LIEQ_ASSIGN(rest, merge(rest, part, path));
    }
  }
  return rest;
}

Result<OrderedJson> SchemaText::merge(const OrderedJson& a, const OrderedJson& b, const std::string& path) {
  if (++merges_ > kMaxMerges)
    return unsupported(path, "so much merging (allOf, or $ref beside other keywords; a circle?)");
  for (const OrderedJson* schema : {&a, &b}) {
    if (*schema == false) return OrderedJson(false);
    if (*schema != true && !schema->is_object()) return malformed(path, "allOf", *schema, "schemas");
    if (schema->is_object()) LIEQ_TRY(check_keywords(*schema, path));
  }
  if (a == true) return without_references(b, path);
  LIEQ_ASSIGN(OrderedJson merged, without_references(a, path));
  LIEQ_ASSIGN(const OrderedJson other, without_references(b, path));
  if (other == true || merged == false) return merged;
  if (merged == true || other == false) return other;
  const auto closes = [&](const OrderedJson& one, const OrderedJson& two) {
    const auto additional = one.find("additionalProperties");
    if (additional == one.end() || *additional == true || !two.contains("properties")) return false;
    for (const auto& [key, value] : two["properties"].items()) {
      if (!one.contains("properties") || !one["properties"].contains(key)) return true;
    }
    return false;
  };
  for (const OrderedJson* schema : std::array<const OrderedJson*, 2>{&merged, &other}) {
    if (schema->contains("properties") && !(*schema)["properties"].is_object()) {
      return malformed(path, "properties", (*schema)["properties"], "an object");
    }
  }
  if (closes(merged, other) || closes(other, merged)) {
    return unsupported(path, "additionalProperties beside properties of another part of allOf");
  }
  for (const auto& [key, value] : other.items()) {
    if (is_annotation(key)) continue;
    // Two lists of values, whichever keyword names them, are one enum.
    const bool lists = key == "const" || key == "enum";
    if (lists && (merged.contains("const") || merged.contains("enum"))) {
      const OrderedJson ours = listed(merged), theirs = listed(other);
      if (!ours.is_array() || !theirs.is_array())
        return malformed(path, "enum", ours.is_array() ? theirs : ours, "a list");
      OrderedJson kept = OrderedJson::array();
      for (const OrderedJson& one : ours) {
        if (std::find(theirs.begin(), theirs.end(), one) != theirs.end()) kept.push_back(one);
      }
      if (kept.empty()) return OrderedJson(false);
      merged.erase("const");
      merged["enum"] = std::move(kept);
      continue;
    }
    if (!merged.contains(key)) {
      if (!((key == "anyOf" && merged.contains("oneOf")) || (key == "oneOf" && merged.contains("anyOf")))) {
        merged[key] = value;
        continue;
      }
    } else if (merged[key] == value) {
      continue;
    }
    LIEQ_TRY(merge_keyword(merged, key, value, path));
    if (key == "type" && merged[key].empty()) return OrderedJson(false);
  }
  return merged;
}

Result<void> SchemaText::merge_keyword(OrderedJson& into, const std::string& key, const OrderedJson& value,
                                       const std::string& path) {
  const bool greater = key == "minimum" || key == "exclusiveMinimum" || key == "minLength" || key == "minItems";
  const bool smaller = key == "maximum" || key == "exclusiveMaximum" || key == "maxLength" || key == "maxItems";
  if (greater || smaller) {
    if (!value.is_number() || !into[key].is_number()) return malformed(path, key, value, "a number");
    if (greater ? value > into[key] : value < into[key]) into[key] = value;
  } else if (key == "type") {
    into[key] = types_in_both(into[key], value);
  } else if (key == "required") {
    if (!value.is_array() || !into[key].is_array()) return malformed(path, key, value, "a list");
    for (const OrderedJson& name : value) {
      if (std::find(into[key].begin(), into[key].end(), name) == into[key].end()) into[key].push_back(name);
    }
  } else if (key == "properties") {
    for (const auto& [name, schema] : value.items()) {
      into[key][name] = into[key].contains(name) ? both(into[key][name], schema) : schema;
    }
  } else if (key == "items" || key == "additionalProperties") {
    if (value.is_array() || into[key].is_array()) return unsupported(path, "a list of 'items' in two parts of allOf");
    into[key] = both(into[key], value);
  } else if (key == "anyOf" || key == "oneOf") {
    const char* other = into.contains("anyOf") ? "anyOf" : "oneOf";
    const OrderedJson ours = into[other];
    if (!value.is_array() || !ours.is_array()) return malformed(path, key, value, "a list");
    if (ours.size() * value.size() > kMaxBranches)
      return unsupported(path, "so many branches of anyOf in two parts of allOf");
    OrderedJson pairs = OrderedJson::array();
    for (const OrderedJson& a : ours) {
      for (const OrderedJson& b : value) pairs.push_back(both(a, b));
    }
    const bool one_of = key == "oneOf" || std::string_view(other) == "oneOf";
    into.erase(other);
    into[one_of ? "oneOf" : "anyOf"] = std::move(pairs);
  } else {
    return unsupported(path, "keyword " + in_quotes(key) + " with two values in parts of allOf");
  }
  return {};
}

bool SchemaText::disjoint(const OrderedJson& schemas) {
  constexpr std::size_t kMaxCompared = 100;
  if (schemas.size() > kMaxCompared) return false;
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (!are_disjoint(schemas[i], schemas[k])) return false;
    }
  }
  return true;
}

}  // namespace lieq::grammar
