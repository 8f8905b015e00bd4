#pragma once
/// Private to grammar/: regular expressions of JSON Schema (ECMA-262), without what is not regular.

#include <string>

#include "lieq/base/result.h"
#include "lieq/grammar/json_rules.h"

namespace lieq::grammar {

/// The inside of a JSON string whose value `pattern` is found in (anywhere, unless it is anchored).
/// Literals, classes, groups, |, * + ? {m,n}, \d \w \s and their opposites, \xNN \uNNNN, ^ at the start and $ at the
/// end of the whole or of an alternative of it. Errors: kUnsupported naming the construct (look-around, \b, back
/// references, \p); kInvalidFormat; both with `place`.
[[nodiscard]] Result<Expression> pattern_characters(Rules& rules, JsonRules& json, const std::string& pattern,
                                                    const std::string& place);

}  // namespace lieq::grammar
