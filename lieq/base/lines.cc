#include "lieq/base/lines.h"

#include <utility>

namespace lieq {

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end == std::string_view::npos ? rest.size() : end + 1);
  rest.remove_prefix(line.size());
  return line;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

Result<std::vector<JsonLine>> parse_json_lines(std::string_view text, const std::string& file) {
  std::vector<JsonLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (is_blank(line)) continue;
    std::string place = file + ": line " + std::to_string(number);
    LIEQ_ASSIGN(Json json, parse_json(line, place));
    if (!json.is_object())
      return fail(ErrorCode::kInvalidFormat, place + ": found " + brief(json) + ", expected an object");
    lines.push_back({std::move(json), std::move(place)});
  }
  return lines;
}

}  // namespace lieq
