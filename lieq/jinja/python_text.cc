#include "lieq/jinja/python_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/utf8.h"
#include "lieq/jinja/characters.h"

namespace lieq::jinja {
namespace {

std::string repr_string(std::string_view text) {
  const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const std::string_view one : characters(text)) {
    const char32_t value = decode_utf8(one, 0).value;
    const auto code = static_cast<unsigned>(value);
    if (value == static_cast<char32_t>(quote) || value == '\\') out.append(1, '\\').append(one);
    else if (value == '\n') out += "\\n";
    else if (value == '\r') out += "\\r";
    else if (value == '\t') out += "\\t";
    else if (is_printable(value)) out += one;
    else if (code < 0x100) out += fmt::format("\\x{:02x}", code);
    else out += code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
  }
  out += quote;
  return out;
}

std::string repr_items(const std::vector<Value>& items) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) out.append(i == 0 ? "" : ", ").append(repr(items[i]));
  return out;
}

std::string repr_sequence(const Sequence& sequence) {
  switch (sequence.kind) {
    case Sequence::Kind::kTuple:
      return fmt::format("({}{})", repr_items(sequence.items), sequence.items.size() == 1 ? "," : "");
    case Sequence::Kind::kRange: return sequence.written;
    case Sequence::Kind::kView: return fmt::format("dict_view([{}])", repr_items(sequence.items));
    case Sequence::Kind::kGenerator: return "<generator object>";
    default: return fmt::format("[{}]", repr_items(sequence.items));
  }
}

std::string repr_dict(const Dict& dict) {
  std::string out = "{";
  for (const auto& [key, value] : dict.entries)
    out.append(out.size() == 1 ? "" : ", ").append(repr(key)).append(": ").append(repr(value));
  return out.append("}");
}

void append_json_string(std::string& out, std::string_view text, bool ascii) {
  constexpr std::string_view kFrom = "\"\\\n\r\t\b\f", kTo = "\"\\nrtbf";
  out += '"';
  for (const std::string_view one : characters(text)) {
    const auto code = static_cast<std::uint32_t>(decode_utf8(one, 0).value);
    const std::size_t short_form = code < 128 ? kFrom.find(static_cast<char>(code)) : std::string_view::npos;
    if (short_form != std::string_view::npos) {
      out += {'\\', kTo[short_form]};
    } else if (code >= 0x10000 && ascii) {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else if (code < 0x20 || (ascii && code >= 0x7F)) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += one;
    }
  }
  out += '"';
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  Result<void> write(const Value& value, std::size_t level) {
    if (value.is_none()) out += "null";
    else if (const bool* flag = value.boolean()) out += *flag ? "true" : "false";
    else if (value.integer()) out += to_text(value);
    else if (const double* real = value.real()) out += number(*real);
    else if (const std::string* text = value.string()) append_json_string(out, *text, style_.ascii);
    else if (const Dict* dict = value.dict()) return object(*dict, level);
    else if (const Sequence* list = value.sequence();
             list && (list->kind == Sequence::Kind::kList || list->kind == Sequence::Kind::kTuple))
      return array(*list, level);
    else return type_error(fmt::format("tojson: found a value of type {}, which JSON cannot hold", value.type_name()));
    return {};
  }
  std::string out;

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    return std::isinf(value) ? (value < 0 ? "-Infinity" : "Infinity") : float_text(value);
  }
  void new_line(std::size_t level) {
    if (!style_.indent) return;
    out += '\n';
    for (std::size_t i = 0; i < level; ++i) out += *style_.indent;
  }
  Result<void> array(const Sequence& list, std::size_t level) {
    if (list.items.empty()) return out += "[]", Result<void>();
    out += '[';
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out += style_.item_separator;
      new_line(level + 1);
      LIEQ_TRY(write(list.items[i], level + 1));
    }
    new_line(level);
    out += ']';
    return {};
  }
  Result<void> object(const Dict& dict, std::size_t level) {
    if (dict.entries.empty()) return out += "{}", Result<void>();
    std::vector<const std::pair<Value, Value>*> order;
    for (const auto& entry : dict.entries) order.push_back(&entry);
    if (style_.sort_keys)
      std::ranges::stable_sort(order,
                               [](const auto* a, const auto* b) { return to_text(a->first) < to_text(b->first); });
    out += '{';
    for (const auto* entry : order) {
      if (entry != order.front()) out += style_.item_separator;
      new_line(level + 1);
      LIEQ_TRY(key(entry->first));
      out += style_.key_separator;
      LIEQ_TRY(write(entry->second, level + 1));
    }
    new_line(level);
    out += '}';
    return {};
  }
  /// Keys are strings; numbers and constants are written as JSON writes them, in quotes.
  Result<void> key(const Value& value) {
    if (const std::string* text = value.string()) return append_json_string(out, *text, style_.ascii), Result<void>();
    if (!value.is_none() && !value.number())
      return type_error(fmt::format("tojson: found a key of type {}, expected a string", value.type_name()));
    out += '"';
    LIEQ_TRY(write(value, 0));
    out += '"';
    return {};
  }
  const JsonStyle& style_;
};

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 400> buffer{};
  const auto written = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::scientific);
  const std::string_view scientific(buffer.data(), written.ptr);
  const std::size_t e = scientific.find('e');
  int exponent = 0;
  std::from_chars(scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1), scientific.end(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  const auto fixed = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::fixed);
  const std::string text(buffer.data(), fixed.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string to_text(const Value& value) {
  if (value.is_undefined()) return {};
  if (const std::string* text = value.string()) return *text;
  return repr(value);
}

std::string repr(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (const bool* flag = value.boolean()) return *flag ? "True" : "False";
  if (const auto number = value.integer()) return std::to_string(*number);
  if (const double* real = value.real()) return float_text(*real);
  if (const std::string* text = value.string()) return repr_string(*text);
  if (const Sequence* list = value.sequence()) return repr_sequence(*list);
  if (const Dict* dict = value.dict()) return repr_dict(*dict);
  return fmt::format("<{}>", value.type_name());
}

Result<std::string> to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  LIEQ_TRY(writer.write(value, 0));
  return std::move(writer.out);
}

}  // namespace lieq::jinja
