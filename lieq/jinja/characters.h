#pragma once
/// Strings as Python sees them: by characters, with Unicode's ideas of case and white space.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::jinja {

/// Each character of a UTF-8 string; they view `text`.
[[nodiscard]] std::vector<std::string_view> characters(std::string_view text);
/// How many characters there are.
[[nodiscard]] std::size_t length(std::string_view text);

enum class Case { kUpper, kLower, kTitle };  ///< kTitle: the form of a letter that starts a word
/// Every character on its own; of the letters that become several ones, only the German sharp s does.
[[nodiscard]] std::string change_case(std::string_view text, Case to);
/// str.title: letters after what is no letter in title case, others in lower case.
[[nodiscard]] std::string title(std::string_view text);
/// str.capitalize
[[nodiscard]] std::string capitalize(std::string_view text);

[[nodiscard]] bool is_space(char32_t value);      ///< str.isspace, what str.strip takes
[[nodiscard]] bool is_alphabetic(char32_t value); ///< str.isalpha
[[nodiscard]] bool is_decimal(char32_t value);    ///< str.isdecimal
[[nodiscard]] bool is_upper(char32_t value);
[[nodiscard]] bool is_lower(char32_t value);
[[nodiscard]] bool is_word(char32_t value);       ///< \w of Python's re
[[nodiscard]] bool is_name(char32_t value);       ///< may stand in a name of the template: \w, marks, connectors
[[nodiscard]] bool is_printable(char32_t value);  ///< shown as it is in a repr

enum class Ends { kBoth, kLeft, kRight };
/// str.strip and its sisters; `set`: the characters to take, white space when nullptr.
[[nodiscard]] std::string_view strip(std::string_view text, Ends ends, const std::string* set = nullptr);

/// str.isupper and str.islower: whether no letter has another case, and there are letters with one.
[[nodiscard]] bool is_cased(std::string_view text, Case as);

/// str.replace: at most `most` times, as often as possible when negative. Errors: kInvalidFormat beyond kMaxText bytes.
[[nodiscard]] Result<std::string> replaced(std::string_view text, std::string_view from, std::string_view to,
                                           std::int64_t most);

/// `text` filled up to `width` characters with `fill`, one character: -1 after it, 1 before it, 0 on both sides, as
/// str.ljust, rjust and center. Errors: kInvalidFormat for another fill, or a width beyond kMaxText.
[[nodiscard]] Result<std::string> padded_to(std::string_view text, std::int64_t width, std::string_view fill,
                                            int where);

inline constexpr std::size_t kMaxText = std::size_t{1} << 26;  ///< bytes one function may make of a short text

/// str.splitlines, without the line ends.
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace lieq::jinja
