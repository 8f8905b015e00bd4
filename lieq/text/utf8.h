#pragma once
/// UTF-8 validity.

#include <cstddef>
#include <string>
#include <string_view>

namespace lieq::text {

struct RepairedText {
  std::string text;
  std::size_t replaced = 0;  ///< number of U+FFFD put in
};

/// Replaces each maximal invalid part by U+FFFD, as the Unicode standard recommends (and Rust's from_utf8_lossy does).
[[nodiscard]] RepairedText repair_utf8(std::string_view bytes);

}  // namespace lieq::text
