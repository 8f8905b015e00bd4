#pragma once
/// Failures as Python's exceptions.

#include <string>
#include <utility>

#include <nanobind/nanobind.h>

#include "lieq/base/result.h"

namespace lieq::python {

namespace nb = nanobind;

/// Throws lieq.Error, or the subclass that fits `code`. The GIL is held.
[[noreturn]] void raise(const Error& error);

/// What a Result holds, or its error as an exception.
template <class T>
T value_of(Result<T> result) {
  if (!result) raise(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

/// One line for a caller's mistake.
[[noreturn]] inline void refuse(std::string message) { raise({ErrorCode::kInvalidArgument, std::move(message)}); }

}  // namespace lieq::python
