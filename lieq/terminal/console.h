#pragma once
/// Warnings, notes and progress on standard error.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "lieq/base/sink.h"

namespace lieq::terminal {

/// On a terminal: one line that is redrawn, with the time left. Otherwise: a plain line when a stage has gone on for a
/// second, and then one every ten seconds until it ends. A thread of its own writes them, so that they come however
/// long a step takes.
class Console : public Sink {
 public:
  /// silent: tells nothing, as one of several ranks whose first one does.
  explicit Console(bool silent = false);
  ~Console() override;
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void warn(std::string_view line) override;
  void note(std::string_view line) override;
  void progress(std::string_view what, std::size_t done, std::size_t total) override;
  void detail(std::string_view what, std::size_t done, std::size_t total) override;

 private:
  using Clock = std::chrono::steady_clock;
  void start();
  void write_lines();
  void draw(Clock::time_point now);
  void print(std::string_view line);
  void clear();
  [[nodiscard]] std::string line_of(Clock::time_point now) const;

  const bool terminal_, silent_;
  std::mutex mutex_;  // over all below
  std::condition_variable changed_;
  bool ending_ = false, active_ = false, drawn_ = false;
  std::string stage_, detail_;
  std::size_t done_ = 0, total_ = 0, first_done_ = 0;
  Clock::time_point started_, next_;  // of the stage; when the next line is due
  std::thread writer_;
};

}  // namespace lieq::terminal
