#include "lieq/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "lieq/base/utf8.h"
#include "lieq/jinja/characters.h"
#include "lieq/jinja/string_literal.h"

namespace lieq::jinja {
namespace {

constexpr std::string_view kBlanks = " \t\n\r\f\v";
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Line ends as "\n"; one at the very end does not count.
std::string with_unix_lines(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!pair) text.push_back(source[i] == '\r' ? '\n' : source[i]);
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) LIEQ_TRY(text());
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  [[nodiscard]] Unexpected wrong(std::size_t line, const std::string& what) const {
    return fail(ErrorCode::kInvalidFormat, fmt::format("line {}: {}", line, what));
  }
  void skip(std::size_t count) {
    line_ += static_cast<std::size_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                 source_.begin() + static_cast<std::ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
  }
  void skip_blanks() { skip(std::min(rest().find_first_not_of(kBlanks), rest().size())); }

  /// Where the next {{, {% or {# is; npos when there is none.
  [[nodiscard]] std::size_t find_tag() const {
    for (std::size_t i = source_.find('{', at_); i != std::string::npos && i + 1 < source_.size();
         i = source_.find('{', i + 1))
      if (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#') return i;
    return std::string::npos;
  }

  /// The text before a tag, with what `-` and lstrip_blocks take off its end.
  [[nodiscard]] std::string_view before_tag(std::string_view text, char sign, bool strips_line) const {
    if (sign == '-') return text.substr(0, text.find_last_not_of(kBlanks) + 1);
    if (sign == '+' || !strips_line) return text;
    const std::size_t line = text.rfind('\n') + 1;  // 0 when there is no line end
    if (line == 0 && !line_starting_) return text;
    return text.find_first_not_of(kBlanks, line) == std::string_view::npos ? text.substr(0, line) : text;
  }

  [[nodiscard]] char sign_at(std::size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
  }

  /// Text up to a tag, and the tag.
  Result<void> text() {
    const std::size_t tag = find_tag();
    if (tag == std::string::npos) {
      add(TokenKind::kText, std::string(rest()));
      skip(rest().size());
      return {};
    }
    const char kind = source_[tag + 1], sign = sign_at(tag + 2);
    const std::string_view kept = before_tag(rest().substr(0, tag - at_), sign, kind != '{');
    if (!kept.empty()) add(TokenKind::kText, std::string(kept));
    skip(tag - at_ + 2 + (sign != '\0' ? 1 : 0));
    line_starting_ = false;
    if (kind == '#') return comment();
    if (kind == '%' && raw_begins()) return raw();
    add(kind == '{' ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, "");
    return inside(kind == '{');
  }

  /// Takes the end of a tag: `-` takes the white space after it, otherwise a block or comment takes one line end.
  void close(std::size_t length, bool strips, bool takes_line_end) {
    skip(length);
    const std::size_t begin = at_;
    if (strips) {
      skip_blanks();
    } else if (takes_line_end && rest().starts_with('\n')) {
      skip(1);
    }
    line_starting_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  Result<void> comment() {
    const std::size_t opened = line_, end = source_.find("#}", at_);
    if (end == std::string::npos) return wrong(opened, "found a comment without an end, expected '#}'");
    const char sign = end > at_ ? sign_at(end - 1) : '\0';
    skip(end - at_);
    close(2, sign == '-', sign != '+');
    return {};
  }

  [[nodiscard]] bool raw_begins() const {
    std::string_view tail = rest();
    tail.remove_prefix(std::min(tail.find_first_not_of(kBlanks), tail.size()));
    if (!tail.starts_with("raw")) return false;
    tail.remove_prefix(3);
    tail.remove_prefix(std::min(tail.find_first_not_of(kBlanks), tail.size()));
    return tail.starts_with("%}") || tail.starts_with("-%}");
  }

  /// {% raw %} ... {% endraw %}: text, whatever it says.
  Result<void> raw() {
    const std::size_t opened = line_;
    const std::size_t end = source_.find("%}", at_);
    const bool strips = source_[end - 1] == '-';
    skip(end - at_);
    close(2, strips, false);
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      const char sign = sign_at(tag + 2);
      std::size_t i = source_.find_first_not_of(kBlanks, tag + 2 + (sign != '\0' ? 1 : 0));
      if (i == std::string::npos || source_.compare(i, 6, "endraw") != 0) continue;
      i = source_.find_first_not_of(kBlanks, i + 6);
      const char closing = i == std::string::npos ? '\0' : sign_at(i);
      if (closing != '\0') ++i;
      if (i == std::string::npos || source_.compare(i, 2, "%}") != 0) continue;
      add(TokenKind::kText, std::string(before_tag(rest().substr(0, tag - at_), sign, true)));
      skip(i - at_);
      close(2, closing == '-', closing != '+');
      return {};
    }
    return wrong(opened, "found 'raw' without an end, expected 'endraw'");
  }

  /// Between the borders of a tag. A border inside brackets is none: {{ {'a': {}} }}.
  Result<void> inside(bool print) {
    const std::string_view end = print ? "}}" : "%}";
    const std::size_t opened = line_;
    while (true) {
      skip_blanks();
      const std::string_view left = rest();
      if (left.empty()) return wrong(opened, fmt::format("found the end of the template, expected '{}'", end));
      if (brackets_.empty()) {
        const char sign = sign_at(at_);
        const std::size_t length = sign == '\0' || (print && sign == '+') ? 0 : 1;
        if (left.substr(length).starts_with(end)) {
          add(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "");
          close(length + 2, sign == '-', !print && sign != '+');
          return {};
        }
      }
      LIEQ_TRY(token());
    }
  }

  Result<void> token() {
    const char c = rest().front();
    if (c == '"' || c == '\'') return string();
    if (is_digit(c)) return number();
    const std::size_t name = name_length();
    if (name > 0) {
      add(TokenKind::kName, std::string(rest().substr(0, name)));
      skip(name);
      return {};
    }
    return operation();
  }

  [[nodiscard]] std::size_t name_length() const {
    std::size_t i = at_;
    while (i < source_.size()) {
      const CodePoint point = decode_utf8(source_, i);
      if (!point.valid || !is_name(point.value)) break;
      i += point.bytes;
    }
    return i - at_;
  }

  Result<void> string() {
    const char quote = rest().front();
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return wrong(line_, fmt::format("found a string without an end, expected {}", quote));
    auto value = unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
    if (!value) return wrong(line_, value.error().message);
    add(TokenKind::kString, std::move(*value));
    skip(end + 1 - at_);
    return {};
  }

  /// Digits and underscores from `i` on.
  [[nodiscard]] std::size_t digits_end(std::size_t i) const {
    while (i < source_.size() &&
           (is_digit(source_[i]) || (source_[i] == '_' && i + 1 < source_.size() && is_digit(source_[i + 1]))))
      ++i;
    return i;
  }

  /// 0x1f, 0o17, 0b11: the digits after the prefix, or nothing.
  [[nodiscard]] std::size_t prefixed_end() const {
    constexpr std::string_view kDigits = "0123456789abcdefABCDEF_";
    if (source_[at_] != '0' || at_ + 2 >= source_.size()) return 0;
    const char base = source_[at_ + 1];
    const std::size_t allowed = base == 'x' || base == 'X'   ? 23
                                : base == 'o' || base == 'O' ? 8
                                : base == 'b' || base == 'B' ? 2
                                                             : 0;
    const std::size_t end = source_.find_first_not_of(kDigits.substr(0, allowed), at_ + 2);
    return allowed == 0 || end == at_ + 2 ? 0 : std::min(end, source_.size());
  }

  Result<void> number() {
    const std::size_t prefixed = prefixed_end();
    std::size_t end = prefixed > 0 ? prefixed : digits_end(at_);
    bool real = false;
    const auto digit_at = [&](std::size_t i) { return i < source_.size() && is_digit(source_[i]); };
    if (prefixed == 0 && end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      real = true;
      end = digits_end(end + 1);
    }
    if (prefixed == 0 && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const std::size_t exponent = end + 1 + (sign_at(end + 1) != '\0' ? 1 : 0);
      if (digit_at(exponent)) {
        real = true;
        end = digits_end(exponent);
      }
    }
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    add(real ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    skip(end - at_);
    return {};
  }

  Result<void> operation() {
    constexpr std::array<std::string_view, 27> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                             "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                             ">",  "<",  "=",  ".",  ":",  "|",  ",", ";", "!"};
    const auto* found = std::ranges::find_if(kOperators, [&](std::string_view one) { return rest().starts_with(one); });
    if (found == kOperators.end() || *found == "!")
      return wrong(line_, fmt::format("found '{}', expected a name, a value or an operator",
                                      rest().substr(0, decode_utf8(source_, at_).bytes)));
    LIEQ_TRY(balance(found->front()));
    add(TokenKind::kOperator, std::string(*found));
    skip(found->size());
    return {};
  }

  Result<void> balance(char c) {
    if (c == '(') brackets_.push_back(')');
    if (c == '[') brackets_.push_back(']');
    if (c == '{') brackets_.push_back('}');
    if (c != ')' && c != ']' && c != '}') return {};
    if (brackets_.empty()) return wrong(line_, fmt::format("found '{}', which closes nothing", c));
    if (brackets_.back() != c) return wrong(line_, fmt::format("found '{}', expected '{}'", c, brackets_.back()));
    brackets_.pop_back();
    return {};
  }

  std::string source_;
  std::size_t at_ = 0, line_ = 1;
  bool line_starting_ = true;  ///< what was read last ended a line
  std::string brackets_;       ///< the closing ones that are waited for
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(with_unix_lines(source)).run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText: return "text";
    case TokenKind::kPrintBegin: return "'{{'";
    case TokenKind::kPrintEnd: return "'}}'";
    case TokenKind::kBlockBegin: return "'{%'";
    case TokenKind::kBlockEnd: return "'%}'";
    case TokenKind::kString: return "a string";
    case TokenKind::kEnd: return "the end of the template";
    default: return fmt::format("'{}'", token.text);
  }
}

}  // namespace lieq::jinja
