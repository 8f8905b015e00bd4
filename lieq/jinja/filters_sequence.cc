/// Filters over sequences.

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "lieq/jinja/characters.h"
#include "lieq/jinja/filters.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

Value generator(std::vector<Value> items) { return Value::list(std::move(items), Sequence::Kind::kGenerator); }

/// Reads "a.b.0" of a value: the way filters are told what to look at.
class Attribute {
 public:
  /// `path`: a string or a number; nullptr or none: the value itself.
  explicit Attribute(const Value* path) {
    if (!path || path->is_none()) return;
    if (!path->string()) {
      parts_.push_back(*path);
      return;
    }
    std::string_view rest = *path->string();
    for (bool more = true; more;) {
      const std::size_t dot = rest.find('.');
      more = dot != std::string_view::npos;
      const std::string_view part = rest.substr(0, dot);
      std::int64_t number = 0;
      const auto parsed = std::from_chars(part.data(), part.data() + part.size(), number);
      const bool is_number = parsed.ec == std::errc{} && parsed.ptr == part.data() + part.size();
      parts_.push_back(is_number ? Value(number) : Value(std::string(part)));
      if (more) rest.remove_prefix(dot + 1);
    }
  }
  [[nodiscard]] Result<Value> of(Interpreter& interpreter, Value value) const {
    for (const Value& part : parts_) {
      LIEQ_ASSIGN(value, interpreter.item(value, part));
    }
    return value;
  }

 private:
  std::vector<Value> parts_;
};

Result<Value> length_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.is_undefined()) return std::int64_t{0};
  if (const std::string* text = value.string()) {
    LIEQ_TRY(interpreter.spend(text->size()));
    return Value::size(length(*text));
  }
  if (const Dict* dict = value.dict()) return Value::size(dict->entries.size());
  if (const Sequence* list = value.sequence(); list && list->has_length()) return Value::size(list->items.size());
  return type_error(fmt::format("object of type '{}' has no len()", value.type_name()));
}

template <bool kLast>
Result<Value> end_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  if (items.empty()) return Value(Undefined{kLast ? "the last item of nothing" : "the first item of nothing"});
  return kLast ? items.back() : items.front();
}

Result<Value> list_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(std::vector<Value> items, interpreter.iterate(value));
  return Value::list(std::move(items));
}

Result<Value> reverse_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.string()) return slice(interpreter, value, None{}, None{}, std::int64_t{-1});
  LIEQ_ASSIGN(std::vector<Value> items, interpreter.iterate(value));
  std::ranges::reverse(items);
  return generator(std::move(items));
}

Result<Value> items_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  std::vector<Value> pairs;
  if (!value.is_undefined() && !value.dict()) return type_error("Can only get item pairs from a mapping.");
  if (value.dict()) {
    LIEQ_TRY(interpreter.spend(value.dict()->entries.size()));
    for (const auto& [key, item] : value.dict()->entries)
      pairs.push_back(Value::list({key, item}, Sequence::Kind::kTuple));
  }
  return generator(std::move(pairs));
}

Result<Value> join_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  const Value* joint_value = given.find(0, "d");
  const std::string joint = joint_value ? to_text(*joint_value) : "";
  const Attribute attribute(given.find(1, "attribute"));
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  std::string joined;
  for (std::size_t i = 0; i < items.size(); ++i) {
    LIEQ_ASSIGN(const Value item, attribute.of(interpreter, items[i]));
    LIEQ_ASSIGN(const std::string text, interpreter.text(item));
    LIEQ_TRY(interpreter.spend(joint.size()));
    if (i > 0) joined += joint;
    joined += text;
  }
  return joined;
}

Result<Value> map_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  std::vector<Value> mapped;
  const Value* path = given.find(given.positional.size(), "attribute");
  if (!path && (given.positional.empty() || !given.positional[0].string()))
    return type_error("map: expected the name of a filter or attribute='NAME'");
  const Value* fallback = given.find(given.positional.size(), "default");
  const Attribute attribute(path);
  Arguments rest;
  if (!path) rest = {{given.positional.begin() + 1, given.positional.end()}, given.named};
  for (const Value& item : items) {
    auto one = path ? attribute.of(interpreter, item) : interpreter.filter(*given.positional[0].string(), item, rest);
    if (!one) return Unexpected(std::move(one).error());
    mapped.push_back(path && fallback && one->is_undefined() ? *fallback : std::move(*one));
  }
  return generator(std::move(mapped));
}

/// select, reject, selectattr, rejectattr: by a test, or without one by truth.
template <bool kKeep, bool kByAttribute>
Result<Value> select_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  constexpr std::size_t kTest = kByAttribute ? 1 : 0;
  if (kByAttribute && given.positional.empty())
    return type_error("selectattr and rejectattr: expected the name of an attribute");
  const Attribute attribute(kByAttribute ? &given.positional[0] : nullptr);
  const bool tested = given.positional.size() > kTest;
  if (tested && !given.positional[kTest].string()) return type_error("select and reject: expected the name of a test");
  Arguments rest;
  if (tested) rest = {{given.positional.begin() + kTest + 1, given.positional.end()}, given.named};
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  std::vector<Value> kept;
  for (const Value& item : items) {
    LIEQ_ASSIGN(const Value seen, attribute.of(interpreter, item));
    bool passes = seen.truthy();
    if (tested) {
      LIEQ_ASSIGN(passes, interpreter.test(*given.positional[kTest].string(), seen, rest));
    }
    if (passes == kKeep) kept.push_back(item);
  }
  return generator(std::move(kept));
}

/// What sorting compares: the attribute, strings without regard to case.
Result<std::vector<std::pair<Value, Value>>> keyed(Interpreter& interpreter, const std::vector<Value>& items,
                                                   const Attribute& attribute, bool case_sensitive) {
  std::vector<std::pair<Value, Value>> all;
  for (const Value& item : items) {
    LIEQ_ASSIGN(Value key, attribute.of(interpreter, item));
    LIEQ_TRY(interpreter.spend(20 * key.weight()));  // it is compared about that often
    if (key.string() && !case_sensitive) key = change_case(*key.string(), Case::kLower);
    all.emplace_back(std::move(key), item);
  }
  return all;
}

/// Stable insertion by binary search: unlike std::sort it bears a comparison that fails.
Result<std::vector<Value>> sorted(std::vector<std::pair<Value, Value>> items, bool reverse) {
  std::optional<Error> error;
  const auto before = [&](const auto& a, const auto& b) {
    if (error) return false;
    auto smaller = reverse ? less(b.first, a.first) : less(a.first, b.first);
    if (!smaller) error = std::move(smaller).error();
    return !error && *smaller;
  };
  std::vector<std::pair<Value, Value>> order;
  for (auto& item : items) {
    order.insert(std::upper_bound(order.begin(), order.end(), item, before), std::move(item));
    if (error) return Unexpected(*error);
  }
  std::vector<Value> values;
  for (auto& [key, value] : order) values.push_back(std::move(value));
  return values;
}

Result<Value> sort_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  LIEQ_TRY(interpreter.spend(items.size() * items.size() / 8));
  LIEQ_ASSIGN(auto all, keyed(interpreter, items, Attribute(given.find(2, "attribute")),
                              truth_of(given, 1, "case_sensitive", false)));
  LIEQ_ASSIGN(std::vector<Value> order, sorted(std::move(all), truth_of(given, 0, "reverse", false)));
  return Value::list(std::move(order));
}

Result<Value> dictsort_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  if (!value.dict()) return type_error(fmt::format("dictsort: found {}, expected a dict", value.type_name()));
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.dict()->entries)
    pairs.push_back(Value::list({key, item}, Sequence::Kind::kTuple));
  const Value by = text_of(given, 1, "by", "key") == "value" ? std::int64_t{1} : std::int64_t{0};
  LIEQ_TRY(interpreter.spend(pairs.size() * pairs.size() / 8));
  LIEQ_ASSIGN(auto all, keyed(interpreter, pairs, Attribute(&by), truth_of(given, 0, "case_sensitive", false)));
  LIEQ_ASSIGN(std::vector<Value> order, sorted(std::move(all), truth_of(given, 2, "reverse", false)));
  return Value::list(std::move(order));
}

Result<Value> unique_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  LIEQ_ASSIGN(auto all, keyed(interpreter, items, Attribute(given.find(1, "attribute")),
                              truth_of(given, 0, "case_sensitive", false)));
  std::vector<Value> keys, kept;
  for (const auto& one : all) {
    const Value& key = one.first;  // by a name of its own: Clang before 16 lets no lambda capture a structured binding
    std::size_t work = keys.size();
    for (const Value& seen : keys) work += std::min(seen.weight(), key.weight());
    LIEQ_TRY(interpreter.spend(work));
    if (std::ranges::any_of(keys, [&](const Value& seen) { return equal(seen, key); })) continue;
    keys.push_back(key);
    kept.push_back(one.second);
  }
  return generator(std::move(kept));
}

template <bool kLargest>
Result<Value> extreme_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  LIEQ_ASSIGN(const auto all, keyed(interpreter, items, Attribute(given.find(1, "attribute")),
                                    truth_of(given, 0, "case_sensitive", false)));
  if (all.empty()) return Value(Undefined{"an item of nothing"});
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    LIEQ_ASSIGN(const bool better,
                kLargest ? less(all[best].first, all[i].first) : less(all[i].first, all[best].first));
    if (better) best = i;
  }
  return all[best].second;
}

Result<Value> sum_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  const Attribute attribute(given.find(0, "attribute"));
  const Value* start = given.find(1, "start");
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  Value total = start ? *start : Value(std::int64_t{0});
  for (const Value& item : items) {
    LIEQ_ASSIGN(const Value one, attribute.of(interpreter, item));
    LIEQ_ASSIGN(total, arithmetic(interpreter, "+", total, one));
  }
  return total;
}

Result<Value> batch_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::int64_t count, integer_of(given, 0, "linecount", 1));
  const Value* fill = given.find(1, "fill_with");
  if (count < 1) return type_error("batch: expected a count of at least 1");
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  if (fill) LIEQ_TRY(interpreter.spend(static_cast<std::size_t>(count)));
  std::vector<Value> rows, row;
  const auto size = static_cast<std::size_t>(count);
  for (const Value& item : items) {
    row.push_back(item);
    if (row.size() == size) rows.push_back(Value::list(std::exchange(row, {})));
  }
  if (!row.empty()) {
    if (fill && !fill->is_none()) row.resize(size, *fill);
    rows.push_back(Value::list(std::move(row)));
  }
  return generator(std::move(rows));
}

/// `slices` columns of nearly equal length, the longer ones first.
Result<Value> slice_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::int64_t count, integer_of(given, 0, "slices", 1));
  const Value* fill = given.find(1, "fill_with");
  if (count < 1) return type_error("slice: expected a count of at least 1");
  LIEQ_TRY(interpreter.spend(static_cast<std::size_t>(count)));
  LIEQ_ASSIGN(const std::vector<Value> items, interpreter.iterate(value));
  const auto slices = static_cast<std::size_t>(count);
  const std::size_t each = items.size() / slices, longer = items.size() % slices;
  std::vector<Value> columns;
  auto at = items.begin();
  for (std::size_t i = 0; i < slices; ++i) {
    const auto end = at + static_cast<std::ptrdiff_t>(each + (i < longer ? 1 : 0));
    std::vector<Value> column(at, end);
    if (fill && !fill->is_none() && longer > 0 && i >= longer) column.push_back(*fill);
    columns.push_back(Value::list(std::move(column)));
    at = end;
  }
  return generator(std::move(columns));
}

constexpr std::array<std::pair<std::string_view, Filter>, 21> kFilters = {{
    {"batch", batch_filter},
    {"count", length_filter},
    {"dictsort", dictsort_filter},
    {"first", end_filter<false>},
    {"items", items_filter},
    {"join", join_filter},
    {"last", end_filter<true>},
    {"length", length_filter},
    {"list", list_filter},
    {"map", map_filter},
    {"max", extreme_filter<true>},
    {"min", extreme_filter<false>},
    {"reject", select_filter<false, false>},
    {"rejectattr", select_filter<false, true>},
    {"reverse", reverse_filter},
    {"select", select_filter<true, false>},
    {"selectattr", select_filter<true, true>},
    {"slice", slice_filter},
    {"sort", sort_filter},
    {"sum", sum_filter},
    {"unique", unique_filter},
}};

}  // namespace

std::span<const std::pair<std::string_view, Filter>> sequence_filters() { return kFilters; }

namespace {

/// Filters that do their work only when somebody iterates over the result.
bool is_lazy(std::string_view name) {
  constexpr std::array<std::string_view, 9> kLazy = {"batch",  "items",      "map",   "reject", "rejectattr",
                                                     "select", "selectattr", "slice", "unique"};
  return std::ranges::find(kLazy, name) != kLazy.end();
}

}  // namespace

Result<Value> Interpreter::filter(std::string_view name, const Value& value, const Arguments& given) {
  for (const auto& filters : {text_filters(), sequence_filters()})
    for (const auto& [known, filter] : filters) {
      if (known != name) continue;
      auto made = filter(*this, value, given);
      if (!made && is_lazy(name)) {
        const Value failed = generator({});  // an error that nobody may ever see
        failed.sequence()->fault = made.error().message;
        return failed;
      }
      LIEQ_ASSIGN(Value result, std::move(made));
      LIEQ_TRY(spend(result.string() ? result.string()->size() : 0));
      return result;
    }
  return type_error(fmt::format("found the filter '{}', which is not known", name));
}

}  // namespace lieq::jinja
