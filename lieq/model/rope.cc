#include "lieq/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lieq/base/check.h"

namespace lieq::model {
namespace {

/// Long wavelengths divided by `factor`, short ones kept, a linear blend between.
float llama3_frequency(const RopeConfig& rope, float plain) {
  const double wavelength = 2 * std::numbers::pi / static_cast<double>(plain);
  const double turns = rope.original_max_position_embeddings / wavelength;
  const double keep =
      std::clamp((turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor), 0.0, 1.0);
  return static_cast<float>((1 - keep) * static_cast<double>(plain) / rope.factor + keep * static_cast<double>(plain));
}

/// Between which pairs a yarn rotation goes over from unscaled frequencies to divided ones.
struct YarnRamp {
  double low, high;

  YarnRamp(const RopeConfig& rope, std::size_t rotated) {
    const auto dim = static_cast<double>(rotated);
    // The pair that makes `turns` turns in the original context.
    const auto pair_of = [&](double turns) {
      return dim * std::log(rope.original_max_position_embeddings / (turns * 2 * std::numbers::pi)) /
             (2 * std::log(rope.theta));
    };
    low = pair_of(rope.beta_fast);
    high = pair_of(rope.beta_slow);
    if (rope.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dim - 1);
    if (low == high) high += 0.001;
  }

  /// 0: unscaled, 1: divided by the factor.
  [[nodiscard]] float share(std::size_t j) const {
    const float line = (static_cast<float>(j) - static_cast<float>(low)) / static_cast<float>(high - low);
    return std::clamp(line, 0.0F, 1.0F);
  }
};

float yarn_frequency(const RopeConfig& rope, float wavelength, float share) {
  const float divided = 1.0F / (static_cast<float>(rope.factor) * wavelength), plain = 1.0F / wavelength;
  const float keep = 1.0F - share;
  return divided * (1.0F - keep) + plain * keep;
}

/// Dynamic scaling grows the base with the length of the sequence.
double theta_of(const RopeConfig& rope, std::size_t rotated, std::size_t length) {
  if (rope.type != RopeType::kDynamic) return rope.theta;
  const double most = rope.original_max_position_embeddings, n = std::max(static_cast<double>(length), most);
  const auto dim = static_cast<double>(rotated);
  return rope.theta * std::pow(rope.factor * n / most - (rope.factor - 1), dim / (dim - 2));
}

}  // namespace

std::string_view name(RopeType type) {
  switch (type) {
    case RopeType::kDefault: return "default";
    case RopeType::kLinear: return "linear";
    case RopeType::kDynamic: return "dynamic";
    case RopeType::kYarn: return "yarn";
    case RopeType::kLongRope: return "longrope";
    case RopeType::kLlama3: return "llama3";
  }
  LIEQ_CHECK(false);
}

std::size_t RopeConfig::length_key(std::size_t length) const {
  const bool beyond = static_cast<double>(length) > original_max_position_embeddings;
  if (type == RopeType::kLongRope) return beyond ? 1 : 0;
  return type == RopeType::kDynamic && beyond ? length : 0;
}

std::vector<float> inverse_frequencies(const RopeConfig& rope, std::size_t rotated, std::size_t length) {
  std::vector<float> frequencies(rotated / 2);
  const double theta = theta_of(rope, rotated, length);
  const std::vector<float>& factors = rope.length_key(length) == 0 ? rope.short_factor : rope.long_factor;
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(rotated);
    const auto wavelength = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    float frequency = 1.0F / wavelength;
    switch (rope.type) {
      case RopeType::kDefault:
      case RopeType::kDynamic: break;
      case RopeType::kLinear: frequency /= static_cast<float>(rope.factor); break;
      case RopeType::kYarn: frequency = yarn_frequency(rope, wavelength, YarnRamp(rope, rotated).share(j)); break;
      case RopeType::kLongRope: frequency = 1.0F / (factors[j] * wavelength); break;
      case RopeType::kLlama3: frequency = llama3_frequency(rope, frequency); break;
    }
    if (!rope.divisors.empty()) frequency /= rope.divisors[j];
    frequencies[j] = frequency;
  }
  return frequencies;
}

}  // namespace lieq::model
