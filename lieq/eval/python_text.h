#pragma once
/// Strings as Python's methods treat them: the reference harness forms its prompts with these.

#include <cstddef>
#include <string>
#include <string_view>

namespace lieq::eval {

/// str.strip() and str.rstrip(): without white space (Unicode's, and U+001C ... U+001F) at both ends, at the right end.
[[nodiscard]] std::string_view python_strip(std::string_view text);
[[nodiscard]] std::string_view python_rstrip(std::string_view text);

/// str.capitalize(): the first character to title case, all others to lower case.
[[nodiscard]] std::string python_capitalize(std::string_view text);

/// str.replace(): every `from`, from left to right without overlap.
[[nodiscard]] std::string python_replace(std::string_view text, std::string_view from, std::string_view to);

/// len(text): code points of valid UTF-8.
[[nodiscard]] std::size_t code_points(std::string_view text);

/// len(re.split(r"\s+", text)): one more than the runs of white space.
[[nodiscard]] std::size_t count_words(std::string_view text);

}  // namespace lieq::eval
