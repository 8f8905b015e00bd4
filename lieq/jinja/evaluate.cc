/// Expressions.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/jinja/characters.h"
#include "lieq/jinja/interpreter.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

using Kind = Expression::Kind;

Unexpected undefined_error(const Value& value) {
  return type_error(fmt::format("'{}' is undefined", value.undefined_name()));
}

Result<Value> sign(const std::string& operation, const Value& value) {
  const bool negative = operation == "-";
  if (value.is_undefined()) return undefined_error(value);
  if (const double* real = value.real()) return negative ? -*real : *real;
  const auto number = value.integer();
  if (!number) return type_error(fmt::format("bad operand type for unary {}: '{}'", operation, value.type_name()));
  std::int64_t result = *number;
  if (negative && __builtin_sub_overflow(std::int64_t{0}, *number, &result))
    return type_error("found a number beyond 64 bits");
  return result;
}

}  // namespace

Value Interpreter::look_up(const std::string& name, const ScopePtr& scope) {
  for (const Scope* one = scope.get(); one != nullptr; one = one->parent.get())
    if (const auto found = one->names.find(name); found != one->names.end()) return found->second;
  if (const Value* given = variables_.find_name(name)) return *given;
  return global_function(*this, name).value_or(Undefined{name});
}

Result<Value> Interpreter::evaluate(const Expression& expression, const ScopePtr& scope) {
  LIEQ_TRY(spend(8));
  if (++depth_ > kMaxDepth) return type_error("the template nests calls and blocks too deeply");
  auto value = dispatch(expression, scope);
  --depth_;
  if (value && value->depth() > kMaxValueDepth)
    value = type_error(fmt::format("found values nested deeper than {}", kMaxValueDepth));
  if (!value && !std::exchange(located_, true))
    value.error().message = fmt::format("line {}: {}", expression.line, printable(value.error().message, 400));
  return value;
}

Result<Value> Interpreter::dispatch(const Expression& expression, const ScopePtr& scope) {
  const auto part = [&](std::size_t i) { return evaluate(*expression.parts[i], scope); };
  switch (expression.kind) {
    case Kind::kConstant: return expression.constant;
    case Kind::kName: return look_up(expression.name, scope);
    case Kind::kList:
    case Kind::kTuple: return evaluate_items(expression, scope);
    case Kind::kDict: return evaluate_dict(expression, scope);
    case Kind::kSlice: return evaluate_slice(expression, scope);
    case Kind::kCall: return evaluate_call(expression, scope, nullptr);
    case Kind::kFilter: return evaluate_filter(expression, scope);
    case Kind::kTest: return evaluate_test(expression, scope);
    case Kind::kCompare: return evaluate_compare(expression, scope);
    case Kind::kConcat: return evaluate_concat(expression, scope);
    default: break;
  }
  if (expression.kind == Kind::kConditional) {
    LIEQ_ASSIGN(const Value condition, part(0));
    if (condition.truthy()) return part(1);
    return expression.parts[2] ? part(2) : Value(Undefined{"the value of an 'if' without 'else'"});
  }
  LIEQ_ASSIGN(Value first, part(0));
  switch (expression.kind) {
    case Kind::kAttribute: return attribute(first, expression.name);
    case Kind::kNot: return !first.truthy();
    case Kind::kUnary: return sign(expression.name, first);
    case Kind::kAnd: return first.truthy() ? part(1) : first;
    case Kind::kOr: return first.truthy() ? first : part(1);
    default: break;
  }
  LIEQ_ASSIGN(const Value second, part(1));
  return expression.kind == Kind::kItem ? item(first, second) : arithmetic(*this, expression.name, first, second);
}

Result<Value> Interpreter::evaluate_items(const Expression& expression, const ScopePtr& scope) {
  std::vector<Value> items;
  for (const ExpressionPtr& part : expression.parts) {
    LIEQ_ASSIGN(Value value, evaluate(*part, scope));
    items.push_back(std::move(value));
  }
  return Value::list(std::move(items),
                     expression.kind == Kind::kTuple ? Sequence::Kind::kTuple : Sequence::Kind::kList);
}

Result<Value> Interpreter::evaluate_dict(const Expression& expression, const ScopePtr& scope) {
  Dict dict;
  for (std::size_t i = 0; i < expression.parts.size(); i += 2) {
    LIEQ_ASSIGN(Value key, evaluate(*expression.parts[i], scope));
    LIEQ_ASSIGN(Value value, evaluate(*expression.parts[i + 1], scope));
    if (!key.string() && !key.number() && !key.is_none())
      return type_error(fmt::format("found {} as a key, expected a string, a number or none", key.type_name()));
    LIEQ_TRY(spend(dict.entries.size()));
    dict.set(std::move(key), std::move(value));
  }
  return Value::dict(std::move(dict));
}

Result<Value> Interpreter::evaluate_slice(const Expression& expression, const ScopePtr& scope) {
  Value bounds[4] = {None{}, None{}, None{}, None{}};
  for (std::size_t i = 0; i < 4; ++i) {
    if (!expression.parts[i]) continue;
    LIEQ_ASSIGN(bounds[i], evaluate(*expression.parts[i], scope));
  }
  return slice(*this, bounds[0], bounds[1], bounds[2], bounds[3]);
}

Result<Arguments> Interpreter::arguments(const CallArguments& given, const ScopePtr& scope) {
  Arguments all;
  for (const ExpressionPtr& one : given.positional) {
    LIEQ_ASSIGN(Value value, evaluate(*one, scope));
    all.positional.push_back(std::move(value));
  }
  if (given.star) {
    LIEQ_ASSIGN(const Value more, evaluate(*given.star, scope));
    LIEQ_ASSIGN(const std::vector<Value> items, iterate(more));
    all.positional.insert(all.positional.end(), items.begin(), items.end());
  }
  for (const auto& [name, one] : given.named) {
    LIEQ_ASSIGN(Value value, evaluate(*one, scope));
    all.named.emplace_back(name, std::move(value));
  }
  if (!given.star_star) return all;
  LIEQ_ASSIGN(const Value more, evaluate(*given.star_star, scope));
  if (more.dict() == nullptr) return type_error(fmt::format("found {} after **, expected a dict", more.type_name()));
  for (const auto& [key, value] : more.dict()->entries) {
    if (key.string() == nullptr) return type_error("keywords must be strings");
    all.named.emplace_back(*key.string(), value);
  }
  return all;
}

Result<Value> Interpreter::evaluate_call(const Expression& expression, const ScopePtr& scope, const Value* caller) {
  LIEQ_ASSIGN(const Value callee, evaluate(*expression.parts[0], scope));
  if (callee.is_undefined()) return undefined_error(callee);
  if (callee.callable() == nullptr) return type_error(fmt::format("'{}' object is not callable", callee.type_name()));
  LIEQ_ASSIGN(Arguments given, arguments(expression.arguments, scope));
  if (caller != nullptr) given.named.emplace_back("caller", *caller);
  return callee.callable()->call(given);
}

Result<Value> Interpreter::evaluate_filter(const Expression& expression, const ScopePtr& scope) {
  Value input = filter_input_;
  if (expression.parts[0]) {
    LIEQ_ASSIGN(input, evaluate(*expression.parts[0], scope));
  }
  LIEQ_ASSIGN(const Arguments given, arguments(expression.arguments, scope));
  return filter(expression.name, input, given);
}

Result<Value> Interpreter::evaluate_test(const Expression& expression, const ScopePtr& scope) {
  LIEQ_ASSIGN(const Value value, evaluate(*expression.parts[0], scope));
  LIEQ_ASSIGN(const Arguments given, arguments(expression.arguments, scope));
  LIEQ_ASSIGN(const bool passed, test(expression.name, value, given));
  return passed;
}

Result<Value> Interpreter::evaluate_concat(const Expression& expression, const ScopePtr& scope) {
  std::string joined;
  for (const ExpressionPtr& part : expression.parts) {
    LIEQ_ASSIGN(const Value value, evaluate(*part, scope));
    LIEQ_ASSIGN(const std::string written, text(value));
    joined += written;
  }
  return joined;
}

Result<Value> Interpreter::evaluate_compare(const Expression& expression, const ScopePtr& scope) {
  LIEQ_ASSIGN(Value left, evaluate(*expression.parts[0], scope));
  for (std::size_t i = 0; i < expression.operators.size(); ++i) {
    LIEQ_ASSIGN(Value right, evaluate(*expression.parts[i + 1], scope));
    LIEQ_ASSIGN(const bool holds, compare(expression.operators[i], left, right));
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Result<bool> Interpreter::compare(const std::string& operation, const Value& left, const Value& right) {
  LIEQ_TRY(spend(std::min(left.weight(), right.weight())));
  if (operation == "==") return equal(left, right);
  if (operation == "!=") return !equal(left, right);
  if (operation == "in") return contains(right, left);
  if (operation == "not in") return contains(right, left).map([](bool found) { return !found; });
  if (operation == "<") return less(left, right);
  if (operation == ">") return less(right, left);
  LIEQ_ASSIGN(const bool strictly, operation == "<=" ? less(left, right) : less(right, left));
  return strictly || equal(left, right);
}

Result<bool> Interpreter::contains(const Value& container, const Value& value) {
  LIEQ_TRY(spend(container.weight()));
  if (const std::string* text = container.string()) {
    if (const std::string* part = value.string()) return text->find(*part) != std::string::npos;
    if (value.is_undefined()) return undefined_error(value);
    return type_error(fmt::format("'in <string>' requires string as left operand, not {}", value.type_name()));
  }
  if (const Dict* dict = container.dict()) return dict->find(value) != nullptr;
  LIEQ_ASSIGN(const std::vector<Value> items, iterate(container));
  return std::ranges::any_of(items, [&](const Value& one) { return equal(one, value); });
}

Result<std::vector<Value>> Interpreter::iterate(const Value& value) {
  std::vector<Value> items;
  if (Sequence* list = value.sequence()) {
    LIEQ_TRY(spend(list->items.size()));
    if (!list->fault.empty()) return type_error(list->fault);
    items.assign(list->items.begin() + static_cast<std::ptrdiff_t>(list->taken), list->items.end());
    if (list->kind == Sequence::Kind::kGenerator) list->taken = list->items.size();
  } else if (const Dict* dict = value.dict()) {
    LIEQ_TRY(spend(dict->entries.size()));
    for (const auto& [key, ignored] : dict->entries) items.push_back(key);
  } else if (const std::string* text = value.string()) {
    LIEQ_TRY(spend(64 * text->size()));  // each character becomes a value
    for (const std::string_view one : characters(*text)) items.emplace_back(std::string(one));
  } else if (!value.is_undefined()) {
    return type_error(fmt::format("'{}' object is not iterable", value.type_name()));
  }
  return items;
}

Result<Value> Interpreter::attribute(const Value& value, std::string_view name) {
  if (value.is_undefined()) return undefined_error(value);
  if (auto found = method(*this, value, name)) return std::move(*found);
  if (const Dict* dict = value.dict()) {
    LIEQ_TRY(spend(dict->entries.size()));
    if (const Value* found = dict->find_name(name)) return *found;
  }
  if (const Namespace* space = value.name_space())
    if (const Value* found = space->attributes.find_name(name)) return *found;
  if (const Callable* function = value.callable(); function && function->attribute)
    if (auto found = function->attribute(name)) return std::move(*found);
  return Value(Undefined{std::string(name)});
}

Result<Value> Interpreter::item(const Value& value, const Value& key) {
  if (value.is_undefined()) return undefined_error(value);
  const std::string name = key.string() ? *key.string() : repr(key);
  if (const Dict* dict = value.dict()) {
    LIEQ_TRY(spend(dict->entries.size()));
    if (const Value* found = dict->find(key)) return *found;
  } else if (const auto index = key.integer()) {
    const Sequence* list = value.sequence();
    const std::string* text = value.string();
    if (list && list->has_index()) {
      const auto count = static_cast<std::int64_t>(list->items.size()), at = *index < 0 ? *index + count : *index;
      if (at >= 0 && at < count) return list->items[static_cast<std::size_t>(at)];
    } else if (text) {
      LIEQ_TRY(spend(text->size()));
      const auto all = characters(*text);
      const auto count = static_cast<std::int64_t>(all.size()), at = *index < 0 ? *index + count : *index;
      if (at >= 0 && at < count) return std::string(all[static_cast<std::size_t>(at)]);
    }
    return Value(Undefined{name});
  }
  if (key.string()) return attribute(value, *key.string());
  return Value(Undefined{name});
}

}  // namespace lieq::jinja
