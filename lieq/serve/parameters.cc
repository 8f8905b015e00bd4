#include "lieq/serve/parameters.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"

namespace lieq::serve {
namespace {

constexpr std::size_t kDeepest = 64, kMostMembers = 4096, kMostValues = 1'000'000;

/// What is wrong with the shape of a JSON text, looked at before it is parsed: some steps after it recurse, objects
/// that keep the order of their keys look through all of them for each new one, and values take more memory than their
/// text.
std::optional<std::string> misshapen(std::string_view text) {
  struct Level {
    bool object;
    std::size_t commas;
  };
  std::vector<Level> levels;
  std::size_t values = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      levels.push_back({c == '{', 0});
      if (levels.size() > kDeepest) return fmt::format("JSON nested beyond {} levels", kDeepest);
    } else if ((c == '}' || c == ']') && !levels.empty()) {
      levels.pop_back();
    } else if (c == ',' && !levels.empty()) {
      if (++levels.back().commas >= kMostMembers && levels.back().object)
        return fmt::format("an object of more than {} members", kMostMembers);
      if (++values >= kMostValues) return fmt::format("more than {} values", kMostValues);
    }
  }
  return std::nullopt;
}

ApiError not_json(const std::string& why) { return {400, "body: " + why}; }

}  // namespace

ApiResult<OrderedJson> parse_body(std::string_view body) {
  if (!is_utf8(body)) return tl::unexpected(not_json("found bytes that are no UTF-8"));
  if (const auto what = misshapen(body)) return tl::unexpected(not_json("found " + *what));
  try {
    OrderedJson parsed = OrderedJson::parse(body);
    if (!parsed.is_object())
      return tl::unexpected(not_json(fmt::format("found {}, expected a JSON object", in_words(parsed))));
    return parsed;
  } catch (const nlohmann::json::exception& error) {
    const std::string text = error.what();
    const std::size_t head = text.find("] ");
    const std::string reason = head == std::string::npos ? text : text.substr(head + 2);
    return tl::unexpected(not_json("not valid JSON: " + printable(repair_utf8(reason).text, 200)));
  }
}

std::string in_words(const OrderedJson& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  return printable(value.dump(-1, ' ', true, OrderedJson::error_handler_t::replace), 60);
}

const OrderedJson* Parameters::find(const char* name) {
  known_.insert(name);
  const auto found = body_.find(name);
  return found == body_.end() || found->is_null() ? nullptr : &*found;
}

ApiResult<std::optional<double>> Parameters::number(const char* name, double least, double most) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  const double found = value->is_number() ? value->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (found >= least && found <= most) return found;
  return bad_parameter(name, fmt::format("found {}, expected a number from {} to {}", in_words(*value), least, most));
}

ApiResult<std::optional<std::int64_t>> Parameters::integer(const char* name, std::int64_t least, std::int64_t most) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  // 16.0 is how some languages write 16.
  const double found = value->is_number() ? value->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (found == std::floor(found) && found >= static_cast<double>(least) && found <= static_cast<double>(most)) {
    if (value->is_number_float() ? std::abs(found) < 0x1p53 : std::abs(found) < 0x1p63)
      return value->is_number_float() ? static_cast<std::int64_t>(found) : value->get<std::int64_t>();
  }
  return bad_parameter(name,
                       fmt::format("found {}, expected a whole number from {} to {}", in_words(*value), least, most));
}

ApiResult<std::optional<bool>> Parameters::boolean(const char* name) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  return bad_parameter(name, fmt::format("found {}, expected true or false", in_words(*value)));
}

ApiResult<std::optional<std::string>> Parameters::string(const char* name) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  return bad_parameter(name, fmt::format("found {}, expected a string", in_words(*value)));
}

ApiResult<std::vector<std::string>> Parameters::strings(const char* name, std::size_t most) {
  const OrderedJson* value = find(name);
  if (!value) return std::vector<std::string>();
  std::vector<std::string> all;
  const auto add = [&](const OrderedJson& one) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) return false;
    all.push_back(one.get<std::string>());
    return true;
  };
  bool good = value->is_array() ? value->size() <= most : add(*value);
  if (value->is_array())
    for (const OrderedJson& one : *value) good = good && add(one);
  if (good) return all;
  return bad_parameter(name, fmt::format("found {}, expected a string or a list of at most {}, none of them empty",
                                         in_words(*value), most));
}

ApiResult<void> Parameters::refuse_unknown() const {
  for (const auto& [name, value] : body_.items())
    if (!value.is_null() && !known_.contains(name))
      return bad_parameter(printable(name, 60), "not a parameter this server knows");
  return {};
}

}  // namespace lieq::serve
