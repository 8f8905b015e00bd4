#pragma once
/// JSON with errors that name the file and the field.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "lieq/base/result.h"

namespace lieq {

using Json = nlohmann::json;
/// Objects keep the order of their keys.
using OrderedJson = nlohmann::ordered_json;

enum class DuplicateKeys { kLastWins, kRefuse };

/// Parses one JSON document. Python's NaN, Infinity and -Infinity become strings. `place` (a file name) opens the
/// message of an error.
/// Errors: kInvalidFormat with the byte offset; with kRefuse also on a key given twice in one object.
[[nodiscard]] Result<Json> parse_json(std::string_view text, const std::string& place,
                                      DuplicateKeys duplicates = DuplicateKeys::kLastWins);

/// The same with the keys of objects in the order of the text. Errors: those of parse_json().
[[nodiscard]] Result<OrderedJson> parse_ordered_json(std::string_view text, const std::string& place);

/// Reads and parses a file. Errors: kNotFound, kIo, kInvalidFormat.
[[nodiscard]] Result<Json> read_json(const std::filesystem::path& file,
                                     DuplicateKeys duplicates = DuplicateKeys::kLastWins);

/// Typed access to the fields of one JSON object. An absent or null field is `std::nullopt`;
/// a field of another type is an error "PLACE: field 'KEY': found X, expected Y".
class Fields {
 public:
  /// `object` must outlive this. Anything but an object reads as one without fields.
  Fields(const Json& object, std::string place) : object_(object), place_(std::move(place)) {}

  [[nodiscard]] Result<std::optional<std::uint64_t>> count(std::string_view key) const;  ///< integer >= 0
  [[nodiscard]] Result<std::optional<double>> number(std::string_view key) const;
  [[nodiscard]] Result<std::optional<bool>> boolean(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string>> string(std::string_view key) const;
  /// One integer or a list of integers, e.g. eos_token_id.
  [[nodiscard]] Result<std::vector<std::uint64_t>> counts(std::string_view key) const;
  /// As count(), but the field must be there.
  [[nodiscard]] Result<std::uint64_t> required_count(std::string_view key) const;
  /// The raw value, nullptr when absent or null.
  [[nodiscard]] const Json* find(std::string_view key) const;
  [[nodiscard]] const std::string& place() const { return place_; }

 private:
  [[nodiscard]] Unexpected wrong(std::string_view key, const Json& found, std::string_view expected) const;

  const Json& object_;
  std::string place_;
};

/// Indented by two; what is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::string indented(const Json& value);

/// The first field of the object `expected` that `found` lacks or holds with another value, in words:
/// "KEY = X, this one has Y". nullopt: there is none.
[[nodiscard]] std::optional<std::string> difference_of(const Json& found, const Json& expected);

/// A value shortened for an error message (at most about 60 bytes).
[[nodiscard]] std::string brief(const Json& value);

}  // namespace lieq
