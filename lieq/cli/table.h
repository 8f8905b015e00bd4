#pragma once
/// Plain text tables for standard output.

#include <string>
#include <vector>

namespace lieq::cli {

/// Columns are as wide as their widest cell; the first is aligned left, the others right.
[[nodiscard]] std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);

/// Columns a cell takes: code points, close enough for the names and numbers shown here.
[[nodiscard]] std::size_t width_of(const std::string& cell);

/// "269.1 MB" (powers of ten, as file managers and hubs show them)
[[nodiscard]] std::string bytes_text(std::size_t bytes);

}  // namespace lieq::cli
