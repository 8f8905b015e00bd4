#include "lieq/terminal/stop_notice.h"

#include <unistd.h>

#include <csignal>
#include <cstring>
#include <initializer_list>

namespace lieq::terminal {
namespace {

const char* notice = "";

/// write(2) and raise(3) are all that a handler may use here.
extern "C" void on_stop(int signal) {
  constexpr char kNewLine[] = "\n";  // a progress line may be standing there
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, kNewLine, 1);
  written = ::write(STDERR_FILENO, notice, std::strlen(notice));
  std::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

StopNotice::StopNotice(const char* line) {
  notice = line;
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, on_stop);
}

StopNotice::~StopNotice() {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
}

}  // namespace lieq::terminal
