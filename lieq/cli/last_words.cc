#include "lieq/cli/last_words.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>

#include "lieq/io/mapped_file.h"

namespace lieq::cli {
namespace last_words {

struct sigaction sigbus_before;
std::terminate_handler terminate_before;

std::atomic_flag said = ATOMIC_FLAG_INIT;

/// Only what handlers of signals may do. Several threads may come here at once: the first one speaks, in one piece.
[[noreturn]] void say_and_exit(std::initializer_list<const char*> parts) {
  while (said.test_and_set()) ::pause();
  static char line[8192];
  std::size_t length = 0;
  for (const char* part : parts) {
    const std::size_t more = std::min(std::strlen(part), sizeof line - length);
    std::memcpy(line + length, part, more);
    length += more;
  }
  static_cast<void>(::write(STDERR_FILENO, line, length) < 0);  // nobody is left to tell
  ::_exit(1);
}

void on_sigbus(int, siginfo_t* info, void*) {
  if (const char* file = io::mapped_file_at(info->si_addr))
    say_and_exit({"lieq: ", file, ": cannot be read to its end: it was cut short while in use, or its disk fails\n"});
  ::sigaction(SIGBUS, &sigbus_before, nullptr);  // the access is tried again, and then it is that handler's
}

/// Under a limit, oneDNN and a stack that cannot grow run into addresses that they did not get.
void on_sigsegv(int, siginfo_t*, void*) {
  say_and_exit({"lieq: out of memory, it seems: a fault where addresses are limited (ulimit -v)\n"});
}

bool has_few_addresses() {
  rlimit addresses = {};
  return ::getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY;
}

[[noreturn]] void on_terminate() {
  try {
    if (const std::exception_ptr problem = std::current_exception()) std::rethrow_exception(problem);
  } catch (const std::bad_alloc&) {
    say_and_exit({"lieq: out of memory\n"});
  } catch (...) {
  }
  terminate_before();
  std::abort();
}

}  // namespace last_words

LastWords::LastWords() {
  using namespace last_words;
  terminate_before = std::set_terminate(on_terminate);
  struct sigaction action = {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigaction(SIGBUS, &action, &sigbus_before);
  if (!has_few_addresses()) return;
  action.sa_sigaction = on_sigsegv;
  ::sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace lieq::cli
