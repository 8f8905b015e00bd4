#pragma once
/// Ranks over MPI: the processes that mpirun or srun started. The only room that knows MPI.

#include <cstdint>
#include <memory>
#include <string>

#include "lieq/base/ranks.h"

namespace lieq::ranks {

/// What this rank has exchanged so far.
struct Traffic {
  std::uint64_t sent = 0, received = 0;  ///< bytes
  double waited = 0;                     ///< seconds, transfers and waiting for slower ranks together
};

/// All processes of MPI_COMM_WORLD; call from the thread that made it. Waiting gives the core away, at first for a
/// moment and later for fractions of a millisecond, so that more ranks than cores are slow but no slower than that.
/// An error of MPI ends the program on all ranks, as MPI does by default.
class MpiRanks : public Ranks {
 public:
  /// MPI_Init; at most one in the life of a process.
  [[nodiscard]] static std::unique_ptr<MpiRanks> start();
  /// Waits for all ranks, then MPI_Finalize.
  ~MpiRanks() override;

  [[nodiscard]] std::size_t rank() const override { return rank_; }
  [[nodiscard]] std::size_t size() const override { return size_; }
  void broadcast(std::span<std::byte> bytes) override;
  void all_gather(std::span<std::byte> bytes, std::span<const std::size_t> borders) override;
  void add_up(std::span<float> values) override;
  void add_up(std::span<double> values) override;

  [[nodiscard]] const Traffic& traffic() const { return traffic_; }
  /// The name of the machine.
  [[nodiscard]] static std::string host();
  /// Ends the program on all ranks with this exit status.
  [[noreturn]] static void end_all(int status);

 private:
  MpiRanks(std::size_t rank, std::size_t size) : rank_(rank), size_(size) {}
  /// Sends to one rank while another (or the same one) sends here; either may be nothing.
  void exchange(std::size_t to, std::span<const std::byte> out, std::size_t from, std::span<std::byte> in);
  template <class T>
  void add_up_tree(std::span<T> values);

  std::size_t rank_, size_;
  Traffic traffic_;
};

}  // namespace lieq::ranks
