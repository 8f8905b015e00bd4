#include "lieq/base/random.h"

#include <cmath>

#include "lieq/base/check.h"

namespace lieq {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// ln(x) for normal x > 0: x = m 2^e, m in [1/sqrt 2, sqrt 2), ln m = 2 atanh t, t = (m - 1) / (m + 1), |t| < 0.1716.
/// The first term left out is below 2 t^21 / 21 < 1e-17.
double natural_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double t = (m - 1) / (m + 1), square = t * t;
  double series = 0;
  for (int k = 19; k >= 1; k -= 2) series = series * square + 1.0 / k;
  return 2 * t * series + exponent * 0.69314718055994530942;
}

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t stream, std::uint64_t substream)
    : state_(mix(mix(mix(seed + 0x9E3779B97F4A7C15) + stream) + substream)) {}

std::uint64_t Random::bits() { return mix(state_ += 0x9E3779B97F4A7C15); }

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

std::size_t Random::below(std::size_t count) {
  LIEQ_CHECK(count > 0);
  // The high half of a 128-bit product, by halves of 32 bits, is bits * count / 2^64.
  const std::uint64_t a = bits(), n = count, low = 0xFFFFFFFF;
  const std::uint64_t cross = (a >> 32) * (n & low) + (((a & low) * (n & low)) >> 32);
  return static_cast<std::size_t>((a >> 32) * (n >> 32) + (cross >> 32) +
                                  (((a & low) * (n >> 32) + (cross & low)) >> 32));
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double u = 0, v = 0, square = 0;
  do {
    u = 2 * uniform() - 1;
    v = 2 * uniform() - 1;
    square = u * u + v * v;
  } while (square >= 1 || square == 0);
  const double factor = std::sqrt(-2 * natural_log(square) / square);
  spare_ = v * factor;
  has_spare_ = true;
  return u * factor;
}

}  // namespace lieq
