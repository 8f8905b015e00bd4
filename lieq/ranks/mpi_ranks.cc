#include "lieq/ranks/mpi_ranks.h"

#include <mpi.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "lieq/base/check.h"

namespace lieq::ranks {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of one message: MPI counts in ints

int count_of(std::size_t n) { return narrow<int>(n); }

/// Until all are done. MPI's own waiting would take a whole core from a rank that computes.
void wait_all(std::span<MPI_Request> requests) {
  constexpr auto kYielding = std::chrono::milliseconds(5);
  constexpr auto kNap = std::chrono::microseconds(200);
  const Clock::time_point start = Clock::now();
  for (int done = 0;;) {
    MPI_Testall(count_of(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
    if (done) return;
    if (Clock::now() - start < kYielding) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kNap);
    }
  }
}

/// Adds the time until its end to `waited`.
class Stopwatch {
 public:
  explicit Stopwatch(double& waited) : waited_(waited) {}
  ~Stopwatch() { waited_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& waited_;
  Clock::time_point start_ = Clock::now();
};

template <class T>
void add_to(std::span<T> target, const std::vector<T>& more) {
  for (std::size_t i = 0; i < target.size(); ++i) target[i] += more[i];
}

}  // namespace

std::unique_ptr<MpiRanks> MpiRanks::start() {
  int provided = 0, rank = 0, size = 1;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return std::unique_ptr<MpiRanks>(new MpiRanks(static_cast<std::size_t>(rank), static_cast<std::size_t>(size)));
}

MpiRanks::~MpiRanks() {
  MPI_Request all_here = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &all_here);
  wait_all({&all_here, 1});
  MPI_Finalize();
}

std::string MpiRanks::host() {
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  return {name, static_cast<std::size_t>(length)};
}

void MpiRanks::end_all(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();  // not reached
}

void MpiRanks::broadcast(std::span<std::byte> bytes) {
  const Stopwatch watch(traffic_.waited);
  for (std::size_t first = 0; first < bytes.size(); first += kMostBytes) {
    const std::size_t count = std::min(kMostBytes, bytes.size() - first);
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ibcast(bytes.data() + first, count_of(count), MPI_BYTE, 0, MPI_COMM_WORLD, &request);
    wait_all({&request, 1});
    (rank_ == 0 ? traffic_.sent : traffic_.received) += count;
  }
}

/// Every rank sends its part to every other, the next one first, so that no rank is sent to by all at once.
void MpiRanks::all_gather(std::span<std::byte> bytes, std::span<const std::size_t> borders) {
  LIEQ_CHECK(borders.size() == size_ + 1 && borders.back() == bytes.size());
  const auto part = [&](std::size_t r) { return bytes.subspan(borders[r], borders[r + 1] - borders[r]); };
  for (std::size_t step = 1; step < size_; ++step) {
    const std::size_t to = (rank_ + step) % size_, from = (rank_ + size_ - step) % size_;
    exchange(to, part(rank_), from, part(from));
  }
}

void MpiRanks::exchange(std::size_t to, std::span<const std::byte> out, std::size_t from, std::span<std::byte> in) {
  const Stopwatch watch(traffic_.waited);
  std::vector<MPI_Request> requests;
  const auto post = [&](std::size_t peer, auto data, const auto& start) {
    for (std::size_t first = 0; first < data.size(); first += kMostBytes) {
      const std::size_t count = std::min(kMostBytes, data.size() - first);
      start(data.data() + first, count_of(count), MPI_BYTE, count_of(peer), 0, MPI_COMM_WORLD,
            &requests.emplace_back(MPI_REQUEST_NULL));
    }
  };
  post(from, in, MPI_Irecv);
  post(to, out, MPI_Isend);
  wait_all(requests);
  traffic_.sent += out.size();
  traffic_.received += in.size();
}

/// Halves go back and forth between neighbours, then between pairs of them, ...: each rank ends with the sum of its
/// piece and sends it the same way back. Two transfers of the whole in all, whatever the number of ranks.
template <class T>
void MpiRanks::add_up_tree(std::span<T> values) {
  const std::size_t paired = std::bit_floor(size_);  // the others hand their values to one of these
  const auto send = [&](std::size_t to, std::span<const T> out) { exchange(to, std::as_bytes(out), to, {}); };
  const auto receive = [&](std::size_t from, std::span<T> in) { exchange(from, {}, from, std::as_writable_bytes(in)); };
  std::vector<T> more;
  if (rank_ >= paired) {
    send(rank_ - paired, values);
    receive(rank_ - paired, values);
    return;
  }
  const bool has_extra = rank_ + paired < size_;
  if (has_extra) {
    more.resize(values.size());
    receive(rank_ + paired, more);
    add_to(values, more);
  }
  struct Step {
    std::size_t with;
    std::span<T> kept, given;
  };
  std::vector<Step> steps;
  std::span<T> piece = values;
  for (std::size_t distance = 1; distance < paired; distance *= 2) {
    const std::size_t half = piece.size() / 2;
    const std::span<T> low = piece.first(half), high = piece.subspan(half);
    const bool keeps_low = (rank_ & distance) == 0;
    const Step& step = steps.emplace_back(Step{rank_ ^ distance, keeps_low ? low : high, keeps_low ? high : low});
    more.resize(step.kept.size());
    exchange(step.with, std::as_bytes(step.given), step.with, std::as_writable_bytes(std::span(more)));
    add_to(step.kept, more);
    piece = step.kept;
  }
  for (; !steps.empty(); steps.pop_back()) {
    const Step& step = steps.back();
    exchange(step.with, std::as_bytes(step.kept), step.with, std::as_writable_bytes(step.given));
  }
  if (has_extra) send(rank_ + paired, values);
}

void MpiRanks::add_up(std::span<float> values) { add_up_tree(values); }
void MpiRanks::add_up(std::span<double> values) { add_up_tree(values); }

}  // namespace lieq::ranks
