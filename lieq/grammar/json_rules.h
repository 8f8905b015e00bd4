#pragma once
/// Private to grammar/: JSON as rules, without a schema.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/grammar/rules.h"

namespace lieq::grammar {

/// Each of them is made once, when it is first asked for.
class JsonRules {
 public:
  explicit JsonRules(Rules& rules) : rules_(rules) {}

  /// Nothing, one blank, or a line end and an indentation.
  Expression space();
  /// One character of a string, escaped or not.
  Expression character();
  Expression string();
  Expression integer();
  Expression number();
  Expression boolean();
  Expression any_object();
  Expression any_array();
  Expression any();

  /// "{" members "}"; `members` are not empty, apart from `may_be_empty`.
  Expression braces(Expression members, bool may_be_empty) { return enclosed("{", members, "}", may_be_empty); }
  Expression brackets(Expression items, bool may_be_empty) { return enclosed("[", items, "]", may_be_empty); }
  Expression comma();
  /// key: value; `key` matches a string with its quotes.
  Expression member(Expression key, Expression value);

  /// The characters of `set` as they stand in a string: those that JSON escapes in their short form.
  Expression characters(const CodeSet& set);
  /// Strings, with quotes and without any escape, that are none of `names`.
  Expression string_other_than(const std::vector<std::string>& names);

 private:
  Expression enclosed(const char* open, Expression inner, const char* close, bool may_be_empty);
  Expression once(const char* name, Expression (JsonRules::*make)());
  Expression make_space();
  Expression make_character();
  Expression make_string();
  Expression make_integer();
  Expression make_number();
  Expression make_any_object();
  Expression make_any_array();
  Expression make_any();
  Expression digits(std::size_t min, std::size_t max);
  Expression plain_rest();
  Expression make_plain_rest();
  Expression continue_other_than(const std::vector<std::u32string>& rests);

  Rules& rules_;
  std::map<std::string, Expression> made_;
};

}  // namespace lieq::grammar
