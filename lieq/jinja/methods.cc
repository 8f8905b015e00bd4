/// Methods of strings and dicts. Those that would change a list or dict do not exist, as in the sandbox of
/// transformers.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lieq/base/utf8.h"
#include "lieq/jinja/characters.h"
#include "lieq/jinja/interpreter.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

using Method = Result<Value> (*)(const std::string& text, const Arguments& given);

/// A string argument; nullptr when not given or None.
Result<const std::string*> string_argument(const Arguments& given, std::size_t at, std::string_view name,
                                           bool required = false) {
  const Value* value = given.find(at, name);
  if (value && value->string()) return value->string();
  if (!required && (!value || value->is_none())) return nullptr;
  return type_error(
      fmt::format("found {} as argument {}, expected a string", value ? value->type_name() : "nothing", at + 1));
}

Result<std::int64_t> integer_argument(const Arguments& given, std::size_t at, std::string_view name,
                                      std::int64_t fallback) {
  const Value* value = given.find(at, name);
  if (!value || value->is_none()) return fallback;
  if (value->integer()) return *value->integer();
  return type_error(fmt::format("found {} as argument {}, expected an integer", value->type_name(), at + 1));
}

template <Ends kEnds>
Result<Value> strip_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* set, string_argument(given, 0, "chars"));
  return std::string(strip(text, kEnds, set));
}

/// Begin and end of each word.
std::vector<std::pair<std::size_t, std::size_t>> words(std::string_view text) {
  std::vector<std::pair<std::size_t, std::size_t>> all;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const bool blank = is_space(point.value);
    if (!blank && !inside) all.emplace_back(at, at);
    at += point.bytes;
    if (!blank) all.back().second = at;
    inside = !blank;
  }
  return all;
}

/// At most `most` splits; what is left over stays whole. From the right, the last part comes first.
std::vector<std::string> split_blanks(std::string_view text, std::int64_t most, bool from_right) {
  const auto all = words(text);
  const std::size_t count = most < 0 ? all.size() : std::min(all.size(), static_cast<std::size_t>(most));
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [begin, end] = from_right ? all[all.size() - 1 - i] : all[i];
    parts.emplace_back(text.substr(begin, end - begin));
  }
  if (count == all.size()) return parts;
  if (from_right) parts.emplace_back(text.substr(0, all[all.size() - 1 - count].second));
  else parts.emplace_back(text.substr(all[count].first));
  return parts;
}

std::vector<std::string> split_at(std::string_view text, std::string_view separator, std::int64_t most,
                                  bool from_right) {
  std::vector<std::string> parts;
  while (most-- != 0) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(from_right ? text.substr(at + separator.size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

template <bool kFromRight>
Result<Value> split_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* separator, string_argument(given, 0, "sep"));
  LIEQ_ASSIGN(const std::int64_t most, integer_argument(given, 1, "maxsplit", -1));
  if (separator && separator->empty()) return type_error("empty separator");
  std::vector<std::string> parts =
      separator ? split_at(text, *separator, most, kFromRight) : split_blanks(text, most, kFromRight);
  if (kFromRight) std::ranges::reverse(parts);
  std::vector<Value> values(std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  return Value::list(std::move(values));
}

template <bool kAtEnd>
Result<Value> affix_method(const std::string& text, const Arguments& given) {
  if (given.positional.size() != 1) return type_error("startswith and endswith: expected one argument");
  const Value& affix = given.positional[0];
  const std::vector<Value> options = affix.sequence() && affix.sequence()->kind == Sequence::Kind::kTuple
                                         ? affix.sequence()->items
                                         : std::vector<Value>{affix};
  for (const Value& one : options) {
    if (!one.string())
      return type_error(fmt::format("startswith and endswith: found {}, expected a string", one.type_name()));
    if (kAtEnd ? text.ends_with(*one.string()) : text.starts_with(*one.string())) return true;
  }
  return false;
}

template <bool kFromRight>
Result<Value> partition_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* separator, string_argument(given, 0, "sep", true));
  if (separator->empty()) return type_error("empty separator");
  const std::size_t at = kFromRight ? text.rfind(*separator) : text.find(*separator);
  std::vector<Value> parts(3, std::string());
  if (at == std::string::npos) {
    parts[kFromRight ? 2 : 0] = text;
  } else {
    parts = {text.substr(0, at), *separator, text.substr(at + separator->size())};
  }
  return Value::list(std::move(parts), Sequence::Kind::kTuple);
}

template <bool kFromRight, bool kMustFind>
Result<Value> find_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* part, string_argument(given, 0, "sub", true));
  const std::size_t at = kFromRight ? text.rfind(*part) : text.find(*part);
  if (at != std::string::npos) return Value::size(length(std::string_view(text).substr(0, at)));
  if (kMustFind) return type_error("substring not found");
  return std::int64_t{-1};
}

Result<Value> replace_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* from, string_argument(given, 0, "old", true));
  LIEQ_ASSIGN(const std::string* to, string_argument(given, 1, "new", true));
  LIEQ_ASSIGN(const std::int64_t most, integer_argument(given, 2, "count", -1));
  return replaced(text, *from, *to, most);
}

Result<Value> count_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* part, string_argument(given, 0, "sub", true));
  if (part->empty()) return Value::size(length(text) + 1);
  std::size_t count = 0;
  for (std::size_t at = text.find(*part); at != std::string::npos; at = text.find(*part, at + part->size())) ++count;
  return Value::size(count);
}

template <bool kAtEnd>
Result<Value> remove_affix_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::string* affix, string_argument(given, 0, "prefix", true));
  if (kAtEnd) return text.ends_with(*affix) ? text.substr(0, text.size() - affix->size()) : text;
  return text.starts_with(*affix) ? text.substr(affix->size()) : text;
}

Result<Value> splitlines_method(const std::string& text, const Arguments&) {
  std::vector<Value> lines;
  for (const std::string_view line : split_lines(text)) lines.emplace_back(std::string(line));
  return Value::list(std::move(lines));
}

Result<Value> join_method(const std::string& text, const Arguments& given) {
  const Sequence* list = given.positional.size() == 1 ? given.positional[0].sequence() : nullptr;
  if (!list) return type_error("join: expected a list");
  std::string joined;
  for (std::size_t i = list->taken; i < list->items.size(); ++i) {
    const std::string* item = list->items[i].string();
    if (!item)
      return type_error(
          fmt::format("sequence item {}: expected str instance, {} found", i, list->items[i].type_name()));
    if (i > list->taken) joined += text;
    joined += *item;
  }
  return joined;
}

template <Case kCase>
Result<Value> case_method(const std::string& text, const Arguments&) {
  return change_case(text, kCase);
}

/// Whether there are characters and all of them pass.
template <bool (*kPasses)(char32_t)>
Result<Value> all_method(const std::string& text, const Arguments&) {
  const auto all = characters(text);
  return !all.empty() &&
         std::ranges::all_of(all, [](std::string_view one) { return kPasses(decode_utf8(one, 0).value); });
}

bool is_alphanumeric(char32_t value) { return is_alphabetic(value) || is_decimal(value); }

/// -1 left, 0 centre, 1 right
template <int kWhere>
Result<Value> pad_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::int64_t width, integer_argument(given, 0, "width", 0));
  LIEQ_ASSIGN(const std::string* fill, string_argument(given, 1, "fillchar"));
  return padded_to(text, width, fill ? *fill : " ", kWhere);
}

Result<Value> zfill_method(const std::string& text, const Arguments& given) {
  LIEQ_ASSIGN(const std::int64_t width, integer_argument(given, 0, "width", 0));
  const bool sign = text.starts_with('-') || text.starts_with('+');
  LIEQ_ASSIGN(std::string padded, padded_to(text.substr(sign ? 1 : 0), width - (sign ? 1 : 0), "0", 1));
  if (sign) padded.insert(0, 1, text.front());
  return padded;
}

constexpr std::array<std::pair<std::string_view, Method>, 37> kMethods = {{
    {"capitalize", [](const std::string& text, const Arguments&) -> Result<Value> { return capitalize(text); }},
    {"casefold", case_method<Case::kLower>},
    {"center", pad_method<0>},
    {"count", count_method},
    {"endswith", affix_method<true>},
    {"find", find_method<false, false>},
    {"format",
     [](const std::string& text, const Arguments& given) -> Result<Value> {
       LIEQ_ASSIGN(std::string formatted, brace_format(text, given));
       return formatted;
     }},
    {"index", find_method<false, true>},
    {"isalnum", all_method<is_alphanumeric>},
    {"isalpha", all_method<is_alphabetic>},
    {"isdecimal", all_method<is_decimal>},
    {"isdigit", all_method<is_decimal>},
    {"isnumeric", all_method<is_decimal>},
    {"islower",
     [](const std::string& text, const Arguments&) -> Result<Value> { return is_cased(text, Case::kLower); }},
    {"isspace", all_method<is_space>},
    {"isupper",
     [](const std::string& text, const Arguments&) -> Result<Value> { return is_cased(text, Case::kUpper); }},
    {"join", join_method},
    {"ljust", pad_method<-1>},
    {"lower", case_method<Case::kLower>},
    {"lstrip", strip_method<Ends::kLeft>},
    {"partition", partition_method<false>},
    {"removeprefix", remove_affix_method<false>},
    {"removesuffix", remove_affix_method<true>},
    {"replace", replace_method},
    {"rfind", find_method<true, false>},
    {"rindex", find_method<true, true>},
    {"rjust", pad_method<1>},
    {"rpartition", partition_method<true>},
    {"rsplit", split_method<true>},
    {"rstrip", strip_method<Ends::kRight>},
    {"split", split_method<false>},
    {"splitlines", splitlines_method},
    {"startswith", affix_method<false>},
    {"strip", strip_method<Ends::kBoth>},
    {"title", [](const std::string& text, const Arguments&) -> Result<Value> { return title(text); }},
    {"upper", case_method<Case::kUpper>},
    {"zfill", zfill_method},
}};

Value bound_method(std::string_view name, const Value& receiver, std::function<Result<Value>(const Arguments&)> call) {
  Callable bound{.name = std::string(name), .call = std::move(call)};
  bound.depth = receiver.depth() + 1;
  return std::make_shared<const Callable>(std::move(bound));
}

/// keys, values, items: what `pick` makes of each entry.
Value dict_view(const Value& value, std::string_view name) {
  return bound_method(name, value, [value, name = std::string(name)](const Arguments&) -> Result<Value> {
    std::vector<Value> all;
    for (const auto& [key, item] : value.dict()->entries)
      all.push_back(name == "keys" ? key : name == "values" ? item : Value::list({key, item}, Sequence::Kind::kTuple));
    return Value::list(std::move(all), Sequence::Kind::kView);
  });
}

std::optional<Value> dict_method(Interpreter& interpreter, const Value& value, std::string_view name) {
  if (name == "keys" || name == "values" || name == "items") return dict_view(value, name);
  if (name == "copy") return bound_method(name, value, [value](const Arguments&) -> Result<Value> { return value; });
  if (name != "get") return std::nullopt;
  return bound_method(name, value, [value, &interpreter](const Arguments& given) -> Result<Value> {
    if (given.positional.empty() || given.positional.size() > 2)
      return type_error("get: expected one or two arguments");
    LIEQ_TRY(interpreter.spend(value.dict()->entries.size()));
    const Value* found = value.dict()->find(given.positional[0]);
    return found ? *found : given.positional.size() == 2 ? given.positional[1] : Value(None{});
  });
}

std::optional<Value> list_method(Interpreter& interpreter, const Value& value, std::string_view name) {
  const bool count = name == "count";
  if (!count && name != "index") return std::nullopt;
  return bound_method(name, value, [value, count, &interpreter](const Arguments& given) -> Result<Value> {
    if (given.positional.size() != 1) return type_error("count and index: expected one argument");
    LIEQ_TRY(interpreter.spend(value.weight()));
    const auto& items = value.sequence()->items;
    const auto same = [&](const Value& one) { return equal(one, given.positional[0]); };
    if (count) return static_cast<std::int64_t>(std::ranges::count_if(items, same));
    const auto found = std::ranges::find_if(items, same);
    if (found == items.end()) return type_error(repr(given.positional[0]) + " is not in list");
    return static_cast<std::int64_t>(found - items.begin());
  });
}

}  // namespace

std::optional<Value> method(Interpreter& interpreter, const Value& value, std::string_view name) {
  if (value.dict()) return dict_method(interpreter, value, name);
  if (value.sequence() && value.sequence()->has_index()) return list_method(interpreter, value, name);
  if (!value.string()) return std::nullopt;
  const auto* found = std::ranges::find(kMethods, name, [](const auto& one) { return one.first; });
  if (found == kMethods.end()) return std::nullopt;
  return bound_method(name, value,
                      [value, call = found->second, &interpreter](const Arguments& given) -> Result<Value> {
                        LIEQ_TRY(interpreter.spend(value.weight()));
                        LIEQ_ASSIGN(Value result, call(*value.string(), given));
                        LIEQ_TRY(interpreter.spend(result.weight()));
                        return result;
                      });
}

}  // namespace lieq::jinja
