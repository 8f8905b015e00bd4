#pragma once
/// Values as text, as Python writes them.

#include <optional>
#include <string>

#include "lieq/base/result.h"
#include "lieq/jinja/value.h"

namespace lieq::jinja {

/// str(value); nothing for an undefined value.
[[nodiscard]] std::string to_text(const Value& value);
/// repr(value)
[[nodiscard]] std::string repr(const Value& value);
/// repr of a float: the shortest digits that read back the same.
[[nodiscard]] std::string float_text(double value);

struct JsonStyle {
  std::optional<std::string> indent;  ///< of one level; nothing: all in one line
  std::string item_separator = ", ", key_separator = ": ";
  bool ascii = false;      ///< other characters as \uXXXX
  bool sort_keys = false;
};
/// json.dumps(value, ...). Errors: kInvalidFormat for what JSON has no form for.
[[nodiscard]] Result<std::string> to_json(const Value& value, const JsonStyle& style);

/// "format % arguments": %s %r %d %i %u %f %e %g %x %X %o %c %%, with flags, width and precision.
/// Errors: kInvalidFormat: too few or too many arguments, or one of a wrong type.
[[nodiscard]] Result<std::string> percent_format(const std::string& format, const Value& arguments);
/// format.format(...): {} {0} {name}; no attributes, conversions or format specifications.
[[nodiscard]] Result<std::string> brace_format(const std::string& format, const Arguments& arguments);

}  // namespace lieq::jinja
