#pragma once
/// Private to grammar/: schemas of strings and numbers.

#include <cstddef>
#include <optional>
#include <string>

#include "lieq/grammar/json_rules.h"
#include "lieq/grammar/schema_text.h"

namespace lieq::grammar {

/// The value of a keyword that counts, if it is there.
[[nodiscard]] Result<std::optional<std::size_t>> count_of(const SchemaText& text, const OrderedJson& schema,
                                                          const char* key, const std::string& path);

[[nodiscard]] Result<Expression> string_schema(Rules& rules, JsonRules& json, SchemaText& text,
                                               const OrderedJson& schema, const std::string& path);

/// integer: type "integer", otherwise "number".
[[nodiscard]] Result<Expression> number_schema(Rules& rules, JsonRules& json, SchemaText& text,
                                               const OrderedJson& schema, bool integer, const std::string& path);

}  // namespace lieq::grammar
