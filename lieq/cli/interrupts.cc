#include "lieq/cli/interrupts.h"

#include <csignal>

namespace lieq::cli {
namespace {

volatile std::sig_atomic_t flag = 0;

extern "C" void on_interrupt(int) { flag = 1; }

void mask(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  pthread_sigmask(how, &set, nullptr);
}

}  // namespace

Interrupts::Interrupts() {
  mask(SIG_BLOCK);
  struct sigaction action = {};
  action.sa_handler = on_interrupt;  // without SA_RESTART: a read that waits for input returns
  sigaction(SIGINT, &action, nullptr);
}

Interrupts::~Interrupts() {
  std::signal(SIGINT, SIG_DFL);
  mask(SIG_UNBLOCK);
}

void Interrupts::listen() { mask(SIG_UNBLOCK); }
bool Interrupts::pressed() { return flag != 0; }
void Interrupts::forget() { flag = 0; }

}  // namespace lieq::cli
