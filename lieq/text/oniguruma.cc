#include "lieq/text/oniguruma.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

#include "lieq/base/message.h"

namespace lieq::text {
namespace {

/// What stands for some names inside a class of PCRE2. Its own \w, \s and [:alpha:] are other sets.
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}",
                           kHex = "0-9A-Fa-f";
/// Outside of classes Oniguruma counts six small digits and fractions of Latin-1 as parts of words, too.
constexpr std::string_view kBareWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::pair<std::string_view, std::string_view> kPosix[] = {
    {"alpha", "\\p{Alphabetic}"},
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"digit", "\\p{Nd}"},
    {"upper", "\\p{Uppercase}"},
    {"lower", "\\p{Lowercase}"},
    {"space", "\\p{White_Space}"},
    {"blank", "\\p{Zs}\\t"},
    {"cntrl", "\\p{Cc}"},
    {"xdigit", kHex},
    {"word", kWord},
    {"ascii", "\\x00-\\x7F"},
};
/// Long names of general categories, without '_', ' ' and '-', in small letters.
constexpr std::pair<std::string_view, std::string_view> kCategories[] = {
    {"letter", "L"}, {"uppercaseletter", "Lu"}, {"lowercaseletter", "Ll"}, {"titlecaseletter", "Lt"},
    {"modifierletter", "Lm"}, {"otherletter", "Lo"}, {"mark", "M"}, {"nonspacingmark", "Mn"}, {"spacingmark", "Mc"},
    {"enclosingmark", "Me"}, {"number", "N"}, {"decimalnumber", "Nd"}, {"letternumber", "Nl"}, {"othernumber", "No"},
    {"punctuation", "P"}, {"connectorpunctuation", "Pc"}, {"dashpunctuation", "Pd"}, {"openpunctuation", "Ps"},
    {"closepunctuation", "Pe"}, {"initialpunctuation", "Pi"}, {"finalpunctuation", "Pf"}, {"otherpunctuation", "Po"},
    {"symbol", "S"}, {"mathsymbol", "Sm"}, {"currencysymbol", "Sc"}, {"modifiersymbol", "Sk"}, {"othersymbol", "So"},
    {"separator", "Z"}, {"spaceseparator", "Zs"}, {"lineseparator", "Zl"}, {"paragraphseparator", "Zp"},
    {"other", "C"}, {"control", "Cc"}, {"format", "Cf"}, {"surrogate", "Cs"}, {"privateuse", "Co"},
    {"unassigned", "Cn"}, {"digit", "Nd"}, {"alnum", ""}, {"word", ""}, {"punct", ""}, {"graph", ""}, {"print", ""},
    {"cntrl", "Cc"}, {"blank", ""}, {"xdigit", ""},
};

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A set of characters: what can stand in one class of PCRE2, and one-character patterns beside it.
struct Union {
  std::string simple;
  std::vector<std::string> others;

  [[nodiscard]] std::string pattern() const {
    std::string all = simple.empty() ? "" : "[" + simple + "]";
    for (const std::string& one : others) all += (all.empty() ? "" : "|") + one;
    if (all.empty()) return "(?!)";
    return others.empty() ? all : "(?:" + all + ")";
  }
};

class Translator {
 public:
  Translator(std::string_view regex, const std::string& place) : regex_(regex), place_(place) {}

  Result<std::string> translate() {
    group_starts_.push_back(0);
    while (at_ < regex_.size()) LIEQ_TRY(next());
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool starts(std::string_view text) const { return regex_.substr(at_).starts_with(text); }
  [[nodiscard]] Unexpected refuse(std::string_view construct) const {
    return fail(ErrorCode::kUnsupported, place_ + ": found " + in_quotes(construct) + " at offset " +
                                             std::to_string(at_) + ", which is not supported in a regular expression");
  }
  [[nodiscard]] Unexpected ends(const char* what) const {
    return fail(ErrorCode::kInvalidFormat, place_ + ": not a regular expression: " + what + " does not end");
  }

  /// Appends a whole atom, to which a quantifier may follow.
  void atom(std::string_view pattern) {
    atom_ = out_.size();
    out_ += pattern;
  }

  Result<void> next() {
    const char c = regex_[at_];
    if (c == '\\') {
      LIEQ_ASSIGN(const std::string pattern, escape());
      atom(pattern);
      return {};
    }
    if (c == '[') {
      ++at_;
      LIEQ_ASSIGN(const std::string pattern, char_class());
      atom(pattern);
      return {};
    }
    if (c == '(') return open_group();
    if (c == '*' || c == '+' || c == '?') return simple_quantifier();
    if (c == '{') return interval();
    ++at_;
    if (c == ')') {
      if (group_starts_.size() == 1) return refuse(")");
      atom_ = group_starts_.back();
      group_starts_.pop_back();
      out_.push_back(c);
    } else if (c == '|' || c == '.' || c == '^' || c == '$') {
      atom(std::string_view(&c, 1));
    } else if (c == '}' || c == ']') {
      atom(std::string("\\") + c);
    } else {
      const std::size_t begin = at_ - 1;
      while (at_ < regex_.size() && (static_cast<unsigned char>(regex_[at_]) & 0xC0) == 0x80) ++at_;
      atom(regex_.substr(begin, at_ - begin));
    }
    return {};
  }

  Result<void> simple_quantifier() {
    out_.push_back(regex_[at_++]);
    if (at_ < regex_.size() && (regex_[at_] == '?' || regex_[at_] == '+')) out_.push_back(regex_[at_++]);
    return {};
  }

  /// {n}, {n,}, {,m}, {n,m}; anything else is text. A '+' behind repeats the whole, and so does '?' behind {n}.
  Result<void> interval() {
    const std::size_t close = regex_.find('}', at_);
    const std::string_view inside = close == std::string_view::npos ? "" : regex_.substr(at_ + 1, close - at_ - 1);
    const std::size_t comma = inside.find(',');
    const std::string_view low = inside.substr(0, comma),
                           high = comma == std::string_view::npos ? low : inside.substr(comma + 1);
    const bool numbers = std::ranges::all_of(low, is_digit) && std::ranges::all_of(high, is_digit);
    if (!numbers || (low.empty() && high.empty()) || low.size() > 5 || high.size() > 5) {
      ++at_;
      atom("\\{");
      return {};
    }
    const int least = low.empty() ? 0 : std::stoi(std::string(low));
    if (!high.empty() && std::stoi(std::string(high)) < least) return refuse(regex_.substr(at_, close + 1 - at_));
    out_ += "{" + std::to_string(least) + (comma == std::string_view::npos ? "" : "," + std::string(high)) + "}";
    at_ = close + 1;
    const bool again =
        at_ < regex_.size() && (regex_[at_] == '+' || (regex_[at_] == '?' && comma == std::string_view::npos));
    if (again) {
      out_.insert(atom_, "(?:");
      out_.push_back(')');
    } else if (starts("?")) {
      out_.push_back(regex_[at_++]);
    }
    return {};
  }

  Result<void> open_group() {
    const std::size_t start = out_.size();
    if (starts("(?#")) {
      const std::size_t close = regex_.find(')', at_);
      if (close == std::string_view::npos) return ends("a comment");
      at_ = close + 1;
      return {};
    }
    for (const std::string_view plain : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (!starts(plain)) continue;
      return enter(start, plain, plain.size());
    }
    if (starts("(?<")) {
      const std::size_t close = regex_.find('>', at_);
      if (close == std::string_view::npos) return ends("a name");
      return enter(start, regex_.substr(at_, close + 1 - at_), close + 1 - at_);
    }
    if (starts("(?")) return options(start);
    if (starts("(*")) return refuse("(*");
    return enter(start, "(", 1);
  }

  Result<void> enter(std::size_t start, std::string_view text, std::size_t size) {
    out_ += text;
    at_ += size;
    group_starts_.push_back(start);
    return {};
  }

  /// (?i), (?m), (?im-x:...: 'm' lets the dot match line ends, which is PCRE2's 's'.
  Result<void> options(std::size_t start) {
    std::size_t end = at_ + 2;
    std::string text = "(?";
    for (; end < regex_.size() && regex_[end] != ':' && regex_[end] != ')'; ++end) {
      if (regex_[end] != 'i' && regex_[end] != 'm' && regex_[end] != '-')
        return refuse(regex_.substr(at_, end + 1 - at_));
      text += regex_[end] == 'm' ? 's' : regex_[end];
    }
    if (end == regex_.size()) return ends("a group");
    text += regex_[end];
    if (regex_[end] == ':') return enter(start, text, end + 1 - at_);
    // Alone it holds to the end of the group, alternatives after it included: the same thing at the start of one.
    const bool first = start == (group_starts_.size() == 1 ? 0 : body_of(group_starts_.back()));
    if (!first) return refuse(regex_.substr(at_, end + 1 - at_));
    out_ += text;
    at_ = end + 1;
    return {};
  }

  /// Where the body of the group begins that was opened at `start` of the output and is the last thing in it.
  [[nodiscard]] std::size_t body_of(std::size_t start) const {
    const std::string_view group = std::string_view(out_).substr(start);
    if (group.starts_with("(?<") && !group.starts_with("(?<=") && !group.starts_with("(?<!"))
      return start + group.find('>') + 1;
    if (!group.starts_with("(?")) return start + 1;
    return start + group.find_first_of(":=!>", 2) + 1;
  }

  /// A property's name, or nothing where PCRE2 lacks it or means another set.
  static std::optional<std::string> property(std::string_view name) {
    std::string key;
    for (const char c : name)
      if (c != '_' && c != ' ' && c != '-')
        key.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    for (const auto& [known, category] : kCategories)
      if (key == known) return category.empty() ? std::nullopt : std::optional(std::string(category));
    if (key.starts_with("in") && name.size() > 2 && std::isupper(static_cast<unsigned char>(name[2])) != 0 &&
        key.size() > 7)
      return std::nullopt;  // a block, InBasic_Latin
    return std::string(name);
  }

  /// \p{...} and \P{...} at at_ (the letter), as they stand in a class and outside alike.
  Result<std::string> property_escape() {
    const bool negated = regex_[at_] == 'P';
    const std::size_t close = regex_.find('}', at_);
    if (at_ + 1 >= regex_.size() || regex_[at_ + 1] != '{' || close == std::string_view::npos) return refuse("\\p");
    std::string_view name = regex_.substr(at_ + 2, close - at_ - 2);
    const bool hat = name.starts_with('^');
    if (hat) name.remove_prefix(1);
    const auto known = property(name);
    if (!known) return refuse(regex_.substr(at_ - 1, close + 2 - at_));
    at_ = close + 1;
    return std::string(negated != hat ? "\\P{" : "\\p{") + *known + "}";
  }

  /// A character by number: \x41, \x{41}, \u0041; nothing for other escapes. at_ is on the letter.
  Result<std::optional<std::string>> numbered() {
    const char c = regex_[at_];
    std::string_view digits;
    std::size_t end = at_ + 1;
    if (c == 'x' && starts("x{")) {
      const std::size_t close = regex_.find('}', at_);
      if (close == std::string_view::npos) return refuse("\\x{");
      digits = regex_.substr(at_ + 2, close - at_ - 2);
      end = close + 1;
    } else if (c == 'x' || c == 'u') {
      const std::size_t most = c == 'x' ? 2 : 4;
      while (end < regex_.size() && end - at_ <= most && std::isxdigit(static_cast<unsigned char>(regex_[end])) != 0)
        ++end;
      digits = regex_.substr(at_ + 1, end - at_ - 1);
      if (c == 'u' && digits.size() != most) return refuse("\\u");
    } else {
      return std::nullopt;
    }
    const bool hex = !digits.empty() && std::ranges::all_of(digits, [](char d) {
      return std::isxdigit(static_cast<unsigned char>(d)) != 0;
    });
    if (!hex) return refuse("\\x");
    at_ = end;
    return "\\x{" + std::string(digits) + "}";
  }

  /// What a backslash and what follows mean outside a class.
  Result<std::string> escape() {
    if (++at_ == regex_.size()) return ends("an escape");
    const char c = regex_[at_];
    if (c == 'p' || c == 'P') return property_escape();
    LIEQ_ASSIGN(auto character, numbered());
    if (character) return std::move(*character);
    const std::string word = "[" + std::string(kBareWord) + "]";
    ++at_;
    switch (c) {
      case 'h': return "[" + std::string(kHex) + "]";
      case 'H': return "[^" + std::string(kHex) + "]";
      case 'w': return word;
      case 'W': return "[^" + std::string(kBareWord) + "]";
      case 's': return std::string("\\p{White_Space}");
      case 'S': return std::string("\\P{White_Space}");
      case 'd': return std::string("\\p{Nd}");
      case 'D': return std::string("\\P{Nd}");
      case 'v': return std::string("\\x0B");
      case 'O': return std::string("(?s:.)");
      case 'b': return "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))";
      case 'B': return "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))";
      case 't': case 'n': case 'r': case 'f': case 'a': case 'e': case 'A': case 'z': case 'Z': case 'G': case 'K':
      case 'R': case 'X': case 'N': return std::string("\\") + c;
      case 'c': case 'C': case 'M': case 'y': case 'Y': case 'k': case 'g': --at_; return refuse(std::string("\\") + c);
      default: break;
    }
    if (is_digit(c)) {
      if (c == '0' || (at_ < regex_.size() && is_digit(regex_[at_]))) return refuse(std::string("\\") + c);
      return std::string("\\") + c;
    }
    return literal(c);
  }

  /// The character `c` (its first byte, at at_ - 1) for itself.
  std::string literal(char c) {
    if (is_alnum(c)) return {c};
    std::string text = static_cast<unsigned char>(c) < 128 ? std::string("\\") + c : std::string(1, c);
    while (at_ < regex_.size() && (static_cast<unsigned char>(regex_[at_]) & 0xC0) == 0x80)
      text.push_back(regex_[at_++]);
    return text;
  }

  /// One character of a class, or a set. Sets go into `into`, and then there is no text.
  Result<std::optional<std::string>> class_item(Union& into) {
    const char c = regex_[at_];
    if (c != '\\') {
      ++at_;
      return literal(c);
    }
    if (++at_ == regex_.size()) return ends("a class");
    const char e = regex_[at_];
    if (e == 'p' || e == 'P') {
      LIEQ_ASSIGN(const std::string set, property_escape());
      into.simple += set;
      return std::nullopt;
    }
    LIEQ_ASSIGN(auto character, numbered());
    if (character) return character;
    ++at_;
    switch (e) {
      case 'h': into.simple += kHex; return std::nullopt;
      case 'H': into.others.push_back("[^" + std::string(kHex) + "]"); return std::nullopt;
      case 'w': into.simple += kWord; return std::nullopt;
      case 'W': into.others.push_back("[^" + std::string(kWord) + "]"); return std::nullopt;
      case 's': into.simple += "\\p{White_Space}"; return std::nullopt;
      case 'S': into.simple += "\\P{White_Space}"; return std::nullopt;
      case 'd': into.simple += "\\p{Nd}"; return std::nullopt;
      case 'D': into.simple += "\\P{Nd}"; return std::nullopt;
      case 'v': return std::string("\\x0B");
      case 'b': return std::string("\\x08");
      case 't': case 'n': case 'r': case 'f': case 'a': case 'e': return std::string("\\") + e;
      case 'c': case 'C': case 'M': case 'R': case 'X': case 'N': case 'O': --at_; return refuse(std::string("\\") + e);
      default: break;
    }
    if (is_digit(e)) return refuse(std::string("\\") + e);
    return literal(e);
  }

  /// [:alpha:] and [:^alpha:] inside a class.
  Result<bool> posix(Union& into) {
    if (!starts("[:")) return false;
    const std::size_t close = regex_.find(":]", at_);
    if (close == std::string_view::npos) return false;
    std::string_view name = regex_.substr(at_ + 2, close - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    for (const auto& [known, set] : kPosix) {
      if (name != known) continue;
      if (negated) {
        into.others.push_back("[^" + std::string(set) + "]");
      } else {
        into.simple += set;
      }
      at_ = close + 2;
      return true;
    }
    return refuse(regex_.substr(at_, close + 2 - at_));
  }

  /// A class whose '[' was read, as a pattern of one character.
  Result<std::string> char_class() {
    if (++depth_ > 50) return refuse("[");
    const bool negated = starts("^");
    if (negated) ++at_;
    std::vector<Union> parts(1);
    for (bool first = true;; first = false) {
      if (at_ >= regex_.size()) return ends("a class");
      if (regex_[at_] == ']' && !first) break;
      if (starts("&&")) {
        at_ += 2;
        parts.emplace_back();
        continue;
      }
      LIEQ_TRY(class_part(parts.back()));
    }
    ++at_;
    --depth_;
    if (parts.size() == 1 && parts[0].others.empty() && !parts[0].simple.empty())
      return (negated ? "[^" : "[") + parts[0].simple + "]";
    std::string all;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) all += "(?=" + parts[i].pattern() + ")";
    all += parts.back().pattern();
    return negated ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")";
  }

  Result<void> class_part(Union& into) {
    if (regex_[at_] == '[') {
      LIEQ_ASSIGN(const bool named, posix(into));
      if (named) return {};
      ++at_;
      LIEQ_ASSIGN(std::string nested, char_class());
      into.others.push_back(std::move(nested));
      return {};
    }
    LIEQ_ASSIGN(const auto low, class_item(into));
    if (!low) return {};
    into.simple += *low;
    if (at_ + 1 >= regex_.size() || regex_[at_] != '-' || regex_[at_ + 1] == ']') return {};
    ++at_;
    if (regex_[at_] == '[' || starts("&&")) return refuse("-");
    Union set;
    LIEQ_ASSIGN(const auto high, class_item(set));
    if (!high) return refuse("-");
    into.simple += "-" + *high;
    return {};
  }

  std::string_view regex_;
  const std::string& place_;
  std::string out_;
  std::size_t at_ = 0, atom_ = 0, depth_ = 0;
  std::vector<std::size_t> group_starts_;  // in the output, of open groups
};

}  // namespace

Result<std::string> pcre_from_oniguruma(std::string_view regex, const std::string& place) {
  return Translator(regex, place).translate();
}

}  // namespace lieq::text
