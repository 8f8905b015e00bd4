#include "lieq/base/json.h"

#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "lieq/base/message.h"

namespace lieq {
namespace {

/// nlohmann's own message without its "[json.exception...]" head. It quotes what it read last: that may be long.
std::string reason(const nlohmann::json::exception& error) {
  const std::string text = error.what();
  const std::size_t end = text.find("] ");
  return printable(end == std::string::npos ? text : text.substr(end + 2), 200);
}

}  // namespace

namespace {

/// Python writes NaN, Infinity and -Infinity for numbers that JSON has not. As strings they stop nobody who does not
/// read the field, and are an error for who does. Nothing where `text` has none.
std::optional<std::string> with_quoted_constants(std::string_view text) {
  std::string out;
  bool quoted = false, found = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\' && at + 1 < text.size()) {
      out.append(text.substr(at++, 2));
      continue;
    }
    if (c == '"') quoted = !quoted;
    std::string_view constant;
    for (const std::string_view one : {"NaN", "Infinity", "-Infinity"})
      if (!quoted && text.substr(at).starts_with(one)) constant = one;
    if (constant.empty()) {
      out.push_back(c);
      continue;
    }
    out.append("\"").append(constant).append("\"");
    at += constant.size() - 1;
    found = true;
  }
  return found ? std::optional(std::move(out)) : std::nullopt;
}

/// A file of another encoding, told by its first bytes.
bool is_utf16(std::string_view text) { return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"); }

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& place, DuplicateKeys duplicates) {
  std::optional<std::string> twice;
  std::vector<std::set<std::string>> seen;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) seen.emplace_back();
    if (event == Json::parse_event_t::object_end) seen.pop_back();
    if (event == Json::parse_event_t::key && !seen.back().insert(parsed.get<std::string>()).second && !twice)
      twice = parsed.get<std::string>();
    return true;
  };
  try {
    Json value = duplicates == DuplicateKeys::kRefuse ? Json::parse(text.begin(), text.end(), watch)
                                                      : Json::parse(text.begin(), text.end());
    if (twice)
      return fail(ErrorCode::kInvalidFormat, place + ": key " + in_quotes(*twice) + " appears twice, expected once");
    return value;
  } catch (const nlohmann::json::exception& error) {
    if (is_utf16(text)) return fail(ErrorCode::kInvalidFormat, place + ": found text in UTF-16, expected UTF-8");
    if (const auto quoted = with_quoted_constants(text)) return parse_json(*quoted, place, duplicates);
    return fail(ErrorCode::kInvalidFormat, place + ": not valid JSON: " + reason(error));
  }
}

Result<OrderedJson> parse_ordered_json(std::string_view text, const std::string& place) {
  OrderedJson ordered = OrderedJson::parse(text, nullptr, false);
  if (!ordered.is_discarded()) return ordered;
  if (const auto quoted = with_quoted_constants(text)) ordered = OrderedJson::parse(*quoted, nullptr, false);
  if (!ordered.is_discarded()) return ordered;
  LIEQ_ASSIGN(const Json json, parse_json(text, place));
  return OrderedJson::parse(json.dump());
}

Result<Json> read_json(const std::filesystem::path& file, DuplicateKeys duplicates) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return fail(ErrorCode::kNotFound, file.string() + ": no such file");
  std::ifstream stream(file, std::ios::binary);
  stream.peek();  // a folder opens like a file, and only reading fails
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream.is_open() || stream.bad())
    return fail(ErrorCode::kIo, file.string() + ": cannot be read");
  return parse_json(text.view(), file.string(), duplicates);
}

std::string indented(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace); }

std::optional<std::string> difference_of(const Json& found, const Json& expected) {
  for (const auto& [key, value] : expected.items()) {
    const Json* other = Fields(found, "").find(key);
    if (other ? *other == value : value.is_null()) continue;
    if (other && other->is_object() && value.is_object())
      if (const auto inner = difference_of(*other, value)) return key + "." + *inner;
    return key + " = " + (other ? brief(*other) : "nothing") + ", this one has " + brief(value);
  }
  return std::nullopt;
}

std::string brief(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

const Json* Fields::find(std::string_view key) const {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

Unexpected Fields::wrong(std::string_view key, const Json& found, std::string_view expected) const {
  return fail(ErrorCode::kInvalidFormat, place_ + ": field '" + std::string(key) + "': found " + brief(found) +
                                             ", expected " + std::string(expected));
}

Result<std::optional<std::uint64_t>> Fields::count(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  return wrong(key, *value, "an integer of at least 0");
}

Result<std::optional<double>> Fields::number(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number()) return wrong(key, *value, "a number");
  return value->get<double>();
}

Result<std::optional<bool>> Fields::boolean(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) return wrong(key, *value, "true or false");
  return value->get<bool>();
}

Result<std::optional<std::string>> Fields::string(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) return wrong(key, *value, "a string");
  return value->get<std::string>();
}

Result<std::vector<std::uint64_t>> Fields::counts(std::string_view key) const {
  const Json* value = find(key);
  std::vector<std::uint64_t> all;
  if (!value) return all;
  const auto add = [&](const Json& one) {
    if (one.is_number_unsigned()) all.push_back(one.get<std::uint64_t>());
    return one.is_number_unsigned();
  };
  bool good = true;
  if (value->is_array()) {
    for (const Json& one : *value) good = good && add(one);
  } else {
    good = add(*value);
  }
  if (!good) return wrong(key, *value, "an integer or a list of integers of at least 0");
  return all;
}

Result<std::uint64_t> Fields::required_count(std::string_view key) const {
  LIEQ_ASSIGN(const auto value, count(key));
  if (!value)
    return fail(ErrorCode::kInvalidFormat,
                place_ + ": field '" + std::string(key) + "': missing, expected an integer");
  return *value;
}

}  // namespace lieq
