#include "work.h"

#include <string>

#include <nanobind/stl/string.h>

namespace lieq::python {
namespace {

std::mutex team_mutex;
std::shared_ptr<Team>& current_team() {
  static std::shared_ptr<Team> team;
  return team;
}

nb::str text(std::string_view line) {
  return nb::steal<nb::str>(PyUnicode_DecodeUTF8(line.data(), static_cast<Py_ssize_t>(line.size()), "replace"));
}

}  // namespace

std::shared_ptr<Team> team() {
  const std::lock_guard lock(team_mutex);
  std::shared_ptr<Team>& team = current_team();
  if (!team) team = std::make_shared<Team>(physical_cores());
  return team;
}

void set_num_threads(std::size_t count) {
  if (count < 1 || count > 1024) refuse("num_threads: found " + std::to_string(count) + ", expected 1 to 1024");
  const std::lock_guard lock(team_mutex);
  current_team() = std::make_shared<Team>(count);  // the old one lives on in work that it does
}

PythonSink::PythonSink(nb::handle progress)
    : progress_(nb::module_::import_("lieq.progress").attr("resolve")(progress)) {}

PythonSink::~PythonSink() {
  if (progress_.is_none() || !nb::hasattr(progress_, "close")) return;
  try {
    progress_.attr("close")();
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("closing a progress bar");
  }
}

/// Calls Python, unless it has failed already.
template <class Call>
void PythonSink::guarded(const Call& call) const {
  const nb::gil_scoped_acquire acquired;
  if (raised_) return;
  try {
    call();
  } catch (nb::python_error&) {
    raised_ = std::current_exception();
  }
}

void PythonSink::warn(std::string_view line) {
  guarded([&] { nb::module_::import_("lieq.progress").attr("warn")(text(line)); });
}

void PythonSink::note(std::string_view line) {
  guarded([&] { nb::module_::import_("lieq.progress").attr("note")(text(line)); });
}

void PythonSink::progress(std::string_view what, std::size_t done, std::size_t total) {
  if (!progress_.is_none()) guarded([&] { progress_(text(what), done, total); });
}

bool PythonSink::cancelled() const {
  guarded([] {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  });
  const nb::gil_scoped_acquire acquired;
  return static_cast<bool>(raised_);
}

void PythonSink::rethrow() const {
  if (raised_) std::rethrow_exception(raised_);
}

}  // namespace lieq::python
