#pragma once
/// Several ranks in one process, for tests without MPI.

#include <algorithm>
#include <barrier>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/base/threads.h"

namespace lieq::test {

/// What the ranks of one run share.
struct RankTeam {
  explicit RankTeam(std::size_t size) : all_here(static_cast<std::ptrdiff_t>(size)), buffers(size) {}
  std::barrier<> all_here;
  std::vector<std::span<std::byte>> buffers;
};

class ThreadRanks : public Ranks {
 public:
  ThreadRanks(RankTeam& team, std::size_t rank) : team_(team), rank_(rank) {}
  [[nodiscard]] std::size_t rank() const override { return rank_; }
  [[nodiscard]] std::size_t size() const override { return team_.buffers.size(); }

  void broadcast(std::span<std::byte> bytes) override {
    show(bytes);
    if (rank_ > 0) std::ranges::copy(team_.buffers[0], bytes.begin());
    team_.all_here.arrive_and_wait();
  }
  void all_gather(std::span<std::byte> bytes, std::span<const std::size_t> borders) override {
    show(bytes);
    for (std::size_t r = 0; r < size(); ++r)
      if (r != rank_)
        std::ranges::copy(team_.buffers[r].subspan(borders[r], borders[r + 1] - borders[r]),
                          bytes.begin() + static_cast<std::ptrdiff_t>(borders[r]));
    team_.all_here.arrive_and_wait();
  }
  void add_up(std::span<float> values) override { add_up_tree(values); }
  void add_up(std::span<double> values) override { add_up_tree(values); }

 private:
  void show(std::span<std::byte> bytes) {
    team_.buffers[rank_] = bytes;
    team_.all_here.arrive_and_wait();
    for (const auto& other : team_.buffers) LIEQ_CHECK(other.size() == bytes.size());
  }
  template <class T>
  void add_up_tree(std::span<T> values) {
    show(std::as_writable_bytes(values));
    std::vector<std::vector<T>> sums;
    for (const auto& bytes : team_.buffers) {
      sums.emplace_back(values.size());
      if (!bytes.empty()) std::memcpy(sums.back().data(), bytes.data(), bytes.size());
    }
    for (std::size_t distance = 1; distance < sums.size(); distance *= 2)
      for (std::size_t r = 0; r + distance < sums.size(); r += 2 * distance)
        for (std::size_t i = 0; i < values.size(); ++i) sums[r][i] += sums[r + distance][i];
    team_.all_here.arrive_and_wait();
    std::ranges::copy(sums[0], values.begin());
    team_.all_here.arrive_and_wait();
  }

  RankTeam& team_;
  std::size_t rank_;
};

/// What work(threads) gives on each of `size` ranks, with a thread each.
template <class T>
std::vector<T> on_ranks(std::size_t size, const std::function<T(Threads&)>& work) {
  RankTeam team(size);
  std::vector<T> results(size);
  std::vector<std::thread> ranks;
  for (std::size_t r = 0; r < size; ++r)
    ranks.emplace_back([&, r] {
      ThreadRanks own(team, r);
      Threads threads(1, own);
      results[r] = work(threads);
    });
  for (std::thread& rank : ranks) rank.join();
  return results;
}

}  // namespace lieq::test
