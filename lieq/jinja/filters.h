#pragma once
/// The filters of Jinja, those for text and numbers in filters_text.cc, those for sequences in filters_sequence.cc.
/// Not there: random, pprint, filesizeformat, groupby, striptags, urlencode, urlize, wordwrap, xmlattr.

#include <span>
#include <string_view>
#include <utility>

#include "lieq/jinja/interpreter.h"

namespace lieq::jinja {

using Filter = Result<Value> (*)(Interpreter& interpreter, const Value& value, const Arguments& given);

[[nodiscard]] std::span<const std::pair<std::string_view, Filter>> text_filters();
[[nodiscard]] std::span<const std::pair<std::string_view, Filter>> sequence_filters();

/// An argument as an integer, a truth or a string; `fallback` when not given.
[[nodiscard]] Result<std::int64_t> integer_of(const Arguments& given, std::size_t at, std::string_view name,
                                              std::int64_t fallback);
[[nodiscard]] bool truth_of(const Arguments& given, std::size_t at, std::string_view name, bool fallback);
[[nodiscard]] std::string text_of(const Arguments& given, std::size_t at, std::string_view name,
                                  std::string_view fallback);

}  // namespace lieq::jinja
