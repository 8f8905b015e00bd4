#include "lieq/grammar/formats.h"

namespace lieq::grammar {

std::optional<std::string> format_pattern(std::string_view name) {
  // RFC 3339, for the years 1000 to 9999. A year is a leap year when its last two digits are divisible by four, or are
  // 00 and the first two are.
  static const std::string kFours = "0[48]|[2468][048]|[13579][26]";
  static const std::string kLeap = "(?:[1-9]\\d(?:" + kFours + ")|(?:[2468][048]|[13579][26])00)-02-29";
  static const std::string kDate =
      "(?:[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"
      "02-(?:0[1-9]|1\\d|2[0-8]))|" +
      kLeap + ")";
  static const std::string kTime =
      "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
  if (name == "date") return "^" + kDate + "$";
  if (name == "time") return "^" + kTime + "$";
  if (name == "date-time") return "^" + kDate + "T" + kTime + "$";
  if (name == "uuid") return "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
  return std::nullopt;
}

}  // namespace lieq::grammar
