#pragma once
/// Long work without the GIL: the threads it runs on, and what it tells Python meanwhile.

#include <exception>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include <nanobind/nanobind.h>

#include "errors.h"
#include "lieq/base/signal_stack.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"

namespace lieq::python {

/// A team of threads, and who may use it now. Its owner may come back: a progress callback may ask for logits.
struct Team {
  explicit Team(std::size_t count) : threads(count) {}
  Threads threads;
  std::recursive_mutex mutex;
};

/// The team that work runs on: one thread for each physical core, unless set_num_threads() said otherwise.
[[nodiscard]] std::shared_ptr<Team> team();
void set_num_threads(std::size_t count);

/// Warnings go to warnings.warn, notes to logging, progress to a callable (what, done, total); a pending signal or an
/// exception of any of them ends the work. Its functions take the GIL.
class PythonSink final : public Sink {
 public:
  /// progress: as the argument of that name (lieq.progress.resolve). The GIL is held, also at the end.
  explicit PythonSink(nb::handle progress);
  ~PythonSink() override;

  void warn(std::string_view line) override;
  void note(std::string_view line) override;
  void progress(std::string_view what, std::size_t done, std::size_t total) override;
  [[nodiscard]] bool cancelled() const override;

  /// Throws what a callback or a signal handler has raised, KeyboardInterrupt above all.
  void rethrow() const;

 private:
  template <class Call>
  void guarded(const Call& call) const;

  nb::object progress_;
  mutable std::exception_ptr raised_;
};

/// work(threads, sink) without the GIL: its Result's value, or an exception.
template <class Work>
auto run(nb::handle progress, const Work& work) {
  PythonSink sink(progress);
  const std::shared_ptr<Team> mine = team();
  auto result = [&] {
    const SignalStack stack;
    const nb::gil_scoped_release released;
    const std::lock_guard lock(mine->mutex);
    return work(mine->threads, sink);
  }();
  sink.rethrow();
  return value_of(std::move(result));
}

}  // namespace lieq::python
