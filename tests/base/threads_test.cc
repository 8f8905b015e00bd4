#include "lieq/base/threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lieq {
namespace {

TEST(Threads, KnowsAtLeastOneCore) { EXPECT_GE(physical_cores(), 1U); }

class ThreadsOf : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ThreadsOf, VisitsEachItemExactlyOnce) {
  Threads threads(GetParam());
  EXPECT_EQ(threads.count(), GetParam());
  for (const std::size_t items : {0U, 1U, 2U, 3U, 7U, 64U, 1000U}) {
    std::vector<std::atomic<int>> visits(items);
    std::atomic<bool> thread_in_range = true;
    threads.for_each(items, [&](std::size_t item, std::size_t thread) {
      ++visits[item];
      if (thread >= threads.count()) thread_in_range = false;
    });
    for (std::size_t i = 0; i < items; ++i) EXPECT_EQ(visits[i], 1) << i << " of " << items;
    EXPECT_TRUE(thread_in_range);
  }
}

TEST_P(ThreadsOf, ThrowsWhatABodyThrowsAndGoesOn) {
  Threads threads(GetParam());
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(threads.for_each(100,
                                  [&](std::size_t item, std::size_t) {
                                    if (item % 7 == 3) throw std::bad_alloc();
                                  }),
                 std::bad_alloc);
    std::atomic<std::size_t> sum = 0;
    threads.for_each(100, [&](std::size_t item, std::size_t) { sum += item; });
    EXPECT_EQ(sum, 4950U);
  }
}

TEST_P(ThreadsOf, FinishesManyShortLoops) {
  Threads threads(GetParam());
  std::uint64_t total = 0;
  for (std::size_t loop = 0; loop < 2000; ++loop) {
    std::vector<std::uint64_t> squares(5);
    threads.for_each(squares.size(), [&](std::size_t i, std::size_t) { squares[i] = i * i + loop; });
    for (const std::uint64_t s : squares) total += s;
  }
  EXPECT_EQ(total, 2000U * 30 + 5U * (2000U * 1999 / 2));
}

TEST_P(ThreadsOf, GivesEachThreadItsOwnNumber) {
  Threads threads(GetParam());
  // Not atomic: two threads with one number would race here, which ThreadSanitizer reports, or lose counts.
  std::vector<std::uint64_t> counts(threads.count());
  threads.for_each(100000, [&](std::size_t, std::size_t thread) { ++counts[thread]; });
  std::uint64_t total = 0;
  for (const std::uint64_t c : counts) total += c;
  EXPECT_EQ(total, 100000U);
}

TEST_P(ThreadsOf, WakesSleepingThreads) {
  Threads threads(GetParam());
  for (std::size_t loop = 0; loop < 5; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // longer than anyone spins
    std::atomic<std::size_t> inside = 0, most = 0;
    threads.for_each(threads.count(), [&](std::size_t, std::size_t) {
      // Each item waits for the others, so every thread of the team has to come.
      most = std::max<std::size_t>(most, ++inside);
      while (inside < threads.count()) std::this_thread::yield();
    });
    EXPECT_EQ(most, threads.count());
  }
}

TEST_P(ThreadsOf, WaitsForSlowItems) {
  Threads threads(GetParam());
  std::vector<int> finished(threads.count());  // not atomic: for_each() must order these writes before its return
  threads.for_each(finished.size(), [&](std::size_t item, std::size_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(item == 0 ? 1 : 20));  // the caller has to sleep as well
    finished[item] = 1;
  });
  EXPECT_EQ(std::ranges::count(finished, 1), static_cast<std::ptrdiff_t>(threads.count()));
}

TEST_P(ThreadsOf, KeepsLoopsApart) {
  // Loops of different bodies and lengths in quick succession: a thread that comes late must not run an old body.
  Threads threads(GetParam());
  std::vector<std::size_t> cells(9);
  for (std::size_t loop = 1; loop < 20000; ++loop) {
    const std::size_t items = 2 + loop % 8;
    const std::size_t value = loop;
    threads.for_each(items, [&cells, value](std::size_t i, std::size_t) { cells[i] = value + i; });
    for (std::size_t i = 0; i < items; ++i) ASSERT_EQ(cells[i], loop + i);
    std::ranges::fill(cells, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, ThreadsOf, ::testing::Values(1, 2, 3, 8));

TEST(ThreadsDeathTest, NeedsAThread) { EXPECT_DEATH(Threads(0), "internal error"); }

}  // namespace
}  // namespace lieq
