#pragma once
/// What the program says where no result can carry an error.

#include "lieq/base/signal_stack.h"

namespace lieq::cli {

/// From the moment it is made, once, at the start of main(): a mapped file that is cut short while it is read (SIGBUS)
/// and memory that runs out where nobody can pass it on (std::terminate, or SIGSEGV while addresses are limited) end
/// the process with status 1 and one line, without running destructors: temporary files stay, as after kill -9, and the
/// next run removes them. Other faults end it as they did before.
class LastWords {
 public:
  LastWords();

 private:
  SignalStack stack_;
};

}  // namespace lieq::cli
