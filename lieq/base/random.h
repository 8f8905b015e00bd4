#pragma once
/// Random numbers that are the same on every platform and standard library.

#include <cstddef>
#include <cstdint>

namespace lieq {

/// SplitMix64 (Steele, Lea, Flood 2014). A stream is chosen by a seed and up to two further numbers, so that a loop can
/// give each item its own and the result does not depend on the number of threads.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t substream = 0);

  [[nodiscard]] std::uint64_t bits();
  /// Uniform in [0, 1), a multiple of 2^-53.
  [[nodiscard]] double uniform();
  /// Uniform in [0, count); count > 0. The bias is below count / 2^64.
  [[nodiscard]] std::size_t below(std::size_t count);
  /// Standard normal, by Marsaglia's polar method with a logarithm of our own: only + - * / and sqrt, which IEEE 754
  /// fixes to the last bit, where the logarithms of C libraries differ.
  [[nodiscard]] double normal();

 private:
  std::uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace lieq
