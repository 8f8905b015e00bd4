#include "lieq/cli/launch.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#ifdef LIEQ_MPI
#include "lieq/ranks/mpi_ranks.h"
#endif

namespace lieq::cli {
namespace {

/// The first of these variables that is set. Open MPI's, PMI's (MPICH, srun --mpi=pmi2), PMIx's (srun --mpi=pmix).
std::optional<std::size_t> number_in(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name)) return std::strtoull(value, nullptr, 10);
  return std::nullopt;
}

std::size_t started_processes() { return number_in({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}).value_or(1); }
std::size_t own_number() { return number_in({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}).value_or(0); }

#ifdef LIEQ_MPI
double cpu_seconds() {
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}
#endif

int tell(const std::string& message, int status) {
  std::fprintf(stderr, "lieq: %s\n", message.c_str());
  return status;
}

}  // namespace

#ifdef LIEQ_MPI

struct Launch::Joined {
  std::unique_ptr<ranks::MpiRanks> ranks;
};

Launch::Launch() {
  if (!number_in({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"})) return;
  auto ranks = ranks::MpiRanks::start();
  if (ranks->size() < started_processes())
    unknown_ = fmt::format(
        "started as one of {} processes by a launcher that this build's MPI does not know, expected "
        "Open MPI's mpirun or srun --mpi=pmix",
        started_processes());
  silent_ = !ranks->is_first() || (!unknown_.empty() && own_number() != 0);
  if (silent_ && std::freopen("/dev/null", "w", stdout) == nullptr) std::fclose(stdout);
  joined_ = std::make_unique<Joined>(Joined{std::move(ranks)});
}

Ranks& Launch::ranks() const { return joined_ ? *joined_->ranks : Ranks::alone(); }

std::string Launch::summary() const {
  if (ranks().size() == 1) return "";
  const ranks::Traffic traffic = joined_->ranks->traffic();
  std::vector<double> busy(ranks().size());
  busy[ranks().rank()] = cpu_seconds();
  ranks().add_up(std::span(busy));
  const auto [least, most] = std::ranges::minmax(busy);
  return fmt::format(
      "{} ranks, {:.1f} to {:.1f} s of CPU each; the first sent {:.1f} MB, got {:.1f} MB and waited {:.1f} s",
      busy.size(), least, most, static_cast<double>(traffic.sent) / 1e6, static_cast<double>(traffic.received) / 1e6,
      traffic.waited);
}

int Launch::fail(const std::string& message, int status) const {
  if (ranks().size() == 1) return silent_ ? status : tell(message, status);
  if (!ranks().is_first()) {
    const auto turn = std::chrono::milliseconds(1000 + 100 * std::min<std::size_t>(ranks().rank(), 50));
    std::this_thread::sleep_for(turn);  // the first one ends all of them meanwhile, if it fails as well
    tell(fmt::format("rank {} of {} ({}): {}", ranks().rank(), ranks().size(), ranks::MpiRanks::host(), message), 0);
  } else {
    tell(message, 0);
  }
  std::fflush(stdout);
  ranks::MpiRanks::end_all(status);
}

#else

struct Launch::Joined {};

Launch::Launch() {
  if (started_processes() > 1)
    unknown_ = fmt::format(
        "started as one of {} processes, which needs a build with MPI (cmake -DLIEQ_MPI=ON, "
        "libopenmpi-dev)",
        started_processes());
  silent_ = !unknown_.empty() && own_number() != 0;
}

Ranks& Launch::ranks() const { return Ranks::alone(); }
std::string Launch::summary() const { return ""; }
int Launch::fail(const std::string& message, int status) const { return silent_ ? status : tell(message, status); }

#endif

Launch::~Launch() = default;

Result<void> Launch::check() const {
  if (unknown_.empty()) return {};
  return lieq::fail(ErrorCode::kUnsupported, unknown_);
}

}  // namespace lieq::cli
