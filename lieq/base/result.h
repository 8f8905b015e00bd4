#pragma once
/// The only way a failure leaves a function: a value of type Result<T>.

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace lieq {

/// Stable kinds of failure. cli/ maps them to exit statuses in one place.
enum class ErrorCode {
  kInvalidArgument,  ///< the caller asked for something impossible (exit status 2)
  kNotFound,         ///< a file, tensor or field does not exist
  kInvalidFormat,    ///< a file's contents contradict its format
  kUnsupported,      ///< well-formed, but not something this program handles
  kIo,               ///< the operating system refused
  kNumerical,        ///< NaN, infinity or a singular matrix
  kCollapsed,        ///< the result was made, but its quality gate says it is broken (exit status 3)
  kCancelled,        ///< the caller's Sink asked for the end; what was finished is kept
};

/// message: one line naming the place, what was found, what was expected.
struct Error {
  ErrorCode code = ErrorCode::kInvalidFormat;
  std::string message;
};

/// A T or an Error. Becomes std::expected once the compilers of Debian stable have it.
template <class T>
using Result = tl::expected<T, Error>;

using Unexpected = tl::unexpected<Error>;

/// Builds the failing side of any Result<T>.
[[nodiscard]] inline Unexpected fail(ErrorCode code, std::string message) {
  return Unexpected(Error{code, std::move(message)});
}

}  // namespace lieq

#define LIEQ_CONCAT_INNER(a, b) a##b
#define LIEQ_CONCAT(a, b) LIEQ_CONCAT_INNER(a, b)

/// Evaluates a Result<void> and returns its error from the enclosing function.
#define LIEQ_TRY(expression)                                                \
  do {                                                                      \
    if (auto lieq_result = (expression); !lieq_result)                      \
      return ::lieq::Unexpected(std::move(lieq_result).error());            \
  } while (false)

/// Declares `declaration` from a Result's value, or returns its error.
#define LIEQ_ASSIGN(declaration, expression)                                \
  LIEQ_ASSIGN_INNER(LIEQ_CONCAT(lieq_result_, __LINE__), declaration, expression)
#define LIEQ_ASSIGN_INNER(result, declaration, expression)                  \
  auto result = (expression);                                               \
  if (!result) return ::lieq::Unexpected(std::move(result).error());        \
  declaration = std::move(result).value()
