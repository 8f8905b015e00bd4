#pragma once
/// Unicode as the reference tokenizers see it, which is three versions at once (see unicode.cc).

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace lieq::text {

/// The classes that the published split patterns tell apart: \p{L}, \p{N}, \s and the rest.
enum class CharClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };

/// \p{L}, \p{N}, \s of the regular expression engine in Hugging Face tokenizers (Oniguruma, Unicode 16).
[[nodiscard]] CharClass char_class(char32_t value);
/// Rust's char::is_numeric (Unicode 17), which the Digits pre-tokenizer asks.
[[nodiscard]] bool is_numeric(char32_t value);
/// \w of Rust's regex crate, which decides about single_word added tokens.
[[nodiscard]] bool is_word(char32_t value);

/// Canonical composition as Hugging Face tokenizers do it (tables of Unicode 9). `text` is valid UTF-8.
[[nodiscard]] std::string nfc(std::string_view text);

namespace detail {
constexpr std::array<CharClass, 128> ascii_classes() {
  std::array<CharClass, 128> classes{};
  for (unsigned c = 0; c < 128; ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) classes[c] = CharClass::kLetter;
    if (c >= '0' && c <= '9') classes[c] = CharClass::kNumber;
    if (c == ' ' || (c >= 9 && c <= 13)) classes[c] = CharClass::kSpace;
  }
  return classes;
}
}  // namespace detail

/// char_class for the code points below 128.
inline constexpr std::array<CharClass, 128> kAsciiClass = detail::ascii_classes();

}  // namespace lieq::text
