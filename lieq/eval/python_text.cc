#include "lieq/eval/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "lieq/base/utf8.h"
#include "lieq/jinja/characters.h"

namespace lieq::eval {
namespace {

/// The characters whose title case is more than one character (SpecialCasing.txt); utf8proc maps one to one.
constexpr std::pair<char32_t, std::string_view> kLongTitles[] = {{0x00DF, "Ss"},
                                                                 {0x0149, "\u02BCN"},
                                                                 {0x01F0, "J\u030C"},
                                                                 {0x0390, "\u0399\u0308\u0301"},
                                                                 {0x03B0, "\u03A5\u0308\u0301"},
                                                                 {0x0587, "\u0535\u0582"},
                                                                 {0x1E96, "H\u0331"},
                                                                 {0x1E97, "T\u0308"},
                                                                 {0x1E98, "W\u030A"},
                                                                 {0x1E99, "Y\u030A"},
                                                                 {0x1E9A, "A\u02BE"},
                                                                 {0x1F50, "\u03A5\u0313"},
                                                                 {0x1F52, "\u03A5\u0313\u0300"},
                                                                 {0x1F54, "\u03A5\u0313\u0301"},
                                                                 {0x1F56, "\u03A5\u0313\u0342"},
                                                                 {0x1FB2, "\u1FBA\u0345"},
                                                                 {0x1FB4, "\u0386\u0345"},
                                                                 {0x1FB6, "\u0391\u0342"},
                                                                 {0x1FB7, "\u0391\u0342\u0345"},
                                                                 {0x1FC2, "\u1FCA\u0345"},
                                                                 {0x1FC4, "\u0389\u0345"},
                                                                 {0x1FC6, "\u0397\u0342"},
                                                                 {0x1FC7, "\u0397\u0342\u0345"},
                                                                 {0x1FD2, "\u0399\u0308\u0300"},
                                                                 {0x1FD3, "\u0399\u0308\u0301"},
                                                                 {0x1FD6, "\u0399\u0342"},
                                                                 {0x1FD7, "\u0399\u0308\u0342"},
                                                                 {0x1FE2, "\u03A5\u0308\u0300"},
                                                                 {0x1FE3, "\u03A5\u0308\u0301"},
                                                                 {0x1FE4, "\u03A1\u0313"},
                                                                 {0x1FE6, "\u03A5\u0342"},
                                                                 {0x1FE7, "\u03A5\u0308\u0342"},
                                                                 {0x1FF2, "\u1FFA\u0345"},
                                                                 {0x1FF4, "\u038F\u0345"},
                                                                 {0x1FF6, "\u03A9\u0342"},
                                                                 {0x1FF7, "\u03A9\u0342\u0345"},
                                                                 {0xFB00, "Ff"},
                                                                 {0xFB01, "Fi"},
                                                                 {0xFB02, "Fl"},
                                                                 {0xFB03, "Ffi"},
                                                                 {0xFB04, "Ffl"},
                                                                 {0xFB05, "St"},
                                                                 {0xFB06, "St"},
                                                                 {0xFB13, "\u0544\u0576"},
                                                                 {0xFB14, "\u0544\u0565"},
                                                                 {0xFB15, "\u0544\u056B"},
                                                                 {0xFB16, "\u054E\u0576"},
                                                                 {0xFB17, "\u0544\u056D"}};

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool is_cased(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT;
}

/// What may stand between a letter and a sigma without a say in whether the sigma ends the word.
bool is_case_ignorable(char32_t c) {
  static constexpr std::u32string_view kPunctuation = U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027";
  static constexpr std::array kKinds = {UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME, UTF8PROC_CATEGORY_CF,
                                        UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_SK};
  return kPunctuation.find(c) != std::u32string_view::npos || std::ranges::find(kKinds, category(c)) != kKinds.end();
}

bool ends_word(const std::vector<char32_t>& points, std::size_t sigma) {
  std::size_t before = sigma, after = sigma + 1;
  while (before > 0 && is_case_ignorable(points[before - 1])) --before;
  while (after < points.size() && is_case_ignorable(points[after])) ++after;
  return before > 0 && is_cased(points[before - 1]) && (after == points.size() || !is_cased(points[after]));
}

void append_title(std::string& text, char32_t c) {
  const auto* found = std::ranges::find(kLongTitles, c, &std::pair<char32_t, std::string_view>::first);
  if (found != std::end(kLongTitles)) {
    text += found->second;
  } else {
    append_utf8(text, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_lower(std::string& text, const std::vector<char32_t>& points, std::size_t at) {
  constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2, kCapitalDottedI = 0x130;
  const char32_t c = points[at];
  if (c == kCapitalDottedI) {
    text += "i\u0307";
  } else if (c == kCapitalSigma && ends_word(points, at)) {
    append_utf8(text, kFinalSigma);
  } else {
    append_utf8(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace

std::string_view python_rstrip(std::string_view text) { return jinja::strip(text, jinja::Ends::kRight); }
std::string_view python_strip(std::string_view text) { return jinja::strip(text, jinja::Ends::kBoth); }

std::string python_capitalize(std::string_view text) {
  std::vector<char32_t> points;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    points.push_back(point.value);
    at += point.bytes;
  }
  std::string capitalized;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i == 0) {
      append_title(capitalized, points[i]);
    } else {
      append_lower(capitalized, points, i);
    }
  }
  return capitalized;
}

std::string python_replace(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  while (true) {
    const std::size_t at = text.find(from);
    replaced += text.substr(0, at);
    if (at == std::string_view::npos) return replaced;
    replaced += to;
    text.remove_prefix(at + from.size());
  }
}

std::size_t code_points(std::string_view text) { return jinja::length(text); }

std::size_t count_words(std::string_view text) {
  std::size_t runs = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const bool space = jinja::is_space(point.value);
    runs += space && !inside;
    inside = space;
    at += point.bytes;
  }
  return runs + 1;
}

}  // namespace lieq::eval
