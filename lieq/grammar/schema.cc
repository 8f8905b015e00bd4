/// JSON Schema to rules.

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"
#include "lieq/grammar/automaton.h"
#include "lieq/grammar/grammar.h"
#include "lieq/grammar/json_rules.h"
#include "lieq/grammar/schema_leaves.h"
#include "lieq/grammar/schema_text.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxSchemaDepth = 100;
constexpr std::size_t kMaxNameBytes = 500;  ///< of a property beside additionalProperties

bool deeper_than(const OrderedJson& value, std::size_t depth) {
  if (!value.is_structured()) return false;
  if (depth == 0) return true;
  return std::any_of(value.begin(), value.end(),
                     [&](const OrderedJson& inner) { return deeper_than(inner, depth - 1); });
}

class SchemaReader {
 public:
  SchemaReader(Rules& rules, JsonRules& json, const OrderedJson& root, const std::string& place,
               std::vector<std::string>* warnings)
      : rules_(rules), json_(json), text_(root, place, warnings) {}

  /// The rule of the whole schema.
  Result<RuleId> run() {
    if (deeper_than(text_.root(), kMaxSchemaDepth)) {
      return text_.unsupported("#", "nesting deeper than " + std::to_string(kMaxSchemaDepth));
    }
    const RuleId root = rules_.declare("#");
    references_.emplace("#", root);
    pending_.push_back({"#", &text_.root(), root});
    while (!pending_.empty()) {
      const Pending next = pending_.front();
      pending_.pop_front();
      LIEQ_ASSIGN(const Expression body, read(*next.schema, next.path, 0));
      rules_.define(next.rule, body);
    }
    return root;
  }

 private:
  struct Pending {
    std::string path;
    const OrderedJson* schema;
    RuleId rule;
  };
  static constexpr std::size_t kMaxReadDepth = 300;  ///< merging can make schemas deeper than what was given

  Result<Expression> read(const OrderedJson& schema, const std::string& path, std::size_t depth) {
    if (schema == true) return json_.any();
    if (schema == false) return rules_.nothing();
    if (!schema.is_object())
      return fail(ErrorCode::kInvalidFormat,
                  text_.at(path) + ": found " + brief(Json(schema)) + ", expected a schema: an object, true or false");
    if (depth > kMaxReadDepth || rules_.full()) return text_.unsupported(path, "so large a schema");
    LIEQ_TRY(text_.check_keywords(schema, path));
    LIEQ_ASSIGN(const Expression body, read_object_schema(schema, path, depth));
    // A rule, so that repeating it, or calling it from many places, costs nothing.
    return rules_[body].kind == ExpressionNode::Kind::kRule ? body : rules_.named(path, body);
  }

  Result<Expression> read_object_schema(const OrderedJson& schema, const std::string& path, std::size_t depth) {
    if (schema.contains("$ref")) return read_reference(schema, path, depth);
    if (schema.contains("allOf")) {
      LIEQ_ASSIGN(const OrderedJson merged, text_.merge(schema, true, path));
      return read(merged, path, depth + 1);
    }
    for (const char* key : {"anyOf", "oneOf"}) {
      if (schema.contains(key)) return read_branches(schema, key, path, depth);
    }
    if (schema.contains("const") || schema.contains("enum")) return read_values(schema, path);
    LIEQ_ASSIGN(const std::vector<std::string> types, types_for(schema, path));
    if (types.empty()) return json_.any();
    std::vector<Expression> options;
    for (const std::string& type : types) {
      LIEQ_ASSIGN(const Expression option, read_type(type, schema, path, depth));
      options.push_back(option);
    }
    return rules_.choice(std::move(options));
  }

  Result<Expression> read_reference(const OrderedJson& schema, const std::string& path, std::size_t depth) {
    OrderedJson rest = schema;
    rest.erase("$ref");
    if (constrains(rest)) {
      LIEQ_ASSIGN(const OrderedJson merged, text_.merge(schema, true, path));
      return read(merged, path, depth + 1);
    }
    LIEQ_ASSIGN(const OrderedJson* target, text_.resolve(schema["$ref"], path));
    const auto& name = schema["$ref"].get_ref<const std::string&>();
    const auto [found, is_new] = references_.try_emplace(name, 0);
    if (is_new) {
      found->second = rules_.declare(name);
      pending_.push_back({name, target, found->second});
    }
    return rules_.rule(found->second);
  }

  Result<Expression> read_branches(const OrderedJson& schema, const char* key, const std::string& path,
                                   std::size_t depth) {
    const OrderedJson& branches = schema[key];
    if (!branches.is_array() || branches.empty()) return text_.malformed(path, key, branches, "a list of schemas");
    OrderedJson rest = schema;
    rest.erase(key);
    if (std::string_view(key) == "oneOf" && branches.size() > 1 && !SchemaText::disjoint(branches)) {
      text_.warn(path, "oneOf is taken as anyOf");
    }
    std::vector<Expression> options;
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const std::string branch_path = below(below(path, key), std::to_string(i));
      if (constrains(rest)) {
        LIEQ_ASSIGN(const OrderedJson merged, text_.merge(rest, branches[i], branch_path));
        LIEQ_ASSIGN(const Expression option, read(merged, branch_path, depth + 1));
        options.push_back(option);
      } else {
        LIEQ_ASSIGN(const Expression option, read(branches[i], branch_path, depth + 1));
        options.push_back(option);
      }
    }
    return rules_.choice(std::move(options));
  }

  /// The types that a schema speaks of: `type`, or else those that its keywords are about.
  Result<std::vector<std::string>> types_for(const OrderedJson& schema, const std::string& path) {
    std::vector<std::string> types;
    if (schema.contains("type")) {
      const OrderedJson& type = schema["type"];
      for (const OrderedJson& name : type.is_array() ? type : OrderedJson::array({type})) {
        constexpr std::string_view kTypes[] = {"object", "array", "string", "number", "integer", "boolean", "null"};
        if (!name.is_string() ||
            std::find(std::begin(kTypes), std::end(kTypes), name.get<std::string>()) == std::end(kTypes)) {
          return text_.malformed(path, "type", name, "object, array, string, number, integer, boolean or null");
        }
        types.push_back(name.get<std::string>());
      }
      if (types.empty()) return text_.malformed(path, "type", type, "a type that all parts allow");
      return types;
    }
    const auto has = [&](std::initializer_list<const char*> keys) {
      return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return schema.contains(key); });
    };
    if (has({"properties", "required", "additionalProperties"})) types.emplace_back("object");
    if (has({"items", "prefixItems", "additionalItems", "minItems", "maxItems"})) types.emplace_back("array");
    if (has({"minLength", "maxLength", "pattern"}) || (has({"format"}) && types.empty())) types.emplace_back("string");
    if (has({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})) types.emplace_back("number");
    return types;
  }

  Result<Expression> read_type(const std::string& type, const OrderedJson& schema, const std::string& path,
                               std::size_t depth) {
    if (type == "object") return read_object(schema, path, depth);
    if (type == "array") return read_array(schema, path, depth);
    if (type == "string") return string_schema(rules_, json_, text_, schema, path);
    if (type == "null") return rules_.text("null");
    if (type == "boolean") return json_.boolean();
    return number_schema(rules_, json_, text_, schema, type == "integer", path);
  }

  // --- values that are listed

  Result<Expression> read_values(const OrderedJson& schema, const std::string& path) {
    OrderedJson values = OrderedJson::array();
    if (schema.contains("enum")) {
      if (!schema["enum"].is_array() || schema["enum"].empty())
        return text_.malformed(path, "enum", schema["enum"], "a list of values");
      values = schema["enum"];
    }
    if (schema.contains("const")) {
      const OrderedJson& value = schema["const"];
      if (!values.empty() && std::find(values.begin(), values.end(), value) == values.end()) return rules_.nothing();
      values = OrderedJson::array({value});
    }
    std::vector<std::string> types;
    if (schema.contains("type")) {
      LIEQ_ASSIGN(types, types_for(schema, path));
    }
    for (const auto& [key, ignored] : schema.items()) {
      if (key == "enum" || key == "const" || key == "type" || !constrains({{key, ignored}})) continue;
      if (key == "format") continue;
      return text_.unsupported(path, "keyword " + in_quotes(key) + " beside enum or const");
    }
    std::vector<Expression> options;
    for (const OrderedJson& value : values) {
      if (types.empty() || is_of(value, types)) options.push_back(literal(value));
    }
    return rules_.choice(std::move(options));
  }

  static bool is_of(const OrderedJson& value, const std::vector<std::string>& types) {
    return std::any_of(types.begin(), types.end(), [&](const std::string& type) {
      if (type == "number") return value.is_number();
      if (type == "integer") {
        return value.is_number_integer() ||
               (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
      }
      return type == value.type_name();
    });
  }

  static std::string dumped(const OrderedJson& value) {
    return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  }

  Expression literal(const OrderedJson& value) {
    if (!value.is_structured() || value.empty()) return rules_.text(dumped(value));
    std::vector<Expression> parts;
    for (const auto& [key, inner] : value.items()) {
      if (!parts.empty()) parts.push_back(json_.comma());
      parts.push_back(value.is_object() ? json_.member(rules_.text(dumped(key)), literal(inner)) : literal(inner));
    }
    const Expression all = rules_.sequence(std::move(parts));
    return value.is_object() ? json_.braces(all, false) : json_.brackets(all, false);
  }

  // --- arrays and objects

  Result<Expression> read_array(const OrderedJson& schema, const std::string& path, std::size_t depth) {
    LIEQ_ASSIGN(const auto min_items, count_of(text_, schema, "minItems", path));
    LIEQ_ASSIGN(const auto max_items, count_of(text_, schema, "maxItems", path));
    const std::size_t min = min_items.value_or(0), max = max_items.value_or(kNoLimit);
    // Before 2020 a list was `items`, and what follows it `additionalItems`.
    const bool old_list = schema.contains("items") && schema["items"].is_array();
    const char* list_key = old_list ? "items" : "prefixItems";
    const char* rest_key = old_list ? "additionalItems" : "items";
    std::vector<Expression> first;
    if (schema.contains(list_key)) {
      if (!schema[list_key].is_array()) return text_.malformed(path, list_key, schema[list_key], "a list of schemas");
      for (std::size_t i = 0; i < schema[list_key].size(); ++i) {
        LIEQ_ASSIGN(const Expression item,
                    read(schema[list_key][i], below(below(path, list_key), std::to_string(i)), depth + 1));
        first.push_back(item);
      }
    }
    Expression rest = json_.any();
    if (schema.contains(rest_key)) {
      LIEQ_ASSIGN(rest, read(schema[rest_key], below(path, rest_key), depth + 1));
    }
    if (max == 0) return json_.brackets(rules_.nothing(), true);
    // From the back: items from the i-th on, each with the comma before it.
    const std::size_t listed = std::min(first.size(), max);
    const auto minus = [](std::size_t a, std::size_t b) { return a > b ? a - b : 0; };
    const std::size_t more_max = max == kNoLimit ? kNoLimit : max - listed;
    const bool rest_first = listed == 0;  // the first item, which no comma precedes, is one of the rest
    const Expression more = rules_.sequence({json_.comma(), rest});
    Expression tail =
        rules_.repeat(more, minus(min, listed + rest_first), more_max == kNoLimit ? kNoLimit : more_max - rest_first);
    for (std::size_t i = listed; i-- > 1;) {
      const Expression from_here = rules_.sequence({json_.comma(), first[i], tail});
      tail = i < min ? from_here : rules_.optional(from_here);
    }
    return json_.brackets(rules_.sequence({rest_first ? rest : first[0], tail}), min == 0);
  }

  Result<Expression> read_object(const OrderedJson& schema, const std::string& path, std::size_t depth) {
    static const OrderedJson kNone = OrderedJson::object(), kEmpty = OrderedJson::array();
    const OrderedJson& properties = schema.contains("properties") ? schema["properties"] : kNone;
    const OrderedJson& required = schema.contains("required") ? schema["required"] : kEmpty;
    if (!properties.is_object()) return text_.malformed(path, "properties", properties, "an object of schemas");
    if (!required.is_array()) return text_.malformed(path, "required", required, "a list of names");
    const bool open = schema.contains("additionalProperties");
    const OrderedJson additional = open ? schema["additionalProperties"] : OrderedJson(properties.empty());

    std::vector<Expression> members;
    std::vector<bool> is_required;
    std::vector<std::string> names;
    const auto add = [&](const std::string& name, const OrderedJson& value, const std::string& value_path,
                         bool must) -> Result<void> {
      LIEQ_ASSIGN(const Expression read_value, read(value, value_path, depth + 1));
      if (!must && rules_[read_value].kind == ExpressionNode::Kind::kChoice && rules_[read_value].parts.empty())
        return {};
      members.push_back(json_.member(rules_.text(dumped(name)), read_value));
      is_required.push_back(must);
      return {};
    };
    for (const auto& [name, value] : properties.items()) {
      names.push_back(name);
      const bool must = std::find(required.begin(), required.end(), OrderedJson(name)) != required.end();
      LIEQ_TRY(add(name, value, below(below(path, "properties"), name), must));
    }
    for (const OrderedJson& name : required) {
      if (!name.is_string()) return text_.malformed(path, "required", name, "names");
      if (std::find(names.begin(), names.end(), name.get<std::string>()) != names.end()) continue;
      if (open && additional == false) return text_.malformed(path, "required", name, "one of the properties");
      names.push_back(name.get<std::string>());
      LIEQ_TRY(add(names.back(), open ? additional : OrderedJson(true), below(path, "additionalProperties"), true));
    }
    if (additional != false) {
      LIEQ_ASSIGN(const Expression value, read(additional, below(path, "additionalProperties"), depth + 1));
      for (const std::string& name : names) {
        if (name.size() > kMaxNameBytes) return text_.unsupported(path, "additionalProperties beside so long a name");
      }
      const Expression one = json_.member(names.empty() ? json_.string() : json_.string_other_than(names), value);
      members.push_back(rules_.sequence({one, rules_.repeat(rules_.sequence({json_.comma(), one}), 0, kNoLimit)}));
      is_required.push_back(false);
    }
    const bool may_be_empty = std::find(is_required.begin(), is_required.end(), true) == is_required.end();
    if (members.empty()) return json_.braces(rules_.nothing(), true);
    return json_.braces(rules_.ordered(json_.comma(), members, is_required), may_be_empty);
  }

  Rules& rules_;
  JsonRules& json_;
  SchemaText text_;
  std::map<std::string, RuleId> references_;
  std::deque<Pending> pending_;
};

Result<Grammar> built(Rules rules, RuleId root, const std::string& place) {
  LIEQ_ASSIGN(Automaton automaton, build_automaton(std::move(rules), root, place));
  return Grammar(std::make_shared<const Automaton>(std::move(automaton)));
}

}  // namespace

Result<Grammar> Grammar::from_json_schema(const OrderedJson& schema, const std::string& place,
                                          std::vector<std::string>* warnings) {
  Rules rules;
  JsonRules json(rules);
  LIEQ_ASSIGN(const RuleId root, SchemaReader(rules, json, schema, place, warnings).run());
  return built(std::move(rules), root, place);
}

Result<Grammar> Grammar::from_framed_schemas(const std::vector<FramedSchema>& schemas, const std::string& place) {
  Rules rules;
  JsonRules json(rules);
  std::vector<Expression> texts;
  for (const FramedSchema& one : schemas) {
    LIEQ_ASSIGN(const RuleId value, SchemaReader(rules, json, one.schema, one.place, nullptr).run());
    texts.push_back(rules.sequence({rules.text(one.before), rules.rule(value), rules.text(one.after)}));
  }
  const RuleId root = rules.declare("root");
  rules.define(root, rules.choice(std::move(texts)));
  return built(std::move(rules), root, place);
}

Grammar Grammar::json_object() {
  static const Grammar kObject = *from_json_schema({{"type", "object"}}, "json_object");
  return kObject;
}

}  // namespace lieq::grammar
