#include "lieq/terminal/interrupts.h"

#include <poll.h>

#include <cerrno>
#include <csignal>

namespace lieq::terminal {
namespace {

volatile std::sig_atomic_t flag = 0;

extern "C" void on_interrupt(int) { flag = 1; }

/// Returns the mask that was there before.
sigset_t mask(int how, bool terminate = false) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  if (terminate) sigaddset(&set, SIGTERM);
  pthread_sigmask(how, &set, &before);
  return before;
}

}  // namespace

Interrupts::Interrupts(bool terminate) : terminate_(terminate) {
  mask(SIG_BLOCK, terminate_);
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGINT, &action, nullptr);
  if (terminate_) sigaction(SIGTERM, &action, nullptr);
}

Interrupts::~Interrupts() {
  std::signal(SIGINT, SIG_DFL);
  if (terminate_) std::signal(SIGTERM, SIG_DFL);
  mask(SIG_UNBLOCK, terminate_);
}

bool Interrupts::wait_for_input(int fd) {
  const sigset_t before = mask(SIG_BLOCK);
  pollfd input{fd, POLLIN, 0};
  while (!pressed() && ::ppoll(&input, 1, nullptr, &before) < 0 && errno == EINTR) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !pressed();
}

void Interrupts::listen() { mask(SIG_UNBLOCK, terminate_); }
bool Interrupts::pressed() { return flag != 0; }
void Interrupts::forget() { flag = 0; }

}  // namespace lieq::terminal
