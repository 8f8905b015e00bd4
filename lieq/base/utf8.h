#pragma once
/// UTF-8: reading code points, writing them, repairing what is broken.

#include <cstddef>
#include <string>
#include <string_view>

namespace lieq {

/// What stands at one place of a byte string.
struct CodePoint {
  char32_t value = 0xFFFD;  ///< U+FFFD when not valid
  std::size_t bytes = 1;    ///< length; of the maximal invalid part when not valid
  bool valid = false;
};

/// Reads the code point at `at` < text.size(). Never reads past the end.
[[nodiscard]] CodePoint decode_utf8(std::string_view text, std::size_t at);

/// Appends `value`, a Unicode scalar value.
void append_utf8(std::string& text, char32_t value);

/// Whether `bytes` is UTF-8 throughout.
[[nodiscard]] bool is_utf8(std::string_view bytes);

struct RepairedText {
  std::string text;
  std::size_t replaced = 0;  ///< number of U+FFFD put in
};

/// Replaces each maximal invalid part by U+FFFD, as the Unicode standard recommends (and Rust's from_utf8_lossy does).
[[nodiscard]] RepairedText repair_utf8(std::string_view bytes);

}  // namespace lieq
