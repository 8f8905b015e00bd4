#include "lieq/tune/adam.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lieq/base/check.h"

namespace lieq::tune {

double Schedule::at(std::size_t step) const {
  const double warm = warm_up == 0 ? 1 : std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(warm_up));
  const double cosine = std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps));
  return rate * warm * 0.5 * (1 + cosine);
}

void Adam::step(Threads& threads, std::size_t step, double rate, std::size_t begin, std::size_t end,
                std::span<const float> gradient, std::span<float> values) {
  LIEQ_CHECK(end <= first.size() && gradient.size() == first.size() && values.size() == first.size());
  constexpr std::size_t kPiece = 4096;
  const auto times = static_cast<double>(step + 1);
  const auto first_rate = static_cast<float>(rate / (1 - std::pow(kFirst, times)));
  const auto second_share = static_cast<float>(1 / (1 - std::pow(kSecond, times)));
  constexpr auto keep_first = static_cast<float>(kFirst), keep_second = static_cast<float>(kSecond);
  threads.for_each((end - begin + kPiece - 1) / kPiece, [&](std::size_t piece, std::size_t) {
    for (std::size_t i = begin + piece * kPiece; i < std::min(end, begin + (piece + 1) * kPiece); ++i) {
      const float g = gradient[i];
      first[i] = keep_first * first[i] + (1 - keep_first) * g;
      second[i] = keep_second * second[i] + (1 - keep_second) * g * g;
      values[i] -= first_rate * first[i] / (std::sqrt(second[i] * second_share) + static_cast<float>(kEpsilon));
    }
  });
}

}  // namespace lieq::tune
