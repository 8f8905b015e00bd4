#pragma once
/// Regular expressions of tokenizer.json, which are Oniguruma's, in the language of PCRE2.

#include <string>
#include <string_view>

#include "lieq/base/result.h"

namespace lieq::text {

/// A pattern that matches with PCRE2 (UTF, UCP, multi-line) what `regex` matches with Oniguruma in its own syntax: \h
/// is
/// a hexadecimal digit, classes nest and intersect (&&), [a-c]{1,2}+ is not possessive, ... `place` opens error
/// messages.
/// Errors: kUnsupported naming a construct that has no such translation here, e.g. (?~; kInvalidFormat for a group or
/// class that does not end. Other faults are left for PCRE2 to find.
[[nodiscard]] Result<std::string> pcre_from_oniguruma(std::string_view regex, const std::string& place);

}  // namespace lieq::text
