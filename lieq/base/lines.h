#pragma once
/// Texts by lines, and JSON Lines.

#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq {

/// Takes the next line, with its line end, off `rest`.
[[nodiscard]] std::string_view take_line(std::string_view& rest);

/// Nothing but ASCII white space.
[[nodiscard]] bool is_blank(std::string_view line);

/// An object and where it stands: "FILE: line N".
struct JsonLine {
  Json object;
  std::string place;
};

/// The objects of a text with one a line; blank lines are skipped. Errors: kInvalidFormat naming file and line.
[[nodiscard]] Result<std::vector<JsonLine>> parse_json_lines(std::string_view text, const std::string& file);

}  // namespace lieq
