#pragma once
/// Reading the required fields of a record.

#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"

namespace lieq {

[[nodiscard]] inline Unexpected missing_field(const Fields& fields, std::string_view key, std::string_view expected) {
  return fail(ErrorCode::kInvalidFormat,
              fields.place() + ": field '" + std::string(key) + "': missing, expected " + std::string(expected));
}

[[nodiscard]] inline Unexpected wrong_field(const std::string& place, std::string_view key, const Json& found,
                                            std::string_view expected) {
  return fail(ErrorCode::kInvalidFormat, place + ": field '" + std::string(key) + "': found " + brief(found) +
                                             ", expected " + std::string(expected));
}

[[nodiscard]] inline Result<double> required_number(const Fields& fields, std::string_view key) {
  LIEQ_ASSIGN(const auto value, fields.number(key));
  if (!value) return missing_field(fields, key, "a number");
  return *value;
}

[[nodiscard]] inline Result<std::string> required_string(const Fields& fields, std::string_view key) {
  LIEQ_ASSIGN(auto value, fields.string(key));
  if (!value) return missing_field(fields, key, "a string");
  return std::move(*value);
}

[[nodiscard]] inline Result<const Json*> required_list(const Fields& fields, std::string_view key) {
  const Json* value = fields.find(key);
  if (!value) return missing_field(fields, key, "a list");
  if (!value->is_array()) return wrong_field(fields.place(), key, *value, "a list");
  return value;
}

[[nodiscard]] inline Result<const Json*> required_object(const Fields& fields, std::string_view key) {
  const Json* value = fields.find(key);
  if (!value) return missing_field(fields, key, "an object");
  if (!value->is_object()) return wrong_field(fields.place(), key, *value, "an object");
  return value;
}

/// A list of `size` numbers.
[[nodiscard]] inline Result<std::vector<double>> required_numbers(const Fields& fields, std::string_view key,
                                                                  std::size_t size) {
  LIEQ_ASSIGN(const Json* list, required_list(fields, key));
  if (list->size() != size) return wrong_field(fields.place(), key, *list, "a list of " + std::to_string(size));
  std::vector<double> numbers;
  for (const Json& one : *list) {
    if (!one.is_number()) return wrong_field(fields.place(), key, one, "numbers only");
    numbers.push_back(one.get<double>());
  }
  return numbers;
}

}  // namespace lieq
