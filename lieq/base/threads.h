#pragma once
/// A fixed team of threads for data-parallel loops. A decoding step runs a few hundred loops of some microseconds each,
/// so starting one costs about a microsecond: nothing is allocated, and idle threads spin a while before they sleep.

#include <cstddef>
#include <memory>
#include <type_traits>

#include "lieq/base/ranks.h"

namespace lieq {

/// The number of physical cores this process may run on, at least 1.
[[nodiscard]] std::size_t physical_cores();

/// A team of `count` threads, the caller being one of them, in the process that is one of `ranks`.
/// One loop runs at a time; loops do not nest. The caller never waits for a thread that has not begun: on a busy
/// machine it does the work itself.
class Threads {
 public:
  /// ranks must outlive this. Throws std::system_error where the system gives no more threads.
  explicit Threads(std::size_t count, Ranks& ranks = Ranks::alone());
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  [[nodiscard]] std::size_t count() const;
  /// The processes that loops over layers, windows and rows are shared out among.
  [[nodiscard]] Ranks& ranks() const { return *ranks_; }

  /// While one lives, its threads work as the only rank: for what one rank does by itself.
  class Apart {
   public:
    explicit Apart(Threads& threads) : threads_(threads), before_(threads.ranks_) { threads.ranks_ = &Ranks::alone(); }
    ~Apart() { threads_.ranks_ = before_; }
    Apart(const Apart&) = delete;
    Apart& operator=(const Apart&) = delete;

   private:
    Threads& threads_;
    Ranks* before_;
  };

  /// Calls body(item, thread) once for every item in [0, items), thread in [0, count()); items < 2^32.
  /// Which thread takes which item is not fixed: a body whose result must not depend on
  /// the number of threads writes only to places that belong to its item. What a body throws (memory that is not to be
  /// had) is thrown here once the loop has ended, of several one; items beside it may have been left out.
  template <class Body>
  void for_each(std::size_t items, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    const auto call = [](const void* object, std::size_t first, std::size_t last, std::size_t thread) {
      Plain& function = *static_cast<Plain*>(const_cast<void*>(object));
      for (std::size_t item = first; item < last; ++item) function(item, thread);
    };
    run(items, static_cast<const void*>(&body), call);
  }

 private:
  /// Calls the loop's body for items [first, last).
  using Call = void (*)(const void* body, std::size_t first, std::size_t last, std::size_t thread);
  void run(std::size_t items, const void* body, Call call);

  struct Team;
  std::unique_ptr<Team> team_;
  Ranks* ranks_;
};

}  // namespace lieq
