#pragma once
/// Private to grammar/: values of JSON Schema's `format` that are obeyed.

#include <optional>
#include <string>
#include <string_view>

namespace lieq::grammar {

/// An anchored regular expression; nullopt for a format that is only an annotation here.
[[nodiscard]] std::optional<std::string> format_pattern(std::string_view name);

}  // namespace lieq::grammar
