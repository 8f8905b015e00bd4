#include "lieq/cli/last_words.h"

#include <unistd.h>

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

/// Only what handlers of signals may do.
[[noreturn]] void say_and_exit(std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  ::_exit(1);
}

void on_sigbus(int, siginfo_t* info, void*) {
  if (const char* file = io::mapped_file_at(info->si_addr))
    say_and_exit({"lieq: ", file, ": cannot be read to its end: it was cut short while in use, or its disk fails\n"});
  ::sigaction(SIGBUS, &sigbus_before, nullptr);  // the access is tried again, and then it is that handler's
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
}

}  // namespace lieq::cli
