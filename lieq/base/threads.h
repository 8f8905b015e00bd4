#pragma once
/// A fixed team of threads for data-parallel loops.

#include <cstddef>
#include <functional>
#include <memory>

namespace lieq {

/// The number of physical cores this process may run on, at least 1.
[[nodiscard]] std::size_t physical_cores();

/// A team of `count` threads, the caller being one of them.
/// One loop runs at a time; loops do not nest.
class Threads {
 public:
  explicit Threads(std::size_t count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  [[nodiscard]] std::size_t count() const;

  /// Calls body(item, thread) once for every item in [0, items), thread in [0, count()).
  /// Which thread takes which item is not fixed: a body whose result must not depend on
  /// the number of threads writes only to places that belong to its item.
  void for_each(std::size_t items, const std::function<void(std::size_t, std::size_t)>& body);

 private:
  struct Team;
  std::unique_ptr<Team> team_;
};

}  // namespace lieq
