#pragma once
/// What Ctrl-C says before it ends a long run.

namespace lieq::terminal {

/// While one lives, SIGINT and SIGTERM write a line to standard error and then end the process as they always do.
class StopNotice {
 public:
  /// line: a literal with its line end.
  explicit StopNotice(const char* line);
  ~StopNotice();
  StopNotice(const StopNotice&) = delete;
  StopNotice& operator=(const StopNotice&) = delete;
};

}  // namespace lieq::terminal
