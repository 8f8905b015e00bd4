#pragma once
/// Ctrl-C as a question that can be asked.

#include "lieq/base/signal_stack.h"

namespace lieq::terminal {

/// While one lives, SIGINT ends nothing: it sets a flag. Make it before the threads of a team: they leave the signal to
/// the thread that made this, so that what waits there is interrupted.
class Interrupts {
 public:
  /// terminate: SIGTERM, which service managers send, counts as Ctrl-C, too.
  explicit Interrupts(bool terminate = false);
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// Lets the signal through to this thread. Call it once, after the threads were made.
  void listen();
  /// Whether Ctrl-C was pressed since the last forget().
  [[nodiscard]] static bool pressed();
  static void forget();
  /// Waits until `fd` has something to read (or has ended). False if Ctrl-C was pressed, also when it came just before
  /// this call: a read alone would then wait for a signal that is over.
  [[nodiscard]] static bool wait_for_input(int fd);

 private:
  bool terminate_;
  SignalStack stack_;
};

}  // namespace lieq::terminal
