/// What stands behind `is`.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lieq/jinja/characters.h"
#include "lieq/jinja/interpreter.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

using Plain = bool (*)(const Value& value);

bool is_whole(const Value& value) { return value.integer() && !value.boolean(); }
bool is_constant(const Value& value, bool wanted) { return value.boolean() && *value.boolean() == wanted; }
bool is_sequence(const Value& value) {
  return value.is_undefined() || value.string() || value.dict() || (value.sequence() && value.sequence()->has_index());
}

constexpr std::array<std::pair<std::string_view, Plain>, 16> kPlain = {{
    {"boolean", [](const Value& value) { return value.boolean() != nullptr; }},
    {"callable", [](const Value& value) { return value.callable() != nullptr; }},
    {"defined", [](const Value& value) { return !value.is_undefined(); }},
    {"escaped", [](const Value&) { return false; }},
    {"false", [](const Value& value) { return is_constant(value, false); }},
    {"float", [](const Value& value) { return value.real() != nullptr; }},
    {"integer", is_whole},
    {"iterable",
     [](const Value& value) { return value.is_undefined() || value.string() || value.dict() || value.sequence(); }},
    {"lower", [](const Value& value) { return is_cased(to_text(value), Case::kLower); }},
    {"mapping", [](const Value& value) { return value.dict() != nullptr; }},
    {"none", [](const Value& value) { return value.is_none(); }},
    {"number", [](const Value& value) { return value.number().has_value(); }},
    {"sequence", is_sequence},
    {"string", [](const Value& value) { return value.string() != nullptr; }},
    {"true", [](const Value& value) { return is_constant(value, true); }},
    {"upper", [](const Value& value) { return is_cased(to_text(value), Case::kUpper); }},
}};

/// Tests that are another way to write an operator.
std::optional<std::string> operator_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kOperators = {{{"eq", "=="},
                                                                                         {"equalto", "=="},
                                                                                         {"==", "=="},
                                                                                         {"ne", "!="},
                                                                                         {"!=", "!="},
                                                                                         {"lt", "<"},
                                                                                         {"lessthan", "<"},
                                                                                         {"<", "<"},
                                                                                         {"le", "<="},
                                                                                         {"<=", "<="},
                                                                                         {"gt", ">"},
                                                                                         {"greaterthan", ">"},
                                                                                         {">", ">"},
                                                                                         {"ge", ">="},
                                                                                         {">=", ">="},
                                                                                         {"in", "in"}}};
  for (const auto& [known, operation] : kOperators)
    if (known == name) return std::string(operation);
  return std::nullopt;
}

Result<bool> divides(const Value& value, const Value& by) {
  if (!value.integer() || !by.integer() || *by.integer() == 0)
    return type_error(
        fmt::format("divisibleby: found {} and {}, expected integers", value.type_name(), by.type_name()));
  return *by.integer() == -1 || *value.integer() % *by.integer() == 0;
}

}  // namespace

Result<bool> Interpreter::test(std::string_view name, const Value& value, const Arguments& given) {
  for (const auto& [known, passes] : kPlain) {
    if (known != name) continue;
    if (name == "lower" || name == "upper") LIEQ_TRY(spend(value.weight()));
    return passes(value);
  }
  if (name == "undefined") return value.is_undefined();
  if (name == "odd" || name == "even") {
    LIEQ_ASSIGN(const Value rest, arithmetic(*this, "%", value, std::int64_t{2}));
    return equal(rest, name == "odd" ? std::int64_t{1} : std::int64_t{0});
  }
  if (name == "filter" || name == "test")
    return type_error(fmt::format("found the test '{}', which is not supported", name));
  const auto operation = operator_of(name);
  if (!operation && name != "divisibleby" && name != "sameas")
    return type_error(fmt::format("found the test '{}', which is not known", name));
  if (given.positional.size() != 1) return type_error(fmt::format("test '{}': expected one argument", name));
  if (name == "divisibleby") return divides(value, given.positional[0]);
  if (name == "sameas") return value.same(given.positional[0]);
  return compare(*operation, value, given.positional[0]);
}

}  // namespace lieq::jinja
