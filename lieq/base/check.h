#pragma once
/// A bug is an abort: checks of what the program itself promises, kept in release builds.
/// Bad input is never checked here; it returns an Error (base/result.h).

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace lieq {

/// Prints the failed condition and its place to standard error, then aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

/// a * b, or nothing when the product does not fit. For sizes read from a file.
[[nodiscard]] inline std::optional<std::size_t> checked_mul(std::size_t a, std::size_t b) {
  std::size_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// a + b, or nothing when the sum does not fit.
[[nodiscard]] inline std::optional<std::size_t> checked_add(std::size_t a, std::size_t b) {
  std::size_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

}  // namespace lieq

#define LIEQ_CHECK(condition)                                               \
  do {                                                                      \
    if (!(condition)) ::lieq::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)

#ifdef NDEBUG
#define LIEQ_DCHECK(condition) \
  do {                         \
  } while (false)
#else
#define LIEQ_DCHECK(condition) LIEQ_CHECK(condition)
#endif

namespace lieq {

/// Converts between integer types; a value that does not fit is a bug.
template <class To, class From>
[[nodiscard]] constexpr To narrow(From value) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  LIEQ_CHECK(std::in_range<To>(value));
  return static_cast<To>(value);
}

}  // namespace lieq
