#include "lieq/base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/base/signal_stack.h"

namespace lieq {

std::size_t physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::max(1U, std::thread::hardware_concurrency());
  // Hyper-threads of one core name the same list of siblings.
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = "cpu" + std::to_string(cpu);
    cores.insert(siblings);
  }
  return std::max<std::size_t>(1, cores.size());
}

namespace {

using Clock = std::chrono::steady_clock;

void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits for ready() without sleeping: first in place, then giving the core to whoever wants it. False: it took too
/// long.
template <class Ready>
bool spin_until(const Ready& ready) {
  constexpr int kInPlace = 2000;  // some ten microseconds: longer than the serial steps between two loops
  constexpr auto kYielding = std::chrono::microseconds(200);
  for (int i = 0; i < kInPlace; ++i) {
    if (ready()) return true;
    pause_cpu();
  }
  for (const auto end = Clock::now() + kYielding; Clock::now() < end;) {
    if (ready()) return true;
    std::this_thread::yield();
  }
  return ready();
}

}  // namespace

/// Loops are numbered. `open` holds the number of the current loop and how many of its items nobody has taken yet;
/// a thread takes items by one compare-and-swap on it. Success proves that the loop is still running (its caller
/// waits for `done` to count every item), hence that the fields read before belong to it: a thread that wakes late
/// finds no items and touches nothing.
struct Threads::Team {
  static constexpr std::uint64_t kItems = 0xFFFFFFFF;  // the half of `open` that counts items; the rest numbers loops

  // Own cache lines: `open` and `done` are written by different threads all the time.
  alignas(64) std::atomic<std::uint64_t> open{0};
  alignas(64) std::atomic<std::uint32_t> done{0};
  alignas(64) std::atomic<std::uint32_t> signal{0};  // changes with each loop: what sleeping workers watch
  std::atomic<bool> stopping{false};
  std::atomic<bool> running{false};
  std::atomic<bool> failed{false};  // a body threw
  std::exception_ptr problem;       // the first that was thrown, for the caller; written by who set `failed`

  std::atomic<const void*> body{nullptr};
  std::atomic<Call> call{nullptr};
  std::atomic<std::uint32_t> items{0};

  const std::size_t count;
  std::vector<std::thread> workers;

  explicit Team(std::size_t threads) : count(threads) {}

  void call_body(Call loop_call, const void* loop_body, std::uint64_t first, std::uint64_t last, std::size_t thread) {
    try {
      loop_call(loop_body, first, last, thread);
    } catch (...) {
      if (!failed.exchange(true)) problem = std::current_exception();
    }
  }

  void take_items(std::size_t thread) {
    const std::uint64_t shares = 4 * count;  // a share of what is left is so small that no thread ends much later
    std::uint64_t seen = open.load(std::memory_order_acquire);
    while (const std::uint64_t left = seen & kItems) {
      const void* const loop_body = body.load(std::memory_order_relaxed);
      const Call loop_call = call.load(std::memory_order_relaxed);
      const std::uint64_t total = items.load(std::memory_order_relaxed);
      const std::uint64_t taken = std::max<std::uint64_t>(1, left / shares);
      if (!open.compare_exchange_weak(seen, seen - taken, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      call_body(loop_call, loop_body, total - left, total - left + taken, thread);
      const auto finished = done.fetch_add(static_cast<std::uint32_t>(taken), std::memory_order_acq_rel) + taken;
      if (finished == total) done.notify_one();
      seen = open.load(std::memory_order_acquire);
    }
  }

  void work(std::size_t thread) {
    const SignalStack stack;
    for (;;) {
      // Before `stopping` is asked: the signal that comes with it then differs from this one, and nobody sleeps on it.
      const std::uint32_t before = signal.load(std::memory_order_acquire);
      if (stopping.load(std::memory_order_acquire)) return;
      take_items(thread);
      const auto called = [&] { return signal.load(std::memory_order_acquire) != before; };
      if (!spin_until(called)) signal.wait(before, std::memory_order_acquire);
    }
  }

  void call_workers() {
    signal.fetch_add(1);
    signal.notify_all();
  }

  void dismiss() {
    stopping = true;
    call_workers();
    for (std::thread& worker : workers) worker.join();
  }
};

Threads::Threads(std::size_t count, Ranks& ranks) : team_(std::make_unique<Team>(count)), ranks_(&ranks) {
  LIEQ_CHECK(count >= 1);
  team_->workers.reserve(count - 1);
  for (std::size_t t = 1; t < count; ++t) {
    try {
      team_->workers.emplace_back([team = team_.get(), t] { team->work(t); });
    } catch (const std::system_error& error) {
      team_->dismiss();
      throw std::system_error(error.code(),
                              "cannot start thread " + std::to_string(t + 1) + " of " + std::to_string(count));
    }
  }
}

Threads::~Threads() { team_->dismiss(); }

std::size_t Threads::count() const { return team_->count; }

void Threads::run(std::size_t items, const void* body, Call call) {
  Team& team = *team_;
  LIEQ_CHECK(items <= Team::kItems);
  if (team.count == 1 || items <= 1) {
    call(body, 0, items, 0);
    return;
  }
  LIEQ_CHECK(!team.running.exchange(true, std::memory_order_acquire));  // loops do not nest
  team.body.store(body, std::memory_order_relaxed);
  team.call.store(call, std::memory_order_relaxed);
  team.items.store(static_cast<std::uint32_t>(items), std::memory_order_relaxed);
  team.done.store(0, std::memory_order_relaxed);
  const std::uint64_t last_loop = team.open.load(std::memory_order_relaxed) & ~Team::kItems;
  team.open.store((last_loop + Team::kItems + 1) | items, std::memory_order_release);
  team.call_workers();
  team.take_items(0);
  const auto finished = [&] { return team.done.load(std::memory_order_acquire) == items; };
  if (!spin_until(finished)) {
    for (std::uint32_t done = team.done; done != items; done = team.done) team.done.wait(done);
  }
  team.running.store(false, std::memory_order_release);
  if (team.failed.exchange(false)) std::rethrow_exception(std::exchange(team.problem, nullptr));
}

}  // namespace lieq
