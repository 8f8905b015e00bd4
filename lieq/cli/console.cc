#include "lieq/cli/console.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace lieq::cli {

std::string duration_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

Console::Console() : terminal_(isatty(STDERR_FILENO) == 1) {}

Console::~Console() { clear(); }

void Console::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Console::warn(std::string_view line) {
  clear();
  fmt::print(stderr, "lieq: warning: {}\n", line);
}

void Console::progress(std::string_view what, std::size_t done, std::size_t total) {
  const Clock::time_point now = Clock::now();
  if (what != stage_ || done < first_done_) {
    // The first report ends a first unit of unknown length; the time left is judged from here on.
    stage_ = what;
    first_done_ = done;
    started_ = last_ = now;
    if (!terminal_) return;
  }
  const double waited = std::chrono::duration<double>(now - last_).count();
  if (done < total && waited < (terminal_ ? 0.2 : 10.0) && done != first_done_) return;
  if (done == total) {
    clear();
    return;
  }
  last_ = now;
  std::string left;
  if (done > first_done_) {
    const double elapsed = std::chrono::duration<double>(now - started_).count();
    left = ", " + duration_text(elapsed / static_cast<double>(done - first_done_) * static_cast<double>(total - done)) +
           " left";
  }
  const std::string line = fmt::format("{}: {} of {} ({} %){}", what, done, total, 100 * done / total, left);
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}", line);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

}  // namespace lieq::cli
