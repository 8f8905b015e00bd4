/// Goals: agree with Hugging Face tokenizers 0.23 on every code point. It uses three versions of Unicode at once:
/// Oniguruma's 16 in regular expressions, the Rust library's 17 in Digits, and a frozen 9 in NFC. utf8proc 2.8 has 15.
/// The tables below hold the differences; they were found by asking the Python package about all 1,112,064 code points.
/// Non-goals: other normal forms, case mapping.

#include "lieq/text/unicode.h"

#include <algorithm>
#include <span>
#include <vector>

#include <utf8proc.h>

#include "lieq/base/utf8.h"

namespace lieq::text {
namespace {

struct Range {
  char32_t first, last;
};

/// Letters that Unicode 15 does not know and 16 does.
constexpr Range kNewLetters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D}};
/// Numbers that Unicode 15 does not know and 16 does.
constexpr Range kNewNumbers[] = {{0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
                                 {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA}};
/// Numbers that came with Unicode 17.
constexpr Range kNewestNumbers[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

/// Code points that composition treats as strangers: those with a combining class or a canonical
/// decomposition that came after Unicode 9 (of Unicode 16 whole blocks, for a newer utf8proc), and U+11A7, the place
/// before the first Hangul trailing consonant, which utf8proc swallows after a syllable.
constexpr Range kInertInNfc[] = {
    {0x07FD, 0x07FD}, {0x0897, 0x089F}, {0x08CA, 0x08D3}, {0x09FE, 0x09FE}, {0x0C3C, 0x0C3C}, {0x0D3B, 0x0D3C},
    {0x0EBA, 0x0EBA}, {0x11A7, 0x11A7}, {0x1715, 0x1715}, {0x1ABF, 0x1AEB}, {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C},
    {0x105C0, 0x105F3}, {0x10D24, 0x10D27}, {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10EFA, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11380, 0x113E2},
    {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16100, 0x16139}, {0x16D40, 0x16D79},
    {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6F5}};

bool within(std::span<const Range> ranges, char32_t value) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), value,
                                      [](char32_t v, const Range& range) { return v < range.first; });
  return after != ranges.begin() && value <= std::prev(after)->last;
}

utf8proc_category_t category(char32_t value) { return utf8proc_category(static_cast<utf8proc_int32_t>(value)); }

/// Unicode's White_Space beyond ASCII.
bool is_wide_space(char32_t value) {
  return value == 0x85 || value == 0xA0 || value == 0x1680 || (value >= 0x2000 && value <= 0x200A) ||
         value == 0x2028 || value == 0x2029 || value == 0x202F || value == 0x205F || value == 0x3000;
}

utf8proc_int32_t combining_class(utf8proc_int32_t value) { return utf8proc_get_property(value)->combining_class; }

/// Appends NFC(text). utf8proc_map would do, but it bubble-sorts marks: quadratic on a long run of them.
void append_composed(std::string& out, std::string_view text) {
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    std::array<utf8proc_int32_t, 32> parts{};
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(point.value), parts.data(), parts.size(),
                                static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), nullptr);
    points.insert(points.end(), parts.begin(), parts.begin() + std::max<utf8proc_ssize_t>(count, 0));
    at += point.bytes;
  }
  const auto starter = [](utf8proc_int32_t value) { return combining_class(value) == 0; };
  for (auto run = points.begin(); run != points.end();) {
    run = std::find_if_not(run, points.end(), starter);
    const auto end = std::find_if(run, points.end(), starter);
    std::stable_sort(run, end, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    run = end;
  }
  const utf8proc_ssize_t size =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  points.resize(static_cast<std::size_t>(std::max<utf8proc_ssize_t>(size, 0)));
  for (const utf8proc_int32_t point : points) append_utf8(out, static_cast<char32_t>(point));
}

/// Appends NFC(text) as Unicode 9 had it: younger marks and letters are strangers that stop composition.
void append_known(std::string& out, std::string_view text) {
  std::size_t begin = 0;  // of the part not yet composed
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    if (point.value >= kInertInNfc[0].first && within(kInertInNfc, point.value)) {
      append_composed(out, text.substr(begin, at - begin));
      out.append(text.substr(at, point.bytes));
      begin = at + point.bytes;
    }
    at += point.bytes;
  }
  append_composed(out, text.substr(begin));
}

}  // namespace

CharClass char_class(char32_t value) {
  if (value < 128) return kAsciiClass[value];
  switch (category(value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return within(kNewestNumbers, value) ? CharClass::kOther : CharClass::kNumber;
    case UTF8PROC_CATEGORY_CN:
      if (within(kNewLetters, value)) return CharClass::kLetter;
      return within(kNewNumbers, value) ? CharClass::kNumber : CharClass::kOther;
    default: return is_wide_space(value) ? CharClass::kSpace : CharClass::kOther;
  }
}

bool is_numeric(char32_t value) {
  return char_class(value) == CharClass::kNumber || within(kNewestNumbers, value);
}

bool is_word(char32_t value) {
  if (char_class(value) == CharClass::kLetter || value == 0x200C || value == 0x200D) return true;
  // Circled and squared letters are symbols by category, but alphabetic.
  if ((value >= 0x24B6 && value <= 0x24E9) || (value >= 0x1F130 && value <= 0x1F149) ||
      (value >= 0x1F150 && value <= 0x1F169) || (value >= 0x1F170 && value <= 0x1F189))
    return true;
  switch (category(value)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return false;
  }
}

std::string nfc(std::string_view text) {
  // Nothing below U+0300 moves, and it composes only with what is not below: so of plain stretches only the last
  // character matters, when something else follows.
  const auto plain = [](char byte) { return static_cast<std::uint8_t>(byte) < 0xCC; };
  const auto plain_lead = [](char byte) {
    const auto value = static_cast<std::uint8_t>(byte);
    return value < 0x80 || (value >= 0xC2 && value < 0xCC);
  };
  std::string out;
  out.reserve(text.size());
  for (auto done = text.begin(); done != text.end();) {
    const auto other = std::find_if_not(done, text.end(), plain);
    auto begin = other;
    if (other != text.end() && begin != done) {
      do --begin;
      while (begin != done && !plain_lead(*begin));
    }
    out.append(done, begin);
    const auto end = std::find_if(other, text.end(), plain_lead);
    append_known(out, {begin, end});
    done = end;
  }
  return out;
}

}  // namespace lieq::text
