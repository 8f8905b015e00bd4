#pragma once
/// Processes that do one job together, each with the whole model and the same options.
///
/// Every rank runs the whole program and comes to the same results; a loop that is shared out gives each rank a part of
/// its items and then hands the results around. So all ranks must make the same calls here in the same order. Work that
/// one rank does by itself goes through Threads::Apart.

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace lieq {

/// Items [first, last) of a list.
struct Share {
  std::size_t first = 0, last = 0;
  [[nodiscard]] std::size_t count() const { return last - first; }
  [[nodiscard]] bool has(std::size_t item) const { return item >= first && item < last; }
};

/// Piece `part` of `parts` of a list, each as long as the others up to one item. Halving the parts joins neighbours:
/// the share of part k of n is that of parts 2k and 2k + 1 of 2n.
[[nodiscard]] constexpr Share share_of(std::size_t items, std::size_t part, std::size_t parts) {
  return {items * part / parts, items * (part + 1) / parts};
}

/// The interface; ranks/ has the one over MPI. Nothing fails: a rank that cannot go on ends the program on all of them.
class Ranks {
 public:
  Ranks() = default;
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;
  virtual ~Ranks() = default;

  [[nodiscard]] virtual std::size_t rank() const = 0;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// Whether this is the one that writes files and prints.
  [[nodiscard]] bool is_first() const { return rank() == 0; }

  /// Rank 0's bytes to all.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  /// Rank r has written bytes [borders[r], borders[r + 1]) and gets all others. borders: [size() + 1].
  virtual void all_gather(std::span<std::byte> bytes, std::span<const std::size_t> borders) = 0;
  /// values becomes the sum over ranks, the same bits on all: neighbours first, then pairs of neighbours, and so on.
  /// For a power of two of ranks that is the tree in which one rank would add up the halves of its list, their halves,
  /// ...
  virtual void add_up(std::span<float> values) = 0;
  virtual void add_up(std::span<double> values) = 0;

  /// The only rank there is: every call returns at once.
  [[nodiscard]] static Ranks& alone();
};

/// Rank 0's value to all.
template <class T>
void broadcast(Ranks& ranks, T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  ranks.broadcast(std::as_writable_bytes(std::span(&value, 1)));
}
void broadcast(Ranks& ranks, std::string& text);

/// Every rank's text, by rank.
[[nodiscard]] std::vector<std::string> all_texts(Ranks& ranks, const std::string& own);

}  // namespace lieq
