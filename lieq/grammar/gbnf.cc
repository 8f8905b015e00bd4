/// GBNF to rules.

#include <map>
#include <optional>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"
#include "lieq/grammar/automaton.h"
#include "lieq/grammar/grammar.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxGbnfNesting = 100;  ///< of parentheses
constexpr std::size_t kMaxRepetition = 1'000'000;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view text) : text_(text) {}

  Result<Grammar> run() {
    if (!is_utf8(text_)) return fail(ErrorCode::kInvalidFormat, "grammar: not UTF-8");
    skip(true);
    while (at_ < text_.size()) LIEQ_TRY(read_rule());
    for (const auto& [name, rule] : ids_) {
      if (!rule.defined_at) {
        at_ = rule.used_at;
        return wrong("rule " + in_quotes(name) + " without a definition", "one");
      }
    }
    const auto root = ids_.find("root");
    if (root == ids_.end()) return fail(ErrorCode::kInvalidFormat, "grammar: no rule 'root', expected one");
    LIEQ_ASSIGN(Automaton automaton, build_automaton(std::move(rules_), root->second.id, "grammar"));
    return Grammar(std::make_shared<const Automaton>(std::move(automaton)));
  }

 private:
  struct Id {
    RuleId id = 0;
    std::size_t used_at = 0;
    std::optional<std::size_t> defined_at;
  };

  [[nodiscard]] Unexpected wrong(const std::string& found, const std::string& expected) const {
    std::size_t line = 1;
    for (std::size_t i = 0; i < std::min(at_, text_.size()); ++i) line += text_[i] == '\n';
    return fail(ErrorCode::kInvalidFormat,
                "grammar: line " + std::to_string(line) + ": found " + found + ", expected " + expected);
  }
  [[nodiscard]] Unexpected wrong(const std::string& expected) const {
    return wrong(at_ < text_.size() ? in_quotes(text_.substr(at_, decode_utf8(text_, at_).bytes)) : "the end",
                 expected);
  }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  /// Blanks and comments, and line ends where a rule cannot end.
  void skip(bool lines) {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
        if (at_ == text_.size()) return;
        --at_;
      } else if (!(c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')))) {
        return;
      }
    }
  }

  Result<std::string> read_name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_character(text_[at_])) ++at_;
    if (at_ == begin) return wrong("the name of a rule");
    return std::string(text_.substr(begin, at_ - begin));
  }

  Id& id_of(const std::string& name, std::size_t at) {
    const auto [found, is_new] = ids_.try_emplace(name);
    if (is_new) found->second = {rules_.declare(name), at, {}};
    return found->second;
  }

  Result<void> read_rule() {
    const std::size_t begin = at_;
    LIEQ_ASSIGN(const std::string name, read_name());
    skip(false);
    if (text_.substr(at_, 3) != "::=") return wrong("'::=' after the rule's name");
    at_ += 3;
    skip(true);
    LIEQ_ASSIGN(const Expression body, read_choice(0));
    if (at_ < text_.size() && peek() != '\n' && peek() != '\r') return wrong("the end of the line");
    skip(true);
    Id& id = id_of(name, begin);
    if (id.defined_at) {
      at_ = begin;
      return wrong("rule " + in_quotes(name) + " a second time", "one definition");
    }
    id.defined_at = begin;
    rules_.define(id.id, body);
    return {};
  }

  Result<Expression> read_choice(std::size_t depth) {
    if (depth > kMaxGbnfNesting) return wrong("deeper parentheses", std::to_string(kMaxGbnfNesting) + " at most");
    std::vector<Expression> options;
    for (;;) {
      LIEQ_ASSIGN(const Expression option, read_sequence(depth));
      options.push_back(option);
      // llama.cpp lets a rule go on with '|' on a later line only inside parentheses; a line cannot begin with it else.
      skip(depth > 0);
      if (peek() != '|') break;
      ++at_;
      skip(true);
    }
    return rules_.choice(std::move(options));
  }

  Result<Expression> read_sequence(std::size_t depth) {
    std::vector<Expression> parts;
    for (;;) {
      skip(depth > 0);
      const char c = peek();
      if (at_ == text_.size() || c == '|' || c == ')' || c == '\n' || c == '\r') break;
      if (rules_.full()) return fail(ErrorCode::kUnsupported, "grammar: too large");
      LIEQ_ASSIGN(const Expression item, read_item(depth));
      LIEQ_ASSIGN(const Expression repeated, read_repetition(item, depth));
      parts.push_back(repeated);
    }
    return parts.empty() ? rules_.empty() : rules_.sequence(std::move(parts));
  }

  Result<Expression> read_item(std::size_t depth) {
    const char c = peek();
    if (c == '"') return read_literal();
    if (c == '[') return read_class();
    if (c == '.') {
      ++at_;
      return rules_.set(complement({}));
    }
    if (c == '(') {
      ++at_;
      skip(true);
      LIEQ_ASSIGN(const Expression inner, read_choice(depth + 1));
      if (peek() != ')') return wrong("')'");
      ++at_;
      return inner;
    }
    if (c == '<' || c == '!') {
      return fail(ErrorCode::kUnsupported, "grammar: tokens by name or number (" + std::string(1, c) +
                                               ") are not supported, expected their text in quotes");
    }
    if (!is_name_character(c)) return wrong("a rule, a literal, a character class or '('");
    const std::size_t begin = at_;
    LIEQ_ASSIGN(const std::string name, read_name());
    return rules_.rule(id_of(name, begin).id);
  }

  Result<Expression> read_repetition(Expression item, std::size_t depth) {
    for (;;) {
      skip(depth > 0);
      const char c = peek();
      if (c == '*')
        item = rules_.repeat(item, 0, kNoLimit);
      else if (c == '+')
        item = rules_.repeat(item, 1, kNoLimit);
      else if (c == '?')
        item = rules_.optional(item);
      else if (c != '{')
        return item;
      ++at_;
      if (c == '{') {
        LIEQ_ASSIGN(item, read_braces(item));
      }
      if (rules_.full()) return fail(ErrorCode::kUnsupported, "grammar: too large");
    }
  }

  /// {m}, {m,}, {,n} and {m,n}; the brace is behind.
  Result<Expression> read_braces(Expression item) {
    skip(false);
    std::size_t min = 0;
    if (peek() != ',') {
      LIEQ_ASSIGN(min, read_count());
    }
    skip(false);
    std::size_t max = min;
    if (peek() == ',') {
      ++at_;
      skip(false);
      max = kNoLimit;
      if (peek() != '}') {
        LIEQ_ASSIGN(max, read_count());
      }
      skip(false);
    }
    if (peek() != '}') return wrong("'}' after the number of repetitions");
    ++at_;
    if (max < min) return wrong(std::to_string(max), "at least " + std::to_string(min) + " repetitions");
    return rules_.repeat(item, min, max);
  }

  Result<std::size_t> read_count() {
    const std::size_t begin = at_;
    std::size_t count = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      count = std::min(count * 10 + static_cast<std::size_t>(peek() - '0'), kMaxRepetition + 1);
    }
    if (at_ == begin) return wrong("a number of repetitions");
    if (count > kMaxRepetition) {
      return wrong(in_quotes(text_.substr(begin, at_ - begin)),
                   std::to_string(kMaxRepetition) + " repetitions at most");
    }
    return count;
  }

  Result<Expression> read_literal() {
    ++at_;
    std::string bytes;
    while (peek() != '"') {
      LIEQ_ASSIGN(const char32_t c, read_character());
      append_utf8(bytes, c);
    }
    ++at_;
    return rules_.text(std::move(bytes));
  }

  Result<Expression> read_class() {
    ++at_;
    const bool negated = peek() == '^';
    at_ += negated;
    CodeSet set;
    while (peek() != ']') {
      LIEQ_ASSIGN(const char32_t first, read_character());
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        LIEQ_ASSIGN(last, read_character());
        if (last < first) return wrong("a range that falls", "first character before last");
      }
      set.push_back({first, last});
    }
    ++at_;
    return rules_.set(negated ? complement(set) : normalized(std::move(set)));
  }

  /// One code point of a literal or a class, which may be escaped.
  Result<char32_t> read_character() {
    if (at_ >= text_.size()) return wrong("the end of a literal or a class");
    if (peek() != '\\') {
      const CodePoint c = decode_utf8(text_, at_);
      at_ += c.bytes;
      return c.value;
    }
    ++at_;
    const char kind = peek();
    ++at_;
    switch (kind) {
      case 'x': return read_hex(2);
      case 'u': return read_hex(4);
      case 'U': return read_hex(8);
      case 't': return U'\t';
      case 'r': return U'\r';
      case 'n': return U'\n';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^': return static_cast<char32_t>(kind);
      default:
        at_ -= 2;
        return wrong("'\\' and something else", "\\\\ \\\" \\[ \\] \\n \\r \\t \\xNN \\uNNNN or \\UNNNNNNNN");
    }
  }

  Result<char32_t> read_hex(std::size_t digits) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return wrong(std::to_string(digits) + " hexadecimal digits");
      value = value * 16 + static_cast<std::uint64_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
      return wrong("a code point that UTF-8 lacks", "another");
    return static_cast<char32_t>(value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Rules rules_;
  std::map<std::string, Id> ids_;
};

}  // namespace

Result<Grammar> Grammar::from_gbnf(std::string_view text) { return GbnfParser(text).run(); }

}  // namespace lieq::grammar
