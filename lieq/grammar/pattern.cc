#include "lieq/grammar/pattern.h"

#include <optional>
#include <string_view>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxPatternNesting = 60;  ///< of groups
constexpr std::size_t kMaxPatternRepetition = 100'000;

const CodeSet kDigits = {{U'0', U'9'}};
const CodeSet kWord = {{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}};
const CodeSet kSpaces = {{9, 13},          {U' ', U' '},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                         {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodeSet kLineEnds = {{U'\n', U'\n'}, {U'\r', U'\r'}, {0x2028, 0x2029}};

class PatternParser {
 public:
  PatternParser(Rules& rules, JsonRules& json, const std::string& pattern, const std::string& place)
      : rules_(rules), json_(json), place_(place) {
    for (std::size_t i = 0; i < pattern.size();) {
      const CodePoint c = decode_utf8(pattern, i);
      text_ += c.value;
      i += c.bytes;
    }
  }

  Result<Expression> run() {
    LIEQ_ASSIGN(const Expression whole, read_choice(0));
    if (!at_end()) return wrong("')'", "an opening parenthesis before");
    return whole;
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char32_t peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0;
  }
  bool take(char32_t c) {
    if (at_end() || peek() != c) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] Unexpected wrong(const std::string& found, const std::string& expected) const {
    return fail(ErrorCode::kInvalidFormat,
                place_ + ": found " + found + " at character " + std::to_string(at_) + ", expected " + expected);
  }
  [[nodiscard]] Unexpected unsupported(const std::string& what) const {
    return fail(ErrorCode::kUnsupported, place_ + ": " + what + " is not supported in patterns");
  }

  Expression any_characters() { return rules_.repeat(json_.character(), 0, kNoLimit); }

  Result<Expression> read_choice(std::size_t depth) {
    if (depth > kMaxPatternNesting) return unsupported("deeper nesting than " + std::to_string(kMaxPatternNesting));
    std::vector<Expression> options;
    do {
      LIEQ_ASSIGN(const Expression option, read_sequence(depth));
      options.push_back(option);
    } while (take(U'|'));
    return rules_.choice(std::move(options));
  }

  Result<Expression> read_sequence(std::size_t depth) {
    std::vector<Expression> parts;
    const bool from_start = depth == 0 && take(U'^');
    bool to_end = false;
    if (depth == 0 && !from_start) parts.push_back(any_characters());
    while (!at_end() && peek() != U'|' && peek() != U')') {
      if (rules_.full()) return unsupported("so large an expression");
      if (depth == 0 && peek() == U'$' && (at_ + 1 == text_.size() || peek(1) == U'|')) {
        ++at_;
        to_end = true;
        break;
      }
      LIEQ_ASSIGN(const Expression atom, read_atom(depth));
      LIEQ_ASSIGN(const Expression repeated, read_quantifier(atom));
      parts.push_back(repeated);
    }
    if (depth == 0 && !to_end) parts.push_back(any_characters());
    return parts.empty() ? rules_.empty() : rules_.sequence(std::move(parts));
  }

  Result<Expression> read_atom(std::size_t depth) {
    const char32_t c = peek();
    if (c == U'^' || c == U'$') return unsupported("an anchor inside");
    if (c == U'*' || c == U'+' || c == U'?' || c == U'{') return wrong("a quantifier", "something before it");
    ++at_;
    if (c == U'(') {
      if (take(U'?')) {
        if (!take(U':')) return unsupported("look-around or a named group, '(?'");
      }
      LIEQ_ASSIGN(const Expression inner, read_choice(depth + 1));
      if (!take(U')')) return wrong("the end of a group", "')'");
      return inner;
    }
    if (c == U'.') return json_.characters(complement(kLineEnds));
    CodeSet set = {{c, c}};
    if (c == U'[') {
      LIEQ_ASSIGN(set, read_class());
    } else if (c == U'\\') {
      LIEQ_ASSIGN(set, read_escape());
    }
    return json_.characters(set);
  }

  Result<Expression> read_quantifier(Expression atom) {
    std::size_t min = 0, max = kNoLimit;
    if (take(U'+')) {
      min = 1;
    } else if (take(U'?')) {
      max = 1;
    } else if (take(U'{')) {
      LIEQ_ASSIGN(min, read_count());
      max = min;
      if (take(U',')) {
        max = kNoLimit;
        if (peek() != U'}') {
          LIEQ_ASSIGN(max, read_count());
        }
      }
      if (!take(U'}') || max < min) return wrong("a quantifier in braces", "{m}, {m,} or {m,n} with m <= n");
    } else if (!take(U'*')) {
      return atom;
    }
    take(U'?');  // lazy: the same texts
    const char32_t next = peek();
    if (!at_end() && (next == U'*' || next == U'+' || next == U'?' || next == U'{')) {
      return wrong("a quantifier behind a quantifier", "something to repeat");
    }
    return rules_.repeat(atom, min, max);
  }

  Result<std::size_t> read_count() {
    std::size_t count = 0, digits = 0;
    for (; peek() >= U'0' && peek() <= U'9'; ++at_, ++digits) {
      count = std::min(count * 10 + static_cast<std::size_t>(peek() - U'0'), kMaxPatternRepetition + 1);
    }
    if (digits == 0) return wrong("no number in braces", "{m}, {m,} or {m,n}");
    if (count > kMaxPatternRepetition) return unsupported("more than 100000 repetitions");
    return count;
  }

  Result<CodeSet> read_class() {
    const bool negated = take(U'^');
    CodeSet set;
    while (peek() != U']') {
      if (at_end()) return wrong("the end of a class", "']'");
      LIEQ_ASSIGN(const CodeSet first, read_class_part());
      const bool is_range = peek() == U'-' && peek(1) != U']' && at_ + 1 < text_.size();
      if (!is_range) {
        set.insert(set.end(), first.begin(), first.end());
        continue;
      }
      ++at_;
      LIEQ_ASSIGN(const CodeSet last, read_class_part());
      const bool single =
          first.size() == 1 && last.size() == 1 && first[0].first == first[0].last && last[0].first == last[0].last;
      if (!single || last[0].first < first[0].first)
        return wrong("a range in a class", "its first character before its last");
      set.push_back({first[0].first, last[0].first});
    }
    ++at_;
    return negated ? complement(set) : normalized(std::move(set));
  }

  Result<CodeSet> read_class_part() {
    const char32_t c = peek();
    ++at_;
    if (c != U'\\') return CodeSet{{c, c}};
    if (take(U'b')) return CodeSet{{8, 8}};
    return read_escape();
  }

  /// What follows a backslash.
  Result<CodeSet> read_escape() {
    if (at_end()) return wrong("the end behind '\\'", "a character");
    const char32_t c = peek();
    ++at_;
    const auto one = [](char32_t value) { return CodeSet{{value, value}}; };
    switch (c) {
      case U'd': return kDigits;
      case U'D': return complement(kDigits);
      case U'w': return kWord;
      case U'W': return complement(kWord);
      case U's': return kSpaces;
      case U'S': return complement(kSpaces);
      case U'n': return one(U'\n');
      case U'r': return one(U'\r');
      case U't': return one(U'\t');
      case U'f': return one(U'\f');
      case U'v': return one(U'\v');
      case U'0': return one(0);
      case U'x': return read_pattern_hex(2);
      case U'u': return read_pattern_hex(4);
      default: break;
    }
    const bool is_letter = (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9');
    if (is_letter) return unsupported(std::string("'\\") + static_cast<char>(c) + "'");
    return one(c);
  }

  Result<CodeSet> read_pattern_hex(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      const char32_t c = peek();
      const bool digit = c >= U'0' && c <= U'9', lower = c >= U'a' && c <= U'f', upper = c >= U'A' && c <= U'F';
      if (!digit && !lower && !upper) return wrong("an escape", std::to_string(digits) + " hexadecimal digits");
      value = value * 16 + (digit ? c - U'0' : lower ? c - U'a' + 10 : c - U'A' + 10);
    }
    if (value >= 0xD800 && value < 0xE000) return unsupported("half of a surrogate pair");
    return CodeSet{{value, value}};
  }

  Rules& rules_;
  JsonRules& json_;
  const std::string& place_;
  std::u32string text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Expression> pattern_characters(Rules& rules, JsonRules& json, const std::string& pattern,
                                      const std::string& place) {
  return PatternParser(rules, json, pattern, place).run();
}

}  // namespace lieq::grammar
