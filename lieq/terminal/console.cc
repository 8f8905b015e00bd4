#include "lieq/terminal/console.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <system_error>

#include <fmt/format.h>

#include "lieq/base/labels.h"

namespace lieq::terminal {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRedraw(200), kFirstLine(1000), kNextLine(10000);

}  // namespace

Console::Console(bool silent) : terminal_(isatty(STDERR_FILENO) == 1), silent_(silent) {}

Console::~Console() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    clear();
  }
  changed_.notify_all();
  if (writer_.joinable()) writer_.join();
}

/// Signals are for the threads that were there before.
void Console::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  try {
    writer_ = std::thread([this] { write_lines(); });
  } catch (const std::system_error& error) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw std::system_error(error.code(), "cannot start thread of the console");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Console::write_lines() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (!active_) {
      changed_.wait(lock);
      continue;
    }
    if (const Clock::time_point now = Clock::now(); now >= next_) draw(now);
    changed_.wait_until(lock, next_);
  }
}

void Console::draw(Clock::time_point now) {
  next_ = now + (terminal_ ? kRedraw : kNextLine);
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}", line_of(now));
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line_of(now));
  }
}

std::string Console::line_of(Clock::time_point now) const {
  const std::size_t total = total_ == 0 ? 1 : total_;
  std::string line = fmt::format("{}: {} of {} ({} %)", stage_, done_, total_, 100 * done_ / total);
  // What stands at the first report may have been done before, or be a first unit of unknown length.
  if (done_ > first_done_ && done_ < total_) {
    const double elapsed = std::chrono::duration<double>(now - started_).count();
    const auto rate = elapsed / static_cast<double>(done_ - first_done_);
    line += fmt::format(", {} left", duration_text(rate * static_cast<double>(total_ - done_)));
  }
  return detail_.empty() ? line : line + "; " + detail_;
}

void Console::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Console::print(std::string_view line) {
  if (silent_) return;
  const std::lock_guard lock(mutex_);
  clear();
  fmt::print(stderr, "{}\n", line);
}

void Console::warn(std::string_view line) { print(fmt::format("lieq: warning: {}", line)); }

void Console::note(std::string_view line) { print(line); }

void Console::progress(std::string_view what, std::size_t done, std::size_t total) {
  if (silent_) return;
  {
    const std::lock_guard lock(mutex_);
    if (!active_ || what != stage_ || done < done_) {
      stage_ = what;
      first_done_ = done;
      started_ = Clock::now();
      next_ = started_ + (terminal_ ? kRedraw : kFirstLine);
    }
    active_ = done < total;
    done_ = done;
    total_ = total;
    detail_.clear();
    if (!active_) clear();
    if (active_ && !writer_.joinable()) start();
  }
  changed_.notify_all();
}

void Console::detail(std::string_view what, std::size_t done, std::size_t total) {
  const std::lock_guard lock(mutex_);
  detail_ = fmt::format("{} {} of {}", what, done, total);
}

}  // namespace lieq::terminal
