#pragma once
/// The escapes of a string literal in a template.

#include <string>
#include <string_view>

#include "lieq/base/result.h"

namespace lieq::jinja {

/// What stands between the quotes, with Python's escapes resolved: \n, \x41, \101, \u00e9, ...; an unknown one stays as
/// it is. Errors: kInvalidFormat for \x, \u, \U without their digits or with no Unicode scalar value, and for \N.
[[nodiscard]] Result<std::string> unescape(std::string_view literal);

}  // namespace lieq::jinja
