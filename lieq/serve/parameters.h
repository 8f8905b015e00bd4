#pragma once
/// Typed access to the parameters of a request; each failure names its parameter.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/serve/api_error.h"

namespace lieq::serve {

/// Parses the body of a request: an object, UTF-8, not nested beyond 64 levels, no object in it of more than 4096
/// members, a million values at most. Errors: 400.
[[nodiscard]] ApiResult<OrderedJson> parse_body(std::string_view body);

/// A value in a few words, for an error message.
[[nodiscard]] std::string in_words(const OrderedJson& value);

/// Absent and null parameters are nullopt. Every parameter that is asked for counts as known.
class Parameters {
 public:
  /// `body`: an object, which must outlive this.
  explicit Parameters(const OrderedJson& body) : body_(body) {}

  [[nodiscard]] ApiResult<std::optional<double>> number(const char* name, double least, double most);
  [[nodiscard]] ApiResult<std::optional<std::int64_t>> integer(const char* name, std::int64_t least, std::int64_t most);
  [[nodiscard]] ApiResult<std::optional<bool>> boolean(const char* name);
  [[nodiscard]] ApiResult<std::optional<std::string>> string(const char* name);
  /// One string or a list of at most `most`; empty when absent. Strings are not empty.
  [[nodiscard]] ApiResult<std::vector<std::string>> strings(const char* name, std::size_t most);
  /// The raw value, nullptr when absent or null.
  [[nodiscard]] const OrderedJson* find(const char* name);
  /// Counts as known, whatever it holds.
  void ignore(const char* name) { known_.insert(name); }

  /// Errors: 400 naming the first parameter that nobody asked for.
  [[nodiscard]] ApiResult<void> refuse_unknown() const;

 private:
  const OrderedJson& body_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace lieq::serve
