#include "lieq/jinja/string_literal.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "lieq/base/utf8.h"

namespace lieq::jinja {
namespace {

/// A number of up to `most` digits at the head of `text`; `used` is how many there were.
std::uint32_t take_number(std::string_view text, std::size_t most, int base, std::size_t& used) {
  std::uint32_t value = 0;
  const std::string_view digits = text.substr(0, most);
  used = static_cast<std::size_t>(std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ptr -
                                  digits.data());
  return value;
}

char simple_escape(char c) {
  constexpr std::string_view kFrom = "nrtbfav\\'\"", kTo = "\n\r\t\b\f\a\v\\'\"";
  const std::size_t at = kFrom.find(c);
  return at == std::string_view::npos ? '\0' : kTo[at];
}

}  // namespace

Result<std::string> unescape(std::string_view literal) {
  std::string text;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\') {
      text.push_back(literal[i]);
      continue;
    }
    const char c = literal[++i];  // the lexer takes a backslash together with what follows
    const std::size_t hex_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    std::size_t used = 0;
    if (const char plain = simple_escape(c)) {
      text.push_back(plain);
    } else if (hex_digits > 0) {
      const std::uint32_t value = take_number(literal.substr(i + 1), hex_digits, 16, used);
      if (used != hex_digits || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return fail(ErrorCode::kInvalidFormat,
                    fmt::format("found a string with a broken '\\{}', expected {} hexadecimal digits of a "
                                "Unicode character",
                                c, hex_digits));
      append_utf8(text, value);
      i += used;
    } else if (c >= '0' && c <= '7') {
      append_utf8(text, take_number(literal.substr(i), 3, 8, used));
      i += used - 1;
    } else if (c == 'N') {
      return fail(ErrorCode::kInvalidFormat, "found '\\N' in a string, expected '\\u' and the number of the character");
    } else if (c != '\n') {
      text.push_back('\\');
      text.push_back(c);
    }
  }
  return text;
}

}  // namespace lieq::jinja
