#include "lieq/jinja/value.h"

#include <algorithm>

#include <fmt/format.h>

namespace lieq::jinja {

Unexpected type_error(std::string message) { return fail(ErrorCode::kInvalidFormat, std::move(message)); }

const Value* Dict::find(const Value& key) const {
  for (const auto& [name, value] : entries)
    if (equal(name, key)) return &value;
  return nullptr;
}

const Value* Dict::find_name(std::string_view name) const {
  for (const auto& [key, value] : entries)
    if (const std::string* text = key.string(); text != nullptr && *text == name) return &value;
  return nullptr;
}

void Dict::set(Value key, Value value) {
  for (auto& [name, old] : entries) {
    if (!equal(name, key)) continue;
    old = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
}

namespace {

/// Counts `part` into the measures of what holds it.
template <class Container>
void count_in(Container& container, const Value& part) {
  constexpr std::size_t kMost = std::size_t{1} << 60;
  container.depth = std::max(container.depth, part.depth() + 1);
  container.weight = std::min(kMost, container.weight + part.weight());
}

}  // namespace

Value Value::list(std::vector<Value> items, Sequence::Kind kind) {
  const auto made = std::make_shared<Sequence>();
  made->kind = kind;
  made->items = std::move(items);
  for (const Value& item : made->items) count_in(*made, item);
  return made;
}

Value Value::dict(Dict dict) {
  const auto made = std::make_shared<Dict>(std::move(dict));
  for (const auto& [key, value] : made->entries) {
    count_in(*made, key);
    count_in(*made, value);
  }
  return made;
}

std::size_t Value::depth() const {
  if (const Sequence* list = sequence()) return list->depth;
  if (const Dict* entries = dict()) return entries->depth;
  const Callable* function = callable();
  return function ? function->depth : 1;
}

std::size_t Value::weight() const {
  constexpr std::size_t kSmall = 16;
  if (const std::string* text = string()) return text->size() + kSmall;
  if (const Sequence* list = sequence()) return list->weight;
  const Dict* entries = dict();
  return entries ? entries->weight : kSmall;
}

std::optional<std::int64_t> Value::integer() const {
  if (const bool* flag = boolean()) return *flag ? 1 : 0;
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const double* value = real()) return *value;
  if (const auto value = integer()) return static_cast<double>(*value);
  return std::nullopt;
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (const auto value = number()) return *value != 0;
  if (const std::string* text = string()) return !text->empty();
  if (const Sequence* list = sequence()) return !list->has_length() || !list->items.empty();
  if (const Dict* entries = dict()) return !entries->entries.empty();
  return true;
}

std::string_view Value::type_name() const {
  if (const Sequence* list = sequence()) {
    constexpr std::string_view kNames[] = {"list", "tuple", "range", "dict view", "generator"};
    return kNames[static_cast<std::size_t>(list->kind)];
  }
  constexpr std::string_view kNames[] = {"Undefined", "NoneType", "bool", "int",       "float",
                                         "str",       "list",     "dict", "Namespace", "function"};
  return kNames[data_.index()];
}

bool Value::same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (const Sequence* list = sequence()) return list == other.sequence();
  if (const Dict* entries = dict()) return entries == other.dict();
  if (const Namespace* space = name_space()) return space == other.name_space();
  if (const Callable* function = callable()) return function == other.callable();
  return equal(*this, other);
}

const Value* Arguments::find(std::size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

Result<void> Arguments::only(std::string_view callee, std::size_t most,
                             std::initializer_list<std::string_view> names) const {
  if (positional.size() > most)
    return type_error(fmt::format("{}: found {} arguments, expected at most {}", callee, positional.size(), most));
  for (const auto& [key, value] : named)
    if (std::find(names.begin(), names.end(), key) == names.end())
      return type_error(fmt::format("{}: found an argument named '{}', which it does not take", callee, key));
  return {};
}

bool equal(const Value& a, const Value& b) {
  const auto x = a.integer(), y = b.integer();
  if (x && y) return *x == *y;
  if (const auto p = a.number(), q = b.number(); p && q) return *p == *q;
  if (a.string() && b.string()) return *a.string() == *b.string();
  if (a.is_undefined() || a.is_none()) return (a.is_undefined() && b.is_undefined()) || (a.is_none() && b.is_none());
  if (const Sequence *s = a.sequence(), *t = b.sequence(); s && t) {
    if (s == t) return true;
    return s->kind == t->kind && s->has_index() && std::ranges::equal(s->items, t->items, equal);
  }
  if (const Dict *s = a.dict(), *t = b.dict(); s && t) {
    if (s->entries.size() != t->entries.size()) return false;
    return s == t || std::ranges::all_of(s->entries, [&](const auto& entry) {
             const Value* other = t->find(entry.first);
             return other != nullptr && equal(entry.second, *other);
           });
  }
  return (a.name_space() && a.name_space() == b.name_space()) || (a.callable() && a.callable() == b.callable());
}

Result<bool> less(const Value& a, const Value& b) {
  const auto x = a.integer(), y = b.integer();
  if (x && y) return *x < *y;
  if (const auto p = a.number(), q = b.number(); p && q) return *p < *q;
  if (a.string() && b.string()) return *a.string() < *b.string();  // bytes of UTF-8 are in the order of code points
  if (const Sequence *s = a.sequence(), *t = b.sequence(); s && t && s->kind == t->kind && s->has_index()) {
    for (std::size_t i = 0; i < std::min(s->items.size(), t->items.size()); ++i)
      if (!equal(s->items[i], t->items[i])) return less(s->items[i], t->items[i]);
    return s->items.size() < t->items.size();
  }
  for (const Value* one : {&a, &b})
    if (one->is_undefined()) return type_error(fmt::format("'{}' is undefined", one->undefined_name()));
  return type_error(fmt::format("'<' not supported between instances of '{}' and '{}'", a.type_name(), b.type_name()));
}

}  // namespace lieq::jinja
