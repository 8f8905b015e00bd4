#include "lieq/base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lieq/base/check.h"

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

struct Threads::Team {
  using Body = std::function<void(std::size_t, std::size_t)>;

  std::mutex mutex;
  std::condition_variable start, done;
  std::size_t generation = 0;  // counts loops, so that a worker takes part in each once
  std::size_t running = 0;     // workers still inside the current loop
  bool stopping = false;

  const Body* body = nullptr;
  std::size_t items = 0;
  std::atomic<std::size_t> next{0};

  std::vector<std::thread> workers;

  void take_items(std::size_t thread) {
    for (std::size_t i = next.fetch_add(1); i < items; i = next.fetch_add(1)) (*body)(i, thread);
  }

  void work(std::size_t thread) {
    std::size_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      start.wait(lock, [&] { return stopping || generation != seen; });
      if (stopping) return;
      seen = generation;
      lock.unlock();
      take_items(thread);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }
};

Threads::Threads(std::size_t count) : team_(std::make_unique<Team>()) {
  LIEQ_CHECK(count >= 1);
  for (std::size_t t = 1; t < count; ++t) team_->workers.emplace_back([this, t] { team_->work(t); });
}

Threads::~Threads() {
  {
    const std::lock_guard lock(team_->mutex);
    team_->stopping = true;
  }
  team_->start.notify_all();
  for (std::thread& worker : team_->workers) worker.join();
}

std::size_t Threads::count() const { return team_->workers.size() + 1; }

void Threads::for_each(std::size_t items, const std::function<void(std::size_t, std::size_t)>& body) {
  if (items == 0) return;
  if (team_->workers.empty() || items == 1) {
    for (std::size_t i = 0; i < items; ++i) body(i, 0);
    return;
  }
  {
    const std::lock_guard lock(team_->mutex);
    LIEQ_CHECK(team_->running == 0);  // loops do not nest
    team_->body = &body;
    team_->items = items;
    team_->next = 0;
    team_->running = team_->workers.size();
    ++team_->generation;
  }
  team_->start.notify_all();
  team_->take_items(0);
  std::unique_lock lock(team_->mutex);
  team_->done.wait(lock, [&] { return team_->running == 0; });
}

}  // namespace lieq
