#pragma once
/// Plain text tables for standard output.

#include <string>
#include <vector>

#include "lieq/base/labels.h"

namespace lieq::report {

/// Columns are as wide as their widest cell; the first is aligned left, the others right.
[[nodiscard]] std::string table(const std::vector<std::string>& head,
                                const std::vector<std::vector<std::string>>& rows);

/// Columns a cell takes: code points, close enough for the names and numbers shown here.
[[nodiscard]] std::size_t columns_of(const std::string& cell);

}  // namespace lieq::report
