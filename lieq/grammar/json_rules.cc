#include "lieq/grammar/json_rules.h"

#include <utility>

#include "lieq/base/utf8.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxIndentation = 80;

/// What stands in a string as it is.
CodeSet plain_characters() { return complement({{0, 0x1F}, {U'"', U'"'}, {U'\\', U'\\'}}); }

}  // namespace

Expression JsonRules::once(const char* name, Expression (JsonRules::*make)()) {
  const auto found = made_.find(name);
  if (found != made_.end()) return found->second;
  const RuleId id = rules_.declare(name);
  const Expression call = rules_.rule(id);
  made_.emplace(name, call);  // before its body, which may ask for itself
  rules_.define(id, (this->*make)());
  return call;
}

Expression JsonRules::space() { return once("space", &JsonRules::make_space); }
Expression JsonRules::make_space() {
  const Expression indentation = rules_.repeat(rules_.set({{U'\t', U'\t'}, {U' ', U' '}}), 0, kMaxIndentation);
  const Expression line = rules_.sequence({rules_.optional(rules_.text("\r")), rules_.text("\n"), indentation});
  return rules_.optional(rules_.choice({rules_.text(" "), line}));
}

Expression JsonRules::character() { return once("character", &JsonRules::make_character); }
Expression JsonRules::make_character() {
  const CodeSet hex = {{U'0', U'9'}, {U'A', U'F'}, {U'a', U'f'}};
  const auto hexes = [&](std::size_t count) { return rules_.repeat(rules_.set(hex), count, count); };
  const Expression d = rules_.set({{U'D', U'D'}, {U'd', U'd'}});
  // Surrogates only in pairs, which are one character.
  const Expression other = rules_.sequence({rules_.set(difference(hex, {{U'D', U'D'}, {U'd', U'd'}})), hexes(3)});
  const Expression below = rules_.sequence({d, rules_.set({{U'0', U'7'}}), hexes(2)});
  const Expression high = rules_.sequence({d, rules_.set({{U'8', U'9'}, {U'A', U'B'}, {U'a', U'b'}}), hexes(2)});
  const Expression low = rules_.sequence({d, rules_.set({{U'C', U'F'}, {U'c', U'f'}}), hexes(2)});
  const Expression pair = rules_.sequence({high, rules_.text("\\u"), low});
  const Expression unicode = rules_.sequence({rules_.text("u"), rules_.choice({other, below, pair})});
  CodeSet letters;
  for (const char32_t c : {U'"', U'\\', U'/', U'b', U'f', U'n', U'r', U't'}) letters.push_back({c, c});
  const Expression escape =
      rules_.sequence({rules_.text("\\"), rules_.choice({rules_.set(normalized(letters)), unicode})});
  return rules_.choice({rules_.set(plain_characters()), escape});
}

Expression JsonRules::string() { return once("string", &JsonRules::make_string); }
Expression JsonRules::make_string() {
  // The characters are written out, not called: most tokens then stay in this rule, whose masks are kept.
  const Expression characters = rules_.repeat(make_character(), 0, kNoLimit);
  return rules_.sequence({rules_.text("\""), characters, rules_.text("\"")});
}

Expression JsonRules::digits(std::size_t min, std::size_t max) {
  return rules_.repeat(rules_.set({{U'0', U'9'}}), min, max);
}

Expression JsonRules::integer() { return once("integer", &JsonRules::make_integer); }
Expression JsonRules::make_integer() {
  const Expression positive = rules_.sequence({rules_.set({{U'1', U'9'}}), digits(0, 17)});
  return rules_.sequence({rules_.optional(rules_.text("-")), rules_.choice({rules_.text("0"), positive})});
}

Expression JsonRules::number() { return once("number", &JsonRules::make_number); }
Expression JsonRules::make_number() {
  const Expression fraction = rules_.sequence({rules_.text("."), digits(1, 24)});
  // Such that the number stays finite.
  const Expression large = rules_.sequence({rules_.set({{U'1', U'2'}}), rules_.set({{U'0', U'8'}}), digits(1, 1)});
  const Expression up = rules_.sequence({rules_.optional(rules_.text("+")), rules_.choice({digits(1, 2), large})});
  const Expression down = rules_.sequence({rules_.text("-"), digits(1, 3)});
  const Expression exponent = rules_.sequence({rules_.set({{U'E', U'E'}, {U'e', U'e'}}), rules_.choice({up, down})});
  return rules_.sequence({make_integer(), rules_.optional(fraction), rules_.optional(exponent)});
}

Expression JsonRules::boolean() { return rules_.choice({rules_.text("true"), rules_.text("false")}); }

Expression JsonRules::comma() { return rules_.sequence({rules_.text(","), space()}); }

Expression JsonRules::member(Expression key, Expression value) {
  return rules_.sequence({key, rules_.text(":"), space(), value});
}

Expression JsonRules::enclosed(const char* open, Expression inner, const char* close, bool may_be_empty) {
  const Expression full = rules_.sequence({inner, space()});
  return rules_.sequence({rules_.text(open), space(), may_be_empty ? rules_.optional(full) : full, rules_.text(close)});
}

Expression JsonRules::any_object() { return once("object", &JsonRules::make_any_object); }
Expression JsonRules::make_any_object() {
  const Expression one = member(string(), any());
  const Expression more = rules_.repeat(rules_.sequence({comma(), one}), 0, kNoLimit);
  return braces(rules_.sequence({one, more}), true);
}

Expression JsonRules::any_array() { return once("array", &JsonRules::make_any_array); }
Expression JsonRules::make_any_array() {
  const Expression more = rules_.repeat(rules_.sequence({comma(), any()}), 0, kNoLimit);
  return brackets(rules_.sequence({any(), more}), true);
}

Expression JsonRules::any() { return once("value", &JsonRules::make_any); }
Expression JsonRules::make_any() {
  return rules_.choice({any_object(), any_array(), string(), number(), boolean(), rules_.text("null")});
}

Expression JsonRules::characters(const CodeSet& set) {
  std::vector<Expression> options{rules_.set(difference(set, complement(plain_characters())))};
  const auto contains = [&](char32_t c) {
    for (const CodeRange& range : set) {
      if (range.first <= c && c <= range.last) return true;
    }
    return false;
  };
  const auto add = [&](char32_t c, std::string escaped) {
    if (contains(c)) options.push_back(rules_.text(std::move(escaped)));
  };
  add(U'"', "\\\"");
  add(U'\\', "\\\\");
  constexpr std::string_view kHex = "0123456789abcdef", kShort = "btn?fr";
  for (char32_t c = 0; c < 0x20; ++c) {
    if (c >= 8 && c <= 13 && c != 11)
      add(c, std::string("\\") + kShort[c - 8]);
    else
      add(c, std::string("\\u00") + kHex[c / 16] + kHex[c % 16]);
  }
  return rules_.choice(std::move(options));
}

Expression JsonRules::string_other_than(const std::vector<std::string>& names) {
  std::vector<std::u32string> rests;
  for (const std::string& name : names) {
    std::u32string rest;
    for (std::size_t i = 0; i < name.size();) {
      const CodePoint c = decode_utf8(name, i);
      rest += c.value;
      i += c.bytes;
    }
    rests.push_back(std::move(rest));
  }
  return rules_.sequence({rules_.text("\""), continue_other_than(rests)});
}

Expression JsonRules::plain_rest() { return once("rest of a name", &JsonRules::make_plain_rest); }
Expression JsonRules::make_plain_rest() {
  return rules_.sequence({rules_.repeat(rules_.set(plain_characters()), 0, kNoLimit), rules_.text("\"")});
}

/// The rest of a string and its quote; `rests` are what it must not be.
Expression JsonRules::continue_other_than(const std::vector<std::u32string>& rests) {
  std::map<char32_t, std::vector<std::u32string>> by_first;
  bool may_end = true;
  CodeSet taken;
  for (const std::u32string& rest : rests) {
    if (rest.empty()) {
      may_end = false;
      continue;
    }
    by_first[rest[0]].push_back(rest.substr(1));
    taken.push_back({rest[0], rest[0]});
  }
  const Expression others = rules_.set(difference(plain_characters(), taken));
  std::vector<Expression> options{rules_.sequence({others, plain_rest()})};
  if (may_end) options.push_back(rules_.text("\""));
  for (const auto& [first, further] : by_first) {
    const CodeSet plain = difference({{first, first}}, complement(plain_characters()));
    if (plain.empty()) continue;  // it cannot come without an escape
    options.push_back(rules_.sequence({rules_.set(plain), continue_other_than(further)}));
  }
  return rules_.choice(std::move(options));
}

}  // namespace lieq::grammar
