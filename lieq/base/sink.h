#pragma once
/// Where library code sends warnings and progress; it never prints by itself.

#include <cstddef>
#include <string_view>

namespace lieq {

/// The default swallows everything; cli/ supplies one that writes to standard error.
class Sink {
 public:
  virtual ~Sink() = default;
  /// One line without a line end.
  virtual void warn(std::string_view /*line*/) {}
  /// `done` of `total` units of the stage `what` are finished.
  virtual void progress(std::string_view /*what*/, std::size_t /*done*/, std::size_t /*total*/) {}
};

}  // namespace lieq
