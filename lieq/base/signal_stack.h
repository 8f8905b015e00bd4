#pragma once
/// A stack of its own for the handlers of signals.

#include <csignal>
#include <cstddef>
#include <memory>

namespace lieq {

/// While one lives, handlers installed with SA_ONSTACK (Python's are) run on a separate stack in the thread that made
/// it, unless that has one already. oneDNN's products move the stack pointer into a buffer that fits them: a handler
/// that runs on that stack overwrites what lies below the buffer. A thread that computes while signals are handled
/// needs one of these.
class SignalStack {
 public:
  SignalStack() {
    stack_t before = {};
    if (sigaltstack(nullptr, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0) return;
    constexpr std::size_t kBytes = std::size_t{128} << 10;  // registers of AVX-512 and AMX take 11 KiB of it
    memory_ = std::make_unique_for_overwrite<char[]>(kBytes);
    stack_t ours = {};
    ours.ss_sp = memory_.get();
    ours.ss_size = kBytes;
    is_set_ = sigaltstack(&ours, nullptr) == 0;
  }
  ~SignalStack() {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    if (is_set_) sigaltstack(&none, nullptr);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  std::unique_ptr<char[]> memory_;
  bool is_set_ = false;
};

}  // namespace lieq
