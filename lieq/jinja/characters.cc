#include "lieq/jinja/characters.h"

#include <utf8proc.h>

#include <algorithm>

#include "lieq/base/utf8.h"

namespace lieq::jinja {
namespace {

utf8proc_category_t category(char32_t value) { return utf8proc_category(static_cast<utf8proc_int32_t>(value)); }

bool has_case(char32_t value) { return is_upper(value) || is_lower(value) || category(value) == UTF8PROC_CATEGORY_LT; }

void append_cased(std::string& text, char32_t value, Case to) {
  constexpr char32_t kSharpS = 0xDF;
  const auto code = static_cast<utf8proc_int32_t>(value);
  if (value == kSharpS && to != Case::kLower) {
    text += to == Case::kUpper ? "SS" : "Ss";
    return;
  }
  const utf8proc_int32_t changed = to == Case::kUpper   ? utf8proc_toupper(code)
                                   : to == Case::kLower ? utf8proc_tolower(code)
                                                        : utf8proc_totitle(code);
  append_utf8(text, static_cast<char32_t>(changed));
}

bool takes(char32_t value, std::string_view character, const std::string* set) {
  return set == nullptr ? is_space(value) : set->find(character) != std::string::npos;
}

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  for (std::size_t at = 0; at < text.size(); at += all.back().size())
    all.push_back(text.substr(at, decode_utf8(text, at).bytes));
  return all;
}

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string change_case(std::string_view text, Case to) {
  std::string changed;
  for (const std::string_view one : characters(text)) append_cased(changed, decode_utf8(one, 0).value, to);
  return changed;
}

std::string title(std::string_view text) {
  std::string changed;
  bool inside = false;
  for (const std::string_view one : characters(text)) {
    const char32_t value = decode_utf8(one, 0).value;
    append_cased(changed, value, inside ? Case::kLower : Case::kTitle);
    inside = has_case(value);
  }
  return changed;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t first = decode_utf8(text, 0).bytes;
  return change_case(text.substr(0, first), Case::kTitle) + change_case(text.substr(first), Case::kLower);
}

bool is_space(char32_t value) {
  if (value < 128) return (value >= 9 && value <= 13) || (value >= 28 && value <= 32);
  return value == 0x85 || category(value) == UTF8PROC_CATEGORY_ZS || category(value) == UTF8PROC_CATEGORY_ZL ||
         category(value) == UTF8PROC_CATEGORY_ZP;
}

bool is_alphabetic(char32_t value) {
  const utf8proc_category_t kind = category(value);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t value) { return category(value) == UTF8PROC_CATEGORY_ND; }
bool is_upper(char32_t value) { return category(value) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t value) { return category(value) == UTF8PROC_CATEGORY_LL; }

bool is_word(char32_t value) {
  const utf8proc_category_t kind = category(value);
  return is_alphabetic(value) || (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO) || value == '_';
}

bool is_name(char32_t value) {
  const utf8proc_category_t kind = category(value);
  return is_word(value) || kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_PC;
}

bool is_printable(char32_t value) {
  if (value == ' ') return true;
  const utf8proc_category_t kind = category(value);
  return kind != UTF8PROC_CATEGORY_CN && kind < UTF8PROC_CATEGORY_ZS;  // separators, then controls and their like
}

std::string_view strip(std::string_view text, Ends ends, const std::string* set) {
  while (ends != Ends::kRight && !text.empty()) {
    const CodePoint point = decode_utf8(text, 0);
    if (!takes(point.value, text.substr(0, point.bytes), set)) break;
    text.remove_prefix(point.bytes);
  }
  while (ends != Ends::kLeft && !text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if (!takes(decode_utf8(text, at).value, text.substr(at), set)) break;
    text.remove_suffix(text.size() - at);
  }
  return text;
}

bool is_cased(std::string_view text, Case as) {
  bool any = false;
  for (const std::string_view one : characters(text)) {
    const char32_t value = decode_utf8(one, 0).value;
    if (!has_case(value)) continue;
    if (as == Case::kUpper ? !is_upper(value) : !is_lower(value)) return false;
    any = true;
  }
  return any;
}

Result<std::string> replaced(std::string_view text, std::string_view from, std::string_view to, std::int64_t most) {
  std::string out;
  while (most-- != 0) {
    // An empty `from` is found before each character and at the end.
    const std::size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    out.append(text.substr(0, at)).append(to);
    if (out.size() > kMaxText) return fail(ErrorCode::kInvalidFormat, "replace: the text becomes too long");
    if (from.empty() && text.empty()) return out;
    const std::size_t step = from.empty() ? decode_utf8(text, 0).bytes : 0;
    out.append(text.substr(0, step));
    text.remove_prefix(from.empty() ? step : at + from.size());
  }
  return out.append(text);
}

Result<std::string> padded_to(std::string_view text, std::int64_t width, std::string_view fill, int where) {
  if (length(fill) != 1)
    return fail(ErrorCode::kInvalidFormat, "the fill character must be exactly one character long");
  if (width > static_cast<std::int64_t>(kMaxText / fill.size()))
    return fail(ErrorCode::kInvalidFormat, "found a width that is too large");
  const auto size = static_cast<std::int64_t>(length(text));
  const std::int64_t missing = std::max<std::int64_t>(0, width - size);
  // CPython's str.center puts the odd one to the left when the width is odd.
  const std::int64_t before = where > 0 ? missing : where < 0 ? 0 : missing / 2 + (missing & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (std::int64_t i = before; i < missing; ++i) out += fill;
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const char32_t c = point.value;
    const bool ends = (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
    at += point.bytes;
    if (!ends) continue;
    lines.push_back(text.substr(begin, at - point.bytes - begin));
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace lieq::jinja
