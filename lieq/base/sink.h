#pragma once
/// Where library code sends warnings, notes and progress, and asks whether it is to go on; it never prints by itself.

#include <cstddef>
#include <string_view>

#include "lieq/base/result.h"

namespace lieq {

/// The default swallows everything and never cancels; cli/ supplies one that writes to standard error.
class Sink {
 public:
  virtual ~Sink() = default;
  /// One line without a line end.
  virtual void warn(std::string_view /*line*/) {}
  /// The same for what is no cause of worry: a run that goes on, a part that is finished.
  virtual void note(std::string_view /*line*/) {}
  /// `done` of `total` units of the stage `what` are finished; 0: the stage begins.
  virtual void progress(std::string_view /*what*/, std::size_t /*done*/, std::size_t /*total*/) {}
  /// Within the unit that is being worked on: `done` of `total` parts of the step `what` are finished.
  virtual void detail(std::string_view /*what*/, std::size_t /*done*/, std::size_t /*total*/) {}
  /// Whether the work is to end as soon as it leaves a state that resumes: asked between layers, windows and questions.
  [[nodiscard]] virtual bool cancelled() const { return false; }
};

/// Errors: kCancelled once the sink says so.
[[nodiscard]] inline Result<void> check_cancelled(const Sink& sink) {
  if (sink.cancelled()) return fail(ErrorCode::kCancelled, "cancelled");
  return {};
}

}  // namespace lieq
