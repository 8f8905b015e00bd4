/// Python's two ways of putting values into a string.

#include <charconv>

#include <fmt/format.h>

#include "lieq/base/utf8.h"
#include "lieq/jinja/characters.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

constexpr std::size_t kMaxWidth = 10000;

/// What stands between % and the letter.
struct Conversion {
  bool left = false, plus = false, blank = false, zero = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char letter = 's';
};

std::optional<std::size_t> take_count(std::string_view& rest) {
  std::size_t count = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  if (parsed.ec != std::errc{}) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
  return count;
}

Result<Conversion> take_conversion(std::string_view& rest) {
  Conversion one;
  for (; !rest.empty() && std::string_view("-+ 0#").find(rest.front()) != std::string_view::npos;
       rest.remove_prefix(1)) {
    one.left |= rest.front() == '-';
    one.plus |= rest.front() == '+';
    one.blank |= rest.front() == ' ';
    one.zero |= rest.front() == '0';
  }
  one.width = take_count(rest).value_or(0);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    one.precision = take_count(rest).value_or(0);
  }
  if (one.width > kMaxWidth || one.precision.value_or(0) > kMaxWidth)
    return type_error(fmt::format("format: found a width beyond {}", kMaxWidth));
  if (rest.empty()) return type_error("incomplete format");
  one.letter = rest.front();
  rest.remove_prefix(1);
  return one;
}

std::string padded(std::string text, const Conversion& one, bool number) {
  const std::size_t size = length(text);
  if (size >= one.width) return text;
  const std::size_t missing = one.width - size;
  if (one.left) return text + std::string(missing, ' ');
  if (!number || !one.zero) return std::string(missing, ' ') + text;
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') || text.starts_with(' ') ? 1 : 0;
  return text.insert(sign, missing, '0');
}

std::string signed_text(std::string digits, const Conversion& one) {
  if (!digits.starts_with('-') && (one.plus || one.blank)) digits.insert(0, 1, one.plus ? '+' : ' ');
  return padded(std::move(digits), one, true);
}

Result<std::string> convert(const Conversion& one, const Value& value) {
  if (one.letter == 's' || one.letter == 'r') {
    std::string text = one.letter == 's' ? to_text(value) : repr(value);
    if (one.precision) {
      const auto all = characters(text);
      if (*one.precision < all.size()) text.resize(static_cast<std::size_t>(all[*one.precision].data() - text.data()));
    }
    return padded(std::move(text), one, false);
  }
  const auto number = value.number();
  if (!number)
    return type_error(fmt::format("%{} format: a number is required, not {}", one.letter, value.type_name()));
  const std::size_t digits = one.precision.value_or(6);
  switch (one.letter) {
    case 'd': case 'i': case 'u': case 'x': case 'X': case 'o': {
      if (!value.integer() && !(*number > -9e18 && *number < 9e18)) return type_error("found a number beyond 64 bits");
      const std::int64_t whole = value.integer() ? *value.integer() : static_cast<std::int64_t>(*number);
      if (one.letter == 'x') return signed_text(fmt::format("{:x}", whole), one);
      if (one.letter == 'X') return signed_text(fmt::format("{:X}", whole), one);
      return signed_text(one.letter == 'o' ? fmt::format("{:o}", whole) : fmt::format("{}", whole), one);
    }
    case 'f': case 'F': return signed_text(fmt::format("{:.{}f}", *number, digits), one);
    case 'e': return signed_text(fmt::format("{:.{}e}", *number, digits), one);
    case 'g': return signed_text(fmt::format("{:.{}g}", *number, digits), one);
    default: return type_error(fmt::format("unsupported format character '{}'", one.letter));
  }
}

}  // namespace

Result<std::string> percent_format(const std::string& format, const Value& arguments) {
  const bool tuple = arguments.sequence() && arguments.sequence()->kind == Sequence::Kind::kTuple;
  const std::vector<Value> values = tuple ? arguments.sequence()->items : std::vector<Value>{arguments};
  std::string out;
  std::string_view rest = format;
  std::size_t next = 0;
  bool by_name = false;
  while (!rest.empty()) {
    const std::size_t percent = rest.find('%');
    out += rest.substr(0, percent);
    if (percent == std::string_view::npos) break;
    rest.remove_prefix(percent + 1);
    const Value* value = nullptr;
    if (rest.starts_with('(') && arguments.dict()) {
      const std::size_t close = rest.find(')');
      if (close == std::string_view::npos) return type_error("incomplete format key");
      value = arguments.dict()->find_name(rest.substr(1, close - 1));
      if (value == nullptr)
        return type_error(fmt::format("format: found no value named '{}'", rest.substr(1, close - 1)));
      rest.remove_prefix(close + 1);
      by_name = true;
    }
    LIEQ_ASSIGN(const Conversion one, take_conversion(rest));
    if (one.letter == '%') {
      out += '%';
      continue;
    }
    if (value == nullptr && next == values.size()) return type_error("not enough arguments for format string");
    if (value == nullptr) value = &values[next++];
    LIEQ_ASSIGN(const std::string text, convert(one, *value));
    out += text;
  }
  if (next < values.size() && !by_name && (tuple || !arguments.dict()))
    return type_error("not all arguments converted during string formatting");
  return out;
}

Result<std::string> brace_format(const std::string& format, const Arguments& arguments) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
      out += format[i++];
    } else if (c == '{') {
      const std::size_t close = format.find('}', i);
      if (close == std::string::npos) return type_error("expected '}' before end of string");
      std::string_view field(format.data() + i + 1, close - i - 1);
      std::string_view digits = field;
      const auto index = take_count(digits);
      const Value* value = field.empty()             ? arguments.find(next++, "")
                           : index && digits.empty() ? arguments.find(*index, "")
                                                     : arguments.find(arguments.positional.size(), field);
      if (value == nullptr) return type_error(fmt::format("format: found no value for '{{{}}}'", field));
      out += to_text(*value);
      i = close;
    } else if (c == '}') {
      return type_error("single '}' encountered in format string");
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace lieq::jinja
