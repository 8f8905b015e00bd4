#pragma once
/// Words from a file inside an error message: one printable line, whatever the file says.

#include <cstddef>
#include <string>
#include <string_view>

namespace lieq {

/// `text` with every byte that is not printable ASCII as \xNN, cut after about `limit` bytes ("...").
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 80);

/// printable(text) in single quotes: how messages name keys, tensors and files that a file names.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace lieq
