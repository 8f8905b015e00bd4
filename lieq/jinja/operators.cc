/// Arithmetic and slices.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/jinja/characters.h"
#include "lieq/jinja/interpreter.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

Unexpected unsupported(const std::string& operation, const Value& left, const Value& right) {
  for (const Value* one : {&left, &right})
    if (one->is_undefined()) return type_error(fmt::format("'{}' is undefined", one->undefined_name()));
  return type_error(
      fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", operation, left.type_name(), right.type_name()));
}

constexpr const char* kOverflow = "found a number beyond 64 bits";
constexpr const char* kByZero = "division by zero";

Result<Value> integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) return type_error(kOverflow);
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return type_error(kOverflow);
  }
  return result;
}

/// Python's // and %, which round towards minus infinity.
Result<Value> floor_divide(std::int64_t a, std::int64_t b, bool remainder) {
  if (b == 0) return type_error(kByZero);
  if (b == -1) {  // the one quotient that does not fit
    std::int64_t negated = 0;
    if (!remainder && __builtin_sub_overflow(std::int64_t{0}, a, &negated)) return type_error(kOverflow);
    return remainder ? std::int64_t{0} : negated;
  }
  const std::int64_t rest = a % b;
  const bool below = rest != 0 && (rest < 0) != (b < 0);
  if (remainder) return below ? rest + b : rest;
  return a / b - (below ? 1 : 0);
}

Result<Value> on_integers(const std::string& operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (operation == "+") overflow = __builtin_add_overflow(a, b, &result);
  else if (operation == "-") overflow = __builtin_sub_overflow(a, b, &result);
  else if (operation == "*") overflow = __builtin_mul_overflow(a, b, &result);
  else if (operation == "//" || operation == "%") return floor_divide(a, b, operation == "%");
  else return integer_power(a, b);
  if (overflow) return type_error(kOverflow);
  return result;
}

Result<Value> on_numbers(const std::string& operation, double a, double b) {
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (operation == "**") return std::pow(a, b);
  if (b == 0) return type_error(kByZero);
  if (operation == "/") return a / b;
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  return operation == "%" ? rest : std::floor((a - rest) / b + 0.5);
}

/// text * count or list * count
Result<Value> repeat(Interpreter& interpreter, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  LIEQ_TRY(interpreter.spend(times));
  if (times > 0 && value.weight() > kMaxWork / times) return interpreter.spend(kMaxWork).map([] { return Value(); });
  LIEQ_TRY(interpreter.spend(value.weight() * times));
  if (const std::string* text = value.string()) {
    std::string repeated;
    for (std::size_t i = 0; i < times; ++i) repeated += *text;
    return repeated;
  }
  std::vector<Value> items;
  for (std::size_t i = 0; i < times; ++i)
    items.insert(items.end(), value.sequence()->items.begin(), value.sequence()->items.end());
  return Value::list(std::move(items), value.sequence()->kind);
}

bool can_repeat(const Value& value) {
  return value.string() || (value.sequence() && (value.sequence()->kind == Sequence::Kind::kList ||
                                                 value.sequence()->kind == Sequence::Kind::kTuple));
}

/// Nothing when the two are not strings or sequences of one kind.
Result<std::optional<Value>> concatenate(Interpreter& interpreter, const Value& left, const Value& right) {
  if (left.string() && right.string()) {
    LIEQ_TRY(interpreter.spend(left.string()->size() + right.string()->size()));
    return Value(*left.string() + *right.string());
  }
  const Sequence *a = left.sequence(), *b = right.sequence();
  if (!a || !b || a->kind != b->kind || !can_repeat(left)) return std::nullopt;
  LIEQ_TRY(interpreter.spend(a->items.size() + b->items.size()));
  std::vector<Value> items = a->items;
  items.insert(items.end(), b->items.begin(), b->items.end());
  return Value::list(std::move(items), a->kind);
}

/// The positions a slice takes of `count`, as Python's slice.indices.
Result<std::vector<std::size_t>> slice_positions(std::size_t count, const Value& start, const Value& stop,
                                                 const Value& step) {
  const auto size = static_cast<std::int64_t>(count);
  for (const Value* bound : {&start, &stop, &step})
    if (!bound->is_none() && !bound->integer()) return type_error("slice indices must be integers or None");
  const std::int64_t by = step.integer().value_or(1);
  if (by == 0) return type_error("slice step cannot be zero");
  const std::int64_t least = by > 0 ? 0 : -1, most = by > 0 ? size : size - 1;
  const auto bound = [&](const Value& value, std::int64_t fallback) {
    if (value.is_none()) return fallback;
    const std::int64_t at = *value.integer();
    return std::clamp(at < 0 ? at + size : at, least, most);
  };
  const std::int64_t begin = bound(start, by > 0 ? least : most), end = bound(stop, by > 0 ? most : least);
  std::vector<std::size_t> positions;
  const std::int64_t stride = std::clamp(by, -size - 1, size + 1);  // longer ones take one position too
  for (std::int64_t i = begin; by > 0 ? i < end : i > end; i += stride)
    positions.push_back(static_cast<std::size_t>(i));
  return positions;
}

}  // namespace

Result<Value> arithmetic(Interpreter& interpreter, const std::string& operation, const Value& left,
                         const Value& right) {
  const auto a = left.integer(), b = right.integer();
  if (operation == "%" && left.string()) {
    LIEQ_TRY(interpreter.spend(left.weight() + right.weight()));
    LIEQ_ASSIGN(std::string formatted, percent_format(*left.string(), right));
    LIEQ_TRY(interpreter.spend(formatted.size()));
    return formatted;
  }
  if (a && b && operation != "/" && !(operation == "**" && *b < 0)) return on_integers(operation, *a, *b);
  if (left.number() && right.number()) return on_numbers(operation, *left.number(), *right.number());
  if (operation == "*" && can_repeat(left) && b) return repeat(interpreter, left, *b);
  if (operation == "*" && can_repeat(right) && a) return repeat(interpreter, right, *a);
  if (operation == "+") {
    LIEQ_ASSIGN(const auto joined, concatenate(interpreter, left, right));
    if (joined) return *joined;
  }
  return unsupported(operation, left, right);
}

Result<Value> slice(Interpreter& interpreter, const Value& value, const Value& start, const Value& stop,
                    const Value& step) {
  if (const std::string* text = value.string()) {
    LIEQ_TRY(interpreter.spend(16 * text->size()));
    const auto all = characters(*text);
    LIEQ_ASSIGN(const auto positions, slice_positions(all.size(), start, stop, step));
    std::string taken;
    for (const std::size_t i : positions) taken += all[i];
    return taken;
  }
  const Sequence* list = value.sequence();
  if (value.is_undefined()) return type_error(fmt::format("'{}' is undefined", value.undefined_name()));
  if (!list || !list->has_index()) return Value(Undefined{"a slice of " + std::string(value.type_name())});
  LIEQ_TRY(interpreter.spend(list->items.size()));
  LIEQ_ASSIGN(const auto positions, slice_positions(list->items.size(), start, stop, step));
  std::vector<Value> taken;
  for (const std::size_t i : positions) taken.push_back(list->items[i]);
  return Value::list(std::move(taken), list->kind);
}

}  // namespace lieq::jinja
