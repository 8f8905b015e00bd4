#pragma once
/// What a client is told when its request cannot be met, in OpenAI's form.

#include <string>
#include <utility>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::serve {

struct ApiError {
  int status = 400;        ///< of HTTP
  std::string message;     ///< one line: what was found, what was expected
  std::string param = {};  ///< the parameter, "" for none
  std::string code = {};   ///< for programs, e.g. "context_length_exceeded"; "" for none

  /// {"error": {"message", "type", "param", "code"}}
  [[nodiscard]] OrderedJson to_json() const;
};

template <class T>
using ApiResult = tl::expected<T, ApiError>;

/// 400: `param`: what was found and expected. "messages[0].role" is a name, too.
[[nodiscard]] inline tl::unexpected<ApiError> bad_parameter(std::string param, const std::string& what) {
  std::string message = param + ": " + what;
  return tl::unexpected(ApiError{400, std::move(message), std::move(param)});
}

}  // namespace lieq::serve

/// LIEQ_TRY and LIEQ_ASSIGN for ApiResult.
#define LIEQ_API_TRY(expression)                                                                             \
  do {                                                                                                       \
    if (auto api_result = (expression); !api_result) return ::tl::unexpected(std::move(api_result).error()); \
  } while (false)
#define LIEQ_API_ASSIGN(declaration, expression) \
  LIEQ_API_ASSIGN_INNER(LIEQ_CONCAT(api_result_, __LINE__), declaration, expression)
#define LIEQ_API_ASSIGN_INNER(result, declaration, expression)     \
  auto result = (expression);                                      \
  if (!result) return ::tl::unexpected(std::move(result).error()); \
  declaration = std::move(result).value()
