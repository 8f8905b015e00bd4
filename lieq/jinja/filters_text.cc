/// Filters that make text or numbers.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/utf8.h"
#include "lieq/jinja/characters.h"
#include "lieq/jinja/filters.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

Result<Value> default_filter(Interpreter&, const Value& value, const Arguments& given) {
  const bool falls_back = value.is_undefined() || (truth_of(given, 1, "boolean", false) && !value.truthy());
  if (!falls_back) return value;
  const Value* other = given.find(0, "default_value");
  return other ? *other : std::string();
}

Result<Value> trim_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  const Value* chars = given.find(0, "chars");
  return std::string(strip(text, Ends::kBoth, chars ? chars->string() : nullptr));
}

template <Case kCase>
Result<Value> case_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  return change_case(text, kCase);
}

Result<Value> capitalize_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  return capitalize(text);
}

/// Words begin after white space, brackets and dashes; unlike str.title, letters after digits or quotes stay small.
Result<Value> title_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  std::string changed;
  bool inside = false;
  for (const std::string_view one : characters(text)) {
    const bool border = is_space(decode_utf8(one, 0).value) ||
                        (one.size() == 1 && std::string_view("-({[<").find(one) != std::string_view::npos);
    changed += change_case(one, inside ? Case::kLower : Case::kUpper);
    inside = !border;
  }
  return changed;
}

Result<Value> string_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(std::string text, interpreter.text(value));
  return text;
}

Result<Value> escape_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  std::string escaped;
  for (const char c : text) {
    constexpr std::string_view kFrom = "&<>\"'";
    constexpr std::array<std::string_view, 5> kTo = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    const std::size_t at = kFrom.find(c);
    if (at == std::string_view::npos) escaped += c;
    else escaped += kTo[at];
  }
  return escaped;
}

Result<Value> replace_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  const Value *from = given.find(0, "old"), *to = given.find(1, "new");
  if (!from || !to) return type_error("replace: expected two arguments");
  LIEQ_ASSIGN(const std::int64_t most, integer_of(given, 2, "count", -1));
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  LIEQ_ASSIGN(std::string changed, replaced(text, to_text(*from), to_text(*to), most));
  return changed;
}

Result<Value> format_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  Dict named;
  for (const auto& [key, one] : given.named) named.set(key, one);
  LIEQ_ASSIGN(std::string formatted,
              percent_format(text, given.named.empty() ? Value::list(given.positional, Sequence::Kind::kTuple)
                                                       : Value::dict(std::move(named))));
  return formatted;
}

Result<Value> indent_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  const Value* width = given.find(0, "width");
  LIEQ_ASSIGN(std::string text, interpreter.text(value));
  text += '\n';
  std::string indent(4, ' ');
  if (width && width->string()) {
    indent = *width->string();
  } else if (width) {
    LIEQ_ASSIGN(const std::int64_t count, integer_of(given, 0, "width", 4));
    LIEQ_ASSIGN(indent, padded_to("", count, " ", -1));
  }
  const auto lines = split_lines(text);
  if (!indent.empty() && lines.size() > kMaxText / indent.size())
    return type_error("indent: the text becomes too long");
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    const bool indented =
        i == 0 ? truth_of(given, 1, "first", false) : !lines[i].empty() || truth_of(given, 2, "blank", false);
    if (indented) out += indent;
    out += lines[i];
  }
  return out;
}

Result<Value> truncate_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  LIEQ_ASSIGN(const std::int64_t size, integer_of(given, 0, "length", 255));
  LIEQ_ASSIGN(const std::int64_t leeway, integer_of(given, 3, "leeway", 5));
  const std::string end = text_of(given, 2, "end", "...");
  const auto all = characters(text);
  const auto count = static_cast<std::int64_t>(all.size()), kept = size - static_cast<std::int64_t>(length(end));
  if (kept < 0 || leeway < 0)
    return type_error("truncate: expected a length of at least that of its end, and a leeway of at least 0");
  if (count <= size || count - size <= leeway) return text;
  std::string cut = text.substr(0, static_cast<std::size_t>(all[static_cast<std::size_t>(kept)].data() - text.data()));
  if (!truth_of(given, 1, "killwords", false)) cut.resize(std::min(cut.rfind(' '), cut.size()));
  return cut + end;
}

Result<Value> center_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  LIEQ_ASSIGN(const std::int64_t width, integer_of(given, 0, "width", 80));
  LIEQ_ASSIGN(std::string padded, padded_to(text, width, " ", 0));
  return padded;
}

Result<Value> wordcount_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  LIEQ_ASSIGN(const std::string text, interpreter.text(value));
  std::size_t count = 0;
  bool inside = false;
  for (const std::string_view one : characters(text)) {
    const bool word = is_word(decode_utf8(one, 0).value);
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::size(count);
}

Result<Value> tojson_filter(Interpreter& interpreter, const Value& value, const Arguments& given) {
  LIEQ_TRY(given.only("tojson", 4, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  LIEQ_TRY(interpreter.spend(2 * value.weight()));
  JsonStyle style;
  style.ascii = truth_of(given, 0, "ensure_ascii", false);
  style.sort_keys = truth_of(given, 3, "sort_keys", false);
  const Value* indent = given.find(1, "indent");
  if (indent && !indent->is_none()) {
    if (indent->string()) {
      style.indent = *indent->string();
    } else {
      LIEQ_ASSIGN(const std::int64_t width, integer_of(given, 1, "indent", 0));
      LIEQ_TRY(
          interpreter.spend(static_cast<std::size_t>(std::clamp<std::int64_t>(width, 0, kMaxWork)) * value.depth()));
      style.indent = std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
    LIEQ_TRY(interpreter.spend(std::min(kMaxWork, style.indent->size() * value.depth()) *
                               std::min(kMaxWork, 1 + value.weight() / 16)));
    style.item_separator.assign(1, ',');
  }
  const Value* separators = given.find(2, "separators");
  if (separators && !separators->is_none()) {
    const Sequence* pair = separators->sequence();
    if (!pair || pair->items.size() != 2 || !pair->items[0].string() || !pair->items[1].string())
      return type_error("tojson: separators: expected two strings");
    style.item_separator = *pair->items[0].string();
    style.key_separator = *pair->items[1].string();
    LIEQ_TRY(interpreter.spend((style.item_separator.size() + style.key_separator.size()) *
                               std::min(kMaxWork, value.weight() / 16)));
  }
  LIEQ_ASSIGN(std::string json, to_json(value, style));
  return json;
}

/// What int() and float() read of a string: a number with white space around it and underscores between digits.
template <class Number>
std::optional<Number> read_number(const std::string& text, int base = 10) {
  std::string digits(strip(text, Ends::kBoth));
  std::erase(digits, '_');
  std::string_view rest = digits;
  if (rest.starts_with('+') && !rest.starts_with("+-")) rest.remove_prefix(1);
  if constexpr (std::is_integral_v<Number>) {
    for (const auto& [prefix, its_base] : {std::pair{"0x", 16}, {"0o", 8}, {"0b", 2}})
      if (base == its_base && rest.starts_with(prefix)) rest.remove_prefix(2);
  }
  Number number{};
  const char* end = rest.data() + rest.size();
  std::from_chars_result parsed{};
  if constexpr (std::is_integral_v<Number>) parsed = std::from_chars(rest.data(), end, number, base);
  else parsed = std::from_chars(rest.data(), end, number);
  if (rest.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return number;
}

Result<Value> undefined_or(const Value& value, const Value* fallback, Value otherwise) {
  if (value.is_undefined()) return type_error(fmt::format("'{}' is undefined", value.undefined_name()));
  return fallback ? *fallback : otherwise;
}

Result<Value> int_filter(Interpreter&, const Value& value, const Arguments& given) {
  LIEQ_ASSIGN(const std::int64_t base, integer_of(given, 1, "base", 10));
  if (base < 2 || base > 36) return type_error(fmt::format("int: found base {}, expected 2 to 36", base));
  auto real = value.number();
  if (value.integer()) return *value.integer();
  if (value.string()) {
    if (const auto whole = read_number<std::int64_t>(*value.string(), static_cast<int>(base))) return *whole;
    real = read_number<double>(*value.string());
  }
  if (real && std::abs(*real) < 9.2e18) return static_cast<std::int64_t>(*real);
  return undefined_or(value, given.find(0, "default"), std::int64_t{0});
}

Result<Value> float_filter(Interpreter&, const Value& value, const Arguments& given) {
  if (const auto number = value.number()) return *number;
  if (value.string())
    if (const auto number = read_number<double>(*value.string())) return *number;
  return undefined_or(value, given.find(0, "default"), 0.0);
}

Result<Value> abs_filter(Interpreter& interpreter, const Value& value, const Arguments&) {
  const auto number = value.number();
  if (!number) return type_error(fmt::format("bad operand type for abs(): '{}'", value.type_name()));
  if (*number < 0) return arithmetic(interpreter, "-", std::int64_t{0}, value);
  return value.integer() ? Value(*value.integer()) : value;
}

Result<Value> round_filter(Interpreter&, const Value& value, const Arguments& given) {
  const auto number = value.number();
  if (!number) return type_error(fmt::format("round: found {}, expected a number", value.type_name()));
  LIEQ_ASSIGN(const std::int64_t precision, integer_of(given, 0, "precision", 0));
  if (precision < -300 || precision > 300) return type_error("round: found a precision beyond 300");
  const std::string how = text_of(given, 1, "method", "common");
  if (how == "ceil" || how == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    return (how == "ceil" ? std::ceil(*number * scale) : std::floor(*number * scale)) / scale;
  }
  if (how != "common") return type_error("method must be common, ceil or floor");
  if (value.integer() && precision >= 0) return *value.integer();
  if (precision >= 0)
    return *read_number<double>(fmt::format("{:.{}f}", *number, precision));  // ties by the exact value, as Python
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  const double rounded = std::nearbyint(*number / scale) * scale;
  if (value.integer()) return static_cast<std::int64_t>(rounded);
  return rounded;
}

constexpr std::array<std::pair<std::string_view, Filter>, 24> kFilters = {{
    {"abs", abs_filter}, {"capitalize", capitalize_filter}, {"center", center_filter}, {"d", default_filter},
    {"default", default_filter}, {"e", escape_filter}, {"escape", escape_filter}, {"float", float_filter},
    {"forceescape", escape_filter}, {"format", format_filter}, {"indent", indent_filter}, {"int", int_filter},
    {"lower", case_filter<Case::kLower>}, {"replace", replace_filter}, {"round", round_filter}, {"safe", string_filter},
    {"string", string_filter}, {"title", title_filter}, {"tojson", tojson_filter}, {"trim", trim_filter},
    {"truncate", truncate_filter}, {"upper", case_filter<Case::kUpper>}, {"wordcount", wordcount_filter},
    {"attr", [](Interpreter& interpreter, const Value& value, const Arguments& given) -> Result<Value> {
       const std::string name = text_of(given, 0, "name", "");
       // Unlike value.name, this never looks into a dict.
       if (value.dict()) return method(interpreter, value, name).value_or(Undefined{name});
       return interpreter.attribute(value, name);
     }},
}};

}  // namespace

std::span<const std::pair<std::string_view, Filter>> text_filters() { return kFilters; }

Result<std::int64_t> integer_of(const Arguments& given, std::size_t at, std::string_view name, std::int64_t fallback) {
  const Value* value = given.find(at, name);
  if (!value || value->is_none()) return fallback;
  if (value->integer()) return *value->integer();
  return type_error(fmt::format("found {} as {}, expected an integer", value->type_name(), name));
}

bool truth_of(const Arguments& given, std::size_t at, std::string_view name, bool fallback) {
  const Value* value = given.find(at, name);
  return value ? value->truthy() : fallback;
}

std::string text_of(const Arguments& given, std::size_t at, std::string_view name, std::string_view fallback) {
  const Value* value = given.find(at, name);
  return value && value->string() ? *value->string() : std::string(fallback);
}

}  // namespace lieq::jinja
