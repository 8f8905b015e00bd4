#pragma once
/// Warnings and progress on standard error.

#include <chrono>
#include <string>
#include <string_view>

#include "lieq/base/sink.h"

namespace lieq::cli {

/// On a terminal: one line that is redrawn, with the time left. Otherwise: a plain line at most every ten seconds.
class Console : public Sink {
 public:
  Console();
  ~Console() override;
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void warn(std::string_view line) override;
  void progress(std::string_view what, std::size_t done, std::size_t total) override;

 private:
  using Clock = std::chrono::steady_clock;
  void clear();

  bool terminal_;
  bool drawn_ = false;
  std::string stage_;
  std::size_t first_done_ = 0;
  Clock::time_point started_, last_;
};

/// "75 s", "12 min", "3.2 h"
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace lieq::cli
